"""Where data sets and detectors of cells come from: made by name and trained, or given.

A source names what it has by components, so that cells of both kinds have keys, records and boards
alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Protocol

import torch

from aexbench import digests, files, state
from aexbench.autoencoders import training
from aexbench.components import Component
from aexbench.contents import content_digest
from aexbench.contracts import Dataset
from aexbench.detector import Detector
from aexbench.errors import RequestError
from aexbench.running.cells import GIVEN, Cell
from aexbench.running.store import Store, file_info
from aexbench.versions import stage

Say = Callable[[str, float | None], None]


class Source(Protocol):
    """Gives data sets and detectors; what it gives is kept by the workspace that asks."""

    def dataset(self, component: Component) -> Dataset:
        """Return a data set."""
        ...

    def detector(self, cell: Cell, dataset: Dataset) -> Detector:
        """Return a cell's trained detector."""
        ...

    def weights(self, cell: Cell) -> str:
        """Return the checksum of a detector that `detector` has returned."""
        ...


@dataclass
class Trained:
    """Data sets by their names, and detectors trained on them; the store holds the weights that
    everyone explains.
    """

    store: Store
    device: str
    say: Say

    def dataset(self, component: Component) -> Dataset:
        """Return a data set that its plugin makes."""
        dataset = component.make()
        if not isinstance(dataset, Dataset):
            kind = type(dataset).__name__
            raise RequestError(f"data set {component.text} made a {kind}, not an aexbench.Dataset")
        declared, dimensions = component.plugin.declaration.images, len(dataset.train.shape)
        if declared is not None and declared != (dimensions == 4):
            raise RequestError(
                f"data set {component.text} declares images={declared}, and its samples have shape "
                f"{dataset.train.shape[1:]}: images are (C, H, W)"
            )
        return dataset

    def detector(self, cell: Cell, dataset: Dataset) -> Detector:
        """Return the trained detector, with the weights that the store's first writer has put
        there.
        """
        path = self.store.path("detectors", cell.detector_key)
        load = partial(training.from_file, path, dataset, self.recipe(cell, dataset), self.device)
        try:
            if path.exists():
                return load()
        except files.DamagedFileError:
            files.set_aside(path)
        if not path.exists():
            files.write_once(path, training.to_bytes(self._trained(cell, dataset)))
        return load()

    def recipe(self, cell: Cell, dataset: Dataset) -> Component:
        """Return how the cell's detector is built and trained."""
        return training.recipe(cell.detector.text, dataset.autoencoder)

    def weights(self, cell: Cell) -> str:
        """Return the checksum of the file of weights."""
        return file_info(self.store.path("detectors", cell.detector_key)).sha256

    def _trained(self, cell: Cell, dataset: Dataset) -> Detector:
        what = f"training {cell.dataset.text} seed {cell.detector_seed}"
        return training.trained_detector(
            dataset,
            seed=cell.detector_seed,
            autoencoder=cell.detector.text,
            progress=lambda text, share: self.say(f"{what}: {text}", share),
            device=self.device,
        )


@dataclass
class Given:
    """A detector and rows that somebody has; neither is made or trained here."""

    given: Dataset
    model: Detector

    def __post_init__(self) -> None:
        """Name what is given by its contents."""
        rows = [self.given.train, self.given.validation, self.given.test]
        tested = [self.given.test_labels, self.given.test_truth]
        contents: dict[str, Any] = {
            "rows": digests.array_digest([*rows, *(t for t in tested if t is not None)]),
            "features": asdict(self.given.features),
        }
        if self.given.test_units is not None:
            contents["units"] = digests.array_digest([self.given.test_units])
        if self.given.test_truth_kind != "symptom":
            contents["truth"] = self.given.test_truth_kind
        self.rows = named("your data", contents)
        self.network = named(GIVEN, identity(self.model))

    def dataset(self, component: Component) -> Dataset:
        """Return the rows."""
        return self.given

    def detector(self, cell: Cell, dataset: Dataset) -> Detector:
        """Return the detector."""
        return self.model

    def weights(self, cell: Cell) -> str:
        """Return the digest of all that names the detector."""
        return self.network.key


def named(text: str, parameters: dict[str, Any]) -> Component:
    """Return the component of something given."""
    version = str(stage(GIVEN))
    return Component(name=GIVEN, parameters=parameters, version=version, text=text)


def identity(detector: Detector) -> dict[str, Any]:
    """Return what makes a given detector the one that it is, as digests.

    Two networks with one state dict may compute different things: the code of the modules' classes
    counts, and what modules and a detector hold beside weights. `draws` and `batch` do: samples of
    some networks influence each other. `fresh` does, as twins are made by it.
    """
    model = detector.model
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    own = {name: value for name, value in vars(detector).items() if name not in KNOWN}
    return {
        "weights": content_digest(tensors),
        "structure": content_digest([_held(name, one) for name, one in model.named_modules()]),
        "class": content_digest(type(detector)),
        "own": content_digest(own),
        "features": asdict(detector.features),
        "scale": None if detector.scale is None else asdict(detector.scale),
    }


KNOWN = {"model", "features", "scale", "report"} | state.INTERNAL
TENSORS = {"_parameters", "_buffers", "_modules", "training"}


def _held(name: str, module: torch.nn.Module) -> list[Any]:
    """Return what a module is and holds beside its tensors and parts: settings, hooks."""
    held = {key: value for key, value in vars(module).items() if key not in TENSORS}
    return [name, type(module), held]
