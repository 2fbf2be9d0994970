"""Detectors trained from a data set's own recipe, and kept in the user's cache folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from aexbench import files, specs
from aexbench.autoencoders import Untrained, autoencoders
from aexbench.autoencoders.fitting import fit
from aexbench.contracts import Dataset, Progress
from aexbench.detector import Detector, ScoreScale
from aexbench.digests import array_digest, engine_source, value_digest
from aexbench.registry import Plugin
from aexbench.rows import Array


@dataclass(frozen=True)
class Recipe:
    """Which autoencoder, with all its parameters: everything about a detector but the data and the
    seed.
    """

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
    content = array_digest([part for part in _shaping(dataset) if part is not None])
    key = value_digest(
        [
            content,
            asdict(dataset.features),
            recipe.plugin.name,
            recipe.parameters,
            recipe.source,
            seed,
        ]
    )
    path = files.cache_folder("detectors") / f"{key}.safetensors"
    if not path.exists():
        files.write_once(path, to_bytes(train(dataset, recipe, seed, progress, device)))
    try:
        return from_file(path, dataset, recipe, device)
    except files.DamagedFileError:
        path.unlink()
        return trained_detector(
            dataset, seed=seed, autoencoder=autoencoder, progress=progress, device=device
        )


def _shaping(dataset: Dataset) -> list[Array | None]:
    """Return what of a data set shapes a detector and its report."""
    tested = [] if dataset.test_labels is None else [dataset.test, dataset.test_labels]
    return [dataset.train, dataset.validation, *tested]


def train(
    dataset: Dataset,
    recipe: Recipe,
    seed: int,
    progress: Progress | None = None,
    device: str = "cpu",
) -> Detector:
    """Train a detector by a recipe, as `fitting.fit` does."""
    shape = tuple(dataset.train.shape[1:])
    return fit(
        dataset,
        lambda start: recipe.build(shape, start),
        seed,
        progress or (lambda text, share: None),
        device,
    )


def to_bytes(detector: Detector) -> bytes:
    """Return a calibrated detector's weights, score scale and report as a safetensors file."""
    weights = {
        name: tensor.detach().cpu().numpy() for name, tensor in detector.model.state_dict().items()
    }
    return files.pack(weights, {"scale": asdict(detector.calibrated), "report": detector.report})


def from_file(path: Path, dataset: Dataset, recipe: Recipe, device: str = "cpu") -> Detector:
    """Return the detector that `to_bytes` has written; DamagedFileError if the file does not fit
    the recipe.
    """
    arrays, metadata = files.unpack(path)
    untrained = recipe.build(tuple(dataset.train.shape[1:]), seed=0)
    try:
        untrained.model.load_state_dict(
            {name: torch.as_tensor(array) for name, array in arrays.items()}
        )
        scale = ScoreScale(**metadata["scale"])
        report = dict(metadata["report"])
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        raise files.DamagedFileError(f"{path} holds no such detector: {error}") from None
    model = untrained.model.to(device).eval()
    return Detector(model, untrained.training.loss, dataset.features, scale, report)
