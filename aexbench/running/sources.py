"""Where data sets and detectors of cells come from: made by name and trained, or given.

A source names what it has by components, so that cells of both kinds have keys, records and boards
alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from aexbench import digests, files, soundness, state
from aexbench.autoencoders import fitting, training
from aexbench.components import Component
from aexbench.contents import content_digest
from aexbench.contracts import Dataset
from aexbench.declarations import kind_of
from aexbench.detector import Detector, ScoreScale
from aexbench.errors import RequestError, line
from aexbench.features import Features
from aexbench.loading.naming import load_place
from aexbench.loading.parts import SOURCE, Wanted
from aexbench.loading.places import Place
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

    def look(self, cell: Cell, dataset: Dataset) -> None:
        """Raise what is wrong with a cell's network before anything is trained or asked."""
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
        _check_kind(component, tuple(dataset.train.shape[1:]))
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

    def look(self, cell: Cell, dataset: Dataset) -> None:
        """Build a cell's network."""
        training.build(self.recipe(cell, dataset), tuple(dataset.train.shape[1:]), seed=0)

    def recipe(self, cell: Cell, dataset: Dataset) -> Component:
        """Return how the cell's detector is built and trained."""
        return training.recipe(cell.detector.text, dataset.autoencoder)

    def weights(self, cell: Cell) -> str:
        """Return the checksum of the file of weights."""
        return file_info(self.store.path("detectors", cell.detector_key)).sha256

    def _trained(self, cell: Cell, dataset: Dataset) -> Detector:
        what = f"training {cell.dataset.shown} seed {cell.detector_seed}"
        return training.trained_detector(
            dataset,
            seed=cell.detector_seed,
            autoencoder=cell.detector.text,
            progress=lambda text, share: self.say(f"{what}: {text}", share),
            device=self.device,
        )


def _check_kind(component: Component, shape: tuple[int, ...]) -> None:
    """Raise RequestError where a data set's samples are not what it declares."""
    declaration, found = component.plugin.declaration, kind_of(shape)
    declared, what = declaration.kind(component.arguments), None
    if declared is not None and (declared == "images") != (found == "images"):
        what = f"declares images={declaration.images}", "images are (C, H, W)"
    elif declared is not None and (declared == "series") != (found == "series"):
        what = f"declares series={declaration.series!r}", "windows of series are (T, D)"
    if what:
        raise RequestError(
            f"data set {component.text} {what[0]}, and its samples have shape {shape}: {what[1]}"
        )


@dataclass(frozen=True)
class Model:
    """What names a trained model for every process that makes it."""

    place: Place
    trust: bool = False

    def detector(self, device: str, features: Features | None = None) -> Detector:
        """Return the detector, whose scores have no scale yet."""
        return load_place(self.place, Wanted(device, self.trust), features)

    @cached_property
    def network(self) -> Component:
        """What names the model in cells: its contents."""
        return self.named(self.detector("cpu"))

    def named(self, detector: Detector) -> Component:
        """Return a detector's component: Features and scale are those of the data set beside it."""
        own = identity(detector)
        return named(GIVEN, {k: v for k, v in own.items() if k not in ("features", "scale")})


