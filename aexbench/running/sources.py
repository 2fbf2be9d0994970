"""Where data sets and detectors of cells come from: made by name and trained, or given.

A source names what it has by components, so that cells of both kinds have keys, records and boards
alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch

from aexbench import digests, files
from aexbench.autoencoders import training
from aexbench.components import Component
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
        self.rows = named(
            "your data",
            {
                "rows": digests.array_digest([*rows, *(t for t in tested if t is not None)]),
                "features": asdict(self.given.features),
            },
        )
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

    Two networks with one state dict may compute different things: the source of the modules'
    classes counts, and what they hold beside weights.
    """
    model, scale = detector.model, detector.scale
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    arrays = [tensors[name].detach().cpu() for name in sorted(tensors)]
    classes = {type(module) for module in model.modules()} | {type(detector)}
    return {
        "weights": digests.array_digest([_as_array(array) for array in arrays]),
        "names": digests.value_digest([(n, str(tensors[n].dtype)) for n in sorted(tensors)]),
        "structure": digests.value_digest(list(_structure(model))),
        "source": digests.value_digest(sorted(digests.code_digest(one) for one in classes)),
        "loss": detector.loss
        if isinstance(detector.loss, str)
        else digests.code_digest(detector.loss),
        "features": asdict(detector.features),
        "scale": None if scale is None else asdict(scale),
    }


def _as_array(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    """Return a tensor's bits as numbers that numpy knows."""
    plain = tensor.contiguous().flatten()
    known = plain if plain.dtype != torch.bfloat16 else plain.view(torch.int16)
    return known.numpy().reshape(1, -1)


def _structure(model: torch.nn.Module) -> Iterator[list[str]]:
    """Yield what each module says of itself and the plain values that it holds."""
    for name, module in model.named_modules():
        held = {k: v for k, v in vars(module).items() if isinstance(v, str | int | float | tuple)}
        held.pop("training", None)
        said = f"{type(module).__qualname__} {module.extra_repr()} {sorted(held.items())}"
        hooks = [digests.code_digest(h) for h in module._forward_hooks.values()]
        hooks += [digests.code_digest(h) for h in module._forward_pre_hooks.values()]
        yield [name, re.sub(r"0x[0-9a-f]+", "", said), *hooks]
