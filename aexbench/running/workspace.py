"""The workspace: data sets, detectors and anomaly sets, kept warm between cells."""

from __future__ import annotations

import copy
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from aexbench import files, soundness
from aexbench.components import Component
from aexbench.contracts import AnomalySet, Dataset
from aexbench.declarations import Kind, kind_of
from aexbench.detector import Detector
from aexbench.errors import SkipError, StoreError
from aexbench.rows import Array, Rows, in_memory, moments
from aexbench.running import alarms, references, strata
from aexbench.running.cells import GIVEN, Cell
from aexbench.running.controls import TWINS, check_untrained, controlled, twin_seed
from aexbench.running.estimate import CORRUPTING, LOADING, TRAINING
from aexbench.running.kept import kept
from aexbench.running.progress import Show
from aexbench.running.sources import Loaded, Model, Say, Source, Trained
from aexbench.running.spent import Spent
from aexbench.running.store import FileInfo, Store, file_info, pack_anomalies

KEPT = 16  # data sets, their backgrounds, detectors, their twins and anomaly sets
MOST_LENT = 2**28  # bytes of a background that is copied


def silent(text: str, share: float | None) -> None:
    """Say nothing."""


@dataclass
class Workspace:
    """Keeps data sets, detectors and anomaly sets warm between cells.

    `jobs` cells run at once on this machine. `source` says where data sets and detectors come from;
    the store is where anomaly sets come from and go to. `show` is told which cells run, `say` what
    is done for one; `spent` holds what a cell has taken so far. `borne` are the checksums, by their
    keys, of the anomaly sets that records of the store explain: no other ones are explained beside
    them.
    """

    store: Store
    device: str = "cpu"
    say: Say = silent
    jobs: int = 1
    source: Source | None = None
    show: Show = field(default_factory=Show)
    spent: Spent = field(default_factory=Spent)
    borne: Mapping[str, frozenset[str]] = field(default_factory=dict)
    _kept: OrderedDict[str, Any] = field(default_factory=OrderedDict)

    @property
    def origin(self) -> Source:
        """The source; data sets by name and trained detectors where none is given."""
        return self.source or Trained(self.store, self.device, self.say)

    def take(self, model: Model) -> None:
        """Explain a trained model in the place of recipes."""
        self.source = Loaded(model, self.store, self.device, lambda *said: self.say(*said))

    def dataset(self, component: Component) -> Dataset:
        """Return a data set, whose splits nobody may write into."""
        made: Dataset = self._keep(component.key, lambda: self._loaded(component))
        return made

    def _loaded(self, component: Component) -> Dataset:
        with self.spent.on(LOADING):
            return read_only(self.origin.dataset(component))

    def background(self, component: Component) -> Lent:
        """Return a data set's training split as explainers are given it."""
        key = f"{component.key} background"
        made: Lent = self._keep(key, lambda: Lent(self.dataset(component).train))
        return made

    def kind(self, component: Component) -> Kind:
        """Return what a data set's samples are."""
        return kind_of(tuple(self.dataset(component).train.shape[1:]))

    def detector(self, cell: Cell) -> Detector:
        """Return the cell's detector."""
        key = cell.detector_key
        failed = self._kept.get(key)
        if isinstance(failed, Exception):  # what came to nothing is not tried again for every cell
            raise failed.with_traceback(None)
        try:
            dataset = self.dataset(cell.dataset)
            found: Detector = self._keep(key, lambda: self._checked(cell, dataset))
        except StoreError:
            raise
        except Exception as error:
            self._kept[key] = error
            raise
        return found

    def _checked(self, cell: Cell, dataset: Dataset) -> Detector:
        """Return the cell's detector, once it is seen to be sound on normal samples."""
        there = self.store.path("detectors", cell.detector_key).exists()
        there = there or cell.detector.name == GIVEN
        with self.spent.on(LOADING if there else TRAINING):
            detector = self.origin.detector(cell, dataset)
            soundness.check(detector, dataset.validation)
        return detector

    def controlled(self, cell: Cell, x: Array) -> Detector:
        """Return the control of the cell's detector that its explainer is refitted on.

        An untrained twin is made once for all explainers, some of which take seconds to read a
        network; SkipError if it reconstructs the samples x (N, …) as the trained one does.
        """
        detector, seed = self.detector(cell), twin_seed(cell.detector_seed, cell.control_seed)
        if cell.control not in TWINS:
            return controlled(detector, cell.control, seed)
        key = f"{cell.detector_key} {cell.control} {seed}"

        def made() -> Detector:
            with kept(detector, "what makes an untrained twin"):
                return controlled(detector, cell.control, seed)

        twin: Detector = self._keep(key, made)
        with kept(detector, "an untrained twin"):
            check_untrained(detector, twin, x)
        return twin

    def anomalies(self, cell: Cell) -> AnomalySet:
        """Return the cell's anomaly set, made once and kept in the store; SkipError if there is no
        anomaly.
        """
        found: AnomalySet | SkipError = self._keep(cell.anomaly_key, lambda: self._anomalies(cell))
        if isinstance(found, SkipError):
            raise found
        return found

    def anomalies_info(self, cell: Cell) -> FileInfo:
        """Return the checksum of the cell's anomaly set."""
        path = self.store.path("anomalies", cell.anomaly_key)
        info: FileInfo = self._keep(f"{cell.anomaly_key} info", lambda: file_info(path))
        return info

    def _anomalies(self, cell: Cell) -> AnomalySet | SkipError:
        self.detector(cell)  # is there now
        weights, path = self.origin.weights(cell), self.store.path("anomalies", cell.anomaly_key)
        try:
            stored = self.store.read_anomalies(cell.anomaly_key)
        except files.DamagedFileError:
            files.set_aside(path)
            stored = None
        if stored is None:
            return self._made(cell, weights)
        if stored.report.get("detector") != weights:
            detector = self.store.path("detectors", cell.detector_key)
            raise StoreError(
                f"{path} was made with other weights than {detector}: move one of them away"
            )
        if self._is_other(cell, self.anomalies_info(cell).sha256):
            raise StoreError(
                f"{path} is not the anomaly set that records of this store explain: put that back, "
                "or move this one away, and it is made again"
            )
        return stored

    def _is_other(self, cell: Cell, checksum: str) -> bool:
        """Whether records explain an anomaly set of another checksum."""
        return bool(self.borne.get(cell.anomaly_key, frozenset()) - {checksum})

    def _made(self, cell: Cell, weights: str) -> AnomalySet | SkipError:
        """Make an anomaly set and put it into the store; what is there then counts."""
        what = f"{cell.dataset.shown} / {cell.corruption.shown} seed {cell.anomaly_seed}"
        self.say(f"corrupting {what}", None)
        try:
            with self.spent.on(CORRUPTING), kept(self.detector(cell), "the corruption"):
                made = self._generate(cell)
        except SkipError as error:
            return error
        if len(made) == 0:
            return SkipError(f"no anomaly found: {_reasons(made.report)}")
        made = replace(made, report={**made.report, "detector": weights})
        self._write(cell, pack_anomalies(made))
        written = self.store.read_anomalies(cell.anomaly_key)
        assert written is not None
        return written

    def _write(self, cell: Cell, content: bytes) -> None:
        """Put an anomaly set into the store; StoreError if records explain another one, which is
        not there any more.
        """
        if self._is_other(cell, hashlib.sha256(content).hexdigest()):
            path = self.store.path("anomalies", cell.anomaly_key)
            raise StoreError(
                f"{path} is lost, and comes out otherwise here than records of this store explain "
                "it: put it back, run the cells on it again with --rerun all, or use another store"
            )
        self.store.write_anomalies(cell.anomaly_key, content)

    def _generate(self, cell: Cell) -> AnomalySet:
        dataset, detector = self.dataset(cell.dataset), self.detector(cell)
        made = cell.corruption.make()
        if cell.corruption.plugin.registry is references.labels:
            found: AnomalySet = made(dataset, detector, cell.anomaly_seed)
        else:
            offer = {}
            if getattr(made, "asks_alarms", False):
                offer["alarms"] = alarms.offered(cell.corruption, detector, dataset)
            found = made.generate(detector, dataset.normal, seed=cell.anomaly_seed, **offer)
            found = of_windows(found, dataset)
        if len(found) == 0:
            return found
        measured = strata.measured(found, detector, moments(dataset.train))
        report = dict(found.report)
        if "gain" in measured:
            report["median_gain"] = float(np.median(measured["gain"]))
        return replace(found, details={**found.details, **measured}, report=report)

    def _keep(self, key: str, make: Callable[[], Any]) -> Any:
        if key not in self._kept:
            self._kept[key] = make()
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]