@dataclass
class Loaded:
    """Data sets by their names, and one trained model that a text names for all of them; the store
    holds the scale of its scores on each.
    """

    model: Model
    store: Store
    device: str
    say: Say

    def dataset(self, component: Component) -> Dataset:
        """Return a data set that its plugin makes."""
        return Trained(self.store, self.device, self.say).dataset(component)

    def look(self, cell: Cell, dataset: Dataset) -> None:
        """Have the model reconstruct some rows."""
        self._fitting(cell, dataset)

    def detector(self, cell: Cell, dataset: Dataset) -> Detector:
        """Return the model as a detector of a data set, with the scale of scores that the store's
        first writer has put there.
        """
        path, detector = self._path(cell), self._fitting(cell, dataset)
        try:
            if path.exists():
                return _with_scale(detector, path)
        except files.DamagedFileError:
            files.set_aside(path)
        self.say(f"calibrating on {cell.dataset.shown}", None)
        scale = asdict(detector.calibrate(dataset.validation).calibrated)
        held = {"scale": scale, "report": _quality(detector, dataset)}
        files.write_once(path, files.pack({}, held))
        return _with_scale(detector, path)

    def weights(self, cell: Cell) -> str:
        """Return the checksum of the file of the scale, whose name is of the weights."""
        return file_info(self._path(cell)).sha256

    def _path(self, cell: Cell) -> Path:
        return self.store.path("detectors", cell.detector_key)

    def _fitting(self, cell: Cell, dataset: Dataset) -> Detector:
        """Return the detector; RequestError where it is another one, does not take the data, or is
        unsound on them.
        """
        words = self.model.place.words
        detector = self.model.detector(self.device, dataset.features)
        if self.model.named(detector).key != cell.detector.key:
            raise RequestError(
                f"{words} is not the model that it was when this run began: it has changed, or it "
                "is another one each time that it is made; give weights=FILE"
            )
        try:
            detector.reconstruct(np.array(dataset.validation[:1]))
        except Exception as error:  # whatever a function makes of samples that it does not know
            shape = tuple(dataset.train.shape[1:])
            reason = str(error) if isinstance(error, RequestError) else line(error)
            raise RequestError(
                f"{words} does not take the samples of {cell.dataset.text}, of shape {shape}: "
                f"{reason}"
            ) from error
        soundness.check(detector, dataset.validation)
        return detector


def _quality(detector: Detector, dataset: Dataset) -> dict[str, Any]:
    """Return what a detector's report says of one that was trained here, too."""
    return {
        "validation_error": float(detector.error(dataset.validation).mean()),
        "constant_error": fitting.constant_error(detector, dataset),
        "output_variation": fitting.output_variation(detector, dataset.validation),
        **fitting.detection(detector, dataset),
    }


def _with_scale(detector: Detector, path: Path) -> Detector:
    """Return a detector with the scale of scores and the report that a file holds."""
    try:
        held = files.unpack(path)[1]
        detector.scale, detector.report = ScoreScale(**held["scale"]), dict(held["report"])
    except (KeyError, TypeError) as error:
        raise files.DamagedFileError(f"{path} holds no scale of scores: {error}") from None
    return detector


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

    def look(self, cell: Cell, dataset: Dataset) -> None:
        """Look at nothing: it was looked at when it was given."""

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
    counts, and what modules and a detector hold beside weights; of what was read from a file, what
    it was made from. `draws` and `batch` do: samples of some networks influence each other. `fresh`
    does, as twins are made by it.
    """
    model = detector.model
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    own = {name: value for name, value in vars(detector).items() if name not in KNOWN}
    return {
        "weights": content_digest(tensors),
        "structure": content_digest(list(_structure(model))),
        "class": content_digest(type(detector)),
        "own": content_digest(own),
        "features": asdict(detector.features),
        "scale": None if detector.scale is None else asdict(detector.scale),
    }


KNOWN = {"model", "features", "scale", "report"} | state.INTERNAL
TENSORS = {"_parameters", "_buffers", "_modules", "training"}


def _structure(module: torch.nn.Module, name: str = "") -> Iterator[list[Any]]:
    """Yield what modules are and hold; one that was read from a file is what it was made from."""
    if (made_from := getattr(module, SOURCE, None)) is not None:
        yield [name, made_from]
        return
    yield _held(name, module)
    for own, child in module.named_children():
        yield from _structure(child, f"{name}.{own}" if name else own)


def _held(name: str, module: torch.nn.Module) -> list[Any]:
    """Return what a module is and holds beside its tensors and parts: settings, hooks."""
    held = {key: value for key, value in vars(module).items() if key not in TENSORS}
    return [name, type(module), held]
