"""Detectors trained from a data set's own recipe: seeded, stopped early, kept in the user's cache folder."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aexbench import files, specs
from aexbench.autoencoders import Training, Untrained, autoencoders
from aexbench.contracts import Dataset
from aexbench.detector import Detector, ScoreScale
from aexbench.digests import array_digest, engine_source, value_digest
from aexbench.errors import RequestError
from aexbench.registry import Plugin

Progress = Callable[[str, float], None]
SMALL_BATCH = 2**22  # bytes of activations
LEAST_GAIN = 1e-3  # of the validation error, for an epoch to count as better


@dataclass(frozen=True)
class Recipe:
    """Which autoencoder, with all its parameters: everything about a detector but the data and the seed."""

    plugin: Plugin
    parameters: dict[str, Any]

    @staticmethod
    def of(text: str, default: str) -> Recipe:
        """Read a name with brackets; `default[…]` is the data set's own with parameters changed."""
        name, given = specs.parse(text)
        if name == "default":
            name, own = specs.parse(default)
            given = own | given
        plugin = autoencoders.describe(name)
        return Recipe(plugin, plugin.validate(given))

    def build(self, shape: tuple[int, ...], seed: int) -> Untrained:
        """Return the model at its initial weights; torch's own random state stays as it is."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made: Untrained = autoencoders.make(self.plugin, (shape,), self.parameters)
        return made

    @property
    def source(self) -> str:
        """The digest of the code that builds, trains and calibrates."""
        return value_digest([self.plugin.digest, engine_source(autoencoders.family)])


def trained_detector(
    dataset: Dataset,
    *,
    seed: int = 0,
    autoencoder: str = "default",
    progress: Progress | None = None,
    device: str = "cpu",
) -> Detector:
    """Return the data set's detector from the cache, or train it and put it there."""
    recipe = Recipe.of(autoencoder, dataset.autoencoder)
    content = array_digest([dataset.train, dataset.validation])
    key = value_digest([content, asdict(dataset.features), recipe.plugin.name, recipe.parameters, recipe.source, seed])
    path = cache_folder() / f"{key}.safetensors"
    if not path.exists():
        files.write_once(path, to_bytes(train(dataset, recipe, seed, progress, device)))
    try:
        return from_file(path, dataset, recipe, device)
    except files.DamagedFileError:
        path.unlink()
        return trained_detector(dataset, seed=seed, autoencoder=autoencoder, progress=progress, device=device)


def cache_folder() -> Path:
    """Return the folder of trained detectors: `AEXBENCH_CACHE`, or the user's cache folder."""
    import platformdirs

    root = os.environ.get("AEXBENCH_CACHE") or platformdirs.user_cache_dir("aexbench", appauthor=False)
    return files.make_folder(Path(root) / "detectors")


def train(
    dataset: Dataset, recipe: Recipe, seed: int, progress: Progress | None = None, device: str = "cpu"
) -> Detector:
    """Train an autoencoder on the training split and return the calibrated detector, at its best validation error.

    Its `report` says how many epochs it took, the errors reached, and the validation error of the mean training row:
    an autoencoder that is no better than that has learned nothing.
    """
    untrained = recipe.build(tuple(dataset.train.shape[1:]), seed)
    training = untrained.training
    model = untrained.model.to(device)
    detector = Detector(model, training.loss, dataset.features)
    work = training.batch_size * detector.activation_bytes(torch.as_tensor(dataset.train[:1], device=device))
    splits = [torch.as_tensor(np.asarray(split), device=device) for split in (dataset.train, dataset.validation)]
    if not all(bool(torch.isfinite(split).all()) for split in splits):
        raise RequestError("the training or validation split holds values that are not finite")
    with few_threads(work):
        report = _fit(detector, training, splits[0], splits[1], seed, progress or (lambda text, share: None))
    mean = splits[0].mean(dim=0, keepdim=True)
    report["mean_row_error"] = float(
        detector.error_share(splits[1], mean.expand_as(splits[1])).flatten(1).sum(1).mean()
    )
    detector.report = report
    return detector.calibrate(dataset.validation)


@contextmanager
def few_threads(batch_bytes: int) -> Iterator[None]:
    """Use one thread where a batch is small: threads that wait for each other cost more than they bring.

    On two cores a small table trained equally fast with one thread or two, and four times slower with two as soon as
    another process wanted a core.
    """
    threads = torch.get_num_threads()
    if batch_bytes < SMALL_BATCH:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _fit(
    detector: Detector, training: Training, x: torch.Tensor, validation: torch.Tensor, seed: int, progress: Progress
) -> dict[str, Any]:
    optimizer = torch.optim.Adam(detector.model.parameters(), lr=training.learning_rate)
    order = torch.Generator().manual_seed(seed)
    best, best_epoch, weights, epoch = float("inf"), 0, copy.deepcopy(detector.model.state_dict()), 0
    for epoch in range(1, training.epochs + 1):
        error = _epoch(detector, optimizer, x, torch.randperm(len(x), generator=order), training.batch_size)
        if not np.isfinite(error):
            raise RequestError(f"training diverged in epoch {epoch}: use a smaller learning_rate")
        now = float(detector.error(validation).mean())
        if now < best * (1 - LEAST_GAIN):
            best, best_epoch, weights = now, epoch, copy.deepcopy(detector.model.state_dict())
        progress(f"validation error {best:.3g} at epoch {best_epoch}", epoch / training.epochs)
        if epoch - best_epoch >= training.patience:
            break
    detector.model.load_state_dict(weights)
    detector.model.eval()
    return {
        "epochs": epoch,
        "best_epoch": best_epoch,
        "stopped": "early" if epoch - best_epoch >= training.patience else "epochs used up",
        "train_error": float(detector.error(x).mean()),
        "validation_error": float(detector.error(validation).mean()),
    }


def _epoch(
    detector: Detector, optimizer: torch.optim.Optimizer, x: torch.Tensor, order: torch.Tensor, batch_size: int
) -> float:
    """Take one step per batch and return the last batch's error."""
    detector.model.train()
    loss = torch.zeros(())
    for rows in order.to(x.device).split(batch_size):
        batch = x[rows]
        loss = detector.error_share(batch, detector.model(batch)).sum() / len(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float(loss.detach())


def to_bytes(detector: Detector) -> bytes:
    """Return a calibrated detector's weights, score scale and report as a safetensors file."""
    weights = {name: tensor.detach().cpu().numpy() for name, tensor in detector.model.state_dict().items()}
    return files.pack(weights, {"scale": asdict(detector.calibrated), "report": detector.report})


def from_file(path: Path, dataset: Dataset, recipe: Recipe, device: str = "cpu") -> Detector:
    """Return the detector that `to_bytes` has written; DamagedFileError if the file does not fit the recipe."""
    arrays, metadata = files.unpack(path)
    untrained = recipe.build(tuple(dataset.train.shape[1:]), seed=0)
    try:
        untrained.model.load_state_dict({name: torch.as_tensor(array) for name, array in arrays.items()})
        scale = ScoreScale(**metadata["scale"])
        report = dict(metadata["report"])
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        raise files.DamagedFileError(f"{path} holds no such detector: {error}") from None
    model = untrained.model.to(device).eval()
    return Detector(model, untrained.training.loss, dataset.features, scale, report)
