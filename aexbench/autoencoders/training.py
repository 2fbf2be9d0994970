"""Detectors trained from a data set's own recipe, and kept in the user's cache folder.

A recipe is a component of the family `autoencoder`: which one, with all its parameters.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import torch

from aexbench import families, files, specs
from aexbench.autoencoders.fitting import fit
from aexbench.beside import source_digest
from aexbench.components import Component, component
from aexbench.contracts import Dataset, Progress, Untrained
from aexbench.detector import Detector, ScoreScale
from aexbench.digests import array_digest, value_digest
from aexbench.rows import Array
from aexbench.state import seeded


def recipe(text: str, default: str) -> Component:
    """Read a name with brackets; `default[…]` is the data set's own with parameters changed.

    >>> recipe("default[loss=l1]", "mlp[widths=[3]]").text
    'mlp[widths=[3],loss=l1]'
    """
    name, given = specs.parse(text)
    if name == "default":
        name, own = specs.parse(default)
        given = own | given
    return component(families.autoencoders, {"name": name, **given})


def build(made: Component, shape: tuple[int, ...], seed: int) -> Untrained:
    """Return the model at its initial weights; torch's own random state stays as it is."""
    with seeded(seed, torch.device("cpu")):
        untrained: Untrained = made.make(shape)
    return untrained


def trained_detector(
    dataset: Dataset,
    *,
    seed: int = 0,
    autoencoder: str = "default",
    progress: Progress | None = None,
    device: str = "cpu",
) -> Detector:
    """Return the data set's detector from the cache, or train it and put it there."""
    made = recipe(autoencoder, dataset.autoencoder)
    content = array_digest([part for part in _shaping(dataset) if part is not None])
    # What the cache holds can be made again, and the source counts: an edit trains anew.
    source = [made.plugin.digest, source_digest(fit)]
    key = value_digest([content, asdict(dataset.features), made.identity, source, seed])
    path = files.cache_folder("detectors") / f"{key}.safetensors"
    if not path.exists():
        files.write_once(path, to_bytes(train(dataset, made, seed, progress, device)))
    try:
        return from_file(path, dataset, made, device)
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
    made: Component,
    seed: int,
    progress: Progress | None = None,
    device: str = "cpu",
) -> Detector:
    """Train a detector by a recipe, as `fitting.fit` does."""
    shape = tuple(dataset.train.shape[1:])
    tell = progress or (lambda text, share: None)
    return fit(dataset, lambda start: build(made, shape, start), seed, tell, device)


def to_bytes(detector: Detector) -> bytes:
    """Return a calibrated detector's weights, score scale and report as a safetensors file."""
    weights = {
        name: tensor.detach().cpu().numpy() for name, tensor in detector.model.state_dict().items()
    }
    return files.pack(weights, {"scale": asdict(detector.calibrated), "report": detector.report})


def from_file(path: Path, dataset: Dataset, made: Component, device: str = "cpu") -> Detector:
    """Return the detector that `to_bytes` has written; DamagedFileError if the file does not fit
    the recipe.
    """
    arrays, metadata = files.unpack(path)
    untrained = build(made, tuple(dataset.train.shape[1:]), seed=0)
    try:
        untrained.model.load_state_dict({k: torch.as_tensor(array) for k, array in arrays.items()})
        scale = ScoreScale(**metadata["scale"])
        report = dict(metadata["report"])
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        raise files.DamagedFileError(f"{path} holds no such detector: {error}") from None
    model = untrained.model.to(device).eval()
    return Detector(model, untrained.training.loss, dataset.features, scale, report)