def of_windows(found: AnomalySet, dataset: Dataset) -> AnomalySet:
    """Return anomalies that were made of windows (T, D), each with the unit of its clean one:
    neighbours overlap, and are not independent.

    Of other samples each is a unit of its own, as it was when results were published, although
    some data sets know of units there too: the sessions of `sql-workload`.
    """
    if dataset.test_units is None or kind_of(tuple(dataset.test.shape[1:])) != "series":
        return found
    units = np.asarray(dataset.test_units)
    normal = units if dataset.test_labels is None else units[~dataset.test_labels]
    return replace(found, unit=normal[found.unit])


class Lent:
    """Rows as they are lent to explainers: a copy, so that what writes into it past NumPy (torch
    does) changes nobody's own. Rows that are too many for that, or on disk, are lent as they are.
    """

    def __init__(self, rows: Rows) -> None:
        self._own = rows
        copied = in_memory(rows) and rows.nbytes <= MOST_LENT  # type: ignore[attr-defined]
        self._copy = np.array(rows) if copied else None
        self.rows: Rows = rows if self._copy is None else _fixed(self._copy)

    def put_back(self) -> bool:
        """Make the copy as it was, and return whether it was not."""
        if self._copy is None or np.array_equal(self._copy, self._own, equal_nan=True):
            return False
        self._copy[...] = self._own
        return True


def _fixed(rows: Array) -> Array:
    view = rows.view()
    view.flags.writeable = False
    return view


def read_only(dataset: Dataset) -> Dataset:
    """Return a data set of views that cannot be written: what is shared stays as it is."""
    fixed = copy.copy(dataset)
    for name in ("train", "validation", "test"):
        split = getattr(fixed, name)
        if isinstance(split, np.ndarray):
            setattr(fixed, name, _fixed(split))
    return fixed


def _reasons(report: Any) -> str:
    rejected = ", ".join(
        f"{reason} {count:,}" for reason, count in report.get("rejected", {}).items()
    )
    return f"{report.get('draws', 0):,} draws rejected ({rejected})"
