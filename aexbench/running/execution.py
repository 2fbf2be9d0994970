"""Executing cells: the one function from a cell to its record, and the loop over the cells that are
not finished.

`execute` needs a cell and a workspace and nothing else: workers in other processes and on other
machines run the same.
"""

from __future__ import annotations

import functools
import itertools
import sys
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from aexbench import families, files
from aexbench.autoencoders import training
from aexbench.contracts import AnomalySet, Dataset
from aexbench.detector import Detector, is_out_of_memory
from aexbench.errors import RequestError, SkipError, StoreError
from aexbench.rows import moments
from aexbench.running import planning, references, scoring, strata, timing
from aexbench.running.cells import Cell, Component
from aexbench.running.controls import controlled
from aexbench.running.provenance import provenance
from aexbench.running.store import SCHEMA, FileInfo, Record, State, Store, Times, file_info

Say = Callable[[str, float | None], None]

KEPT = 12  # data sets, detectors and anomaly sets


def silent(text: str, share: float | None) -> None:
    """Say nothing."""


@dataclass
class Workspace:
    """Keeps data sets, detectors and anomaly sets warm between cells; the store is where they come
    from and go to.
    """

    store: Store
    device: str = "cpu"
    say: Say = silent
    _kept: OrderedDict[str, Any] = field(default_factory=OrderedDict)

    def dataset(self, component: Component) -> Dataset:
        """Return a data set."""
        dataset = self._keep(
            component.key, lambda: families.datasets.create(component.name, **component.arguments)
        )
        if not isinstance(dataset, Dataset):
            raise RequestError(
                f"data set {component.text} made a {type(dataset).__name__}, not an "
                "aexbench.Dataset"
            )
        return dataset

    def recipe(self, cell: Cell) -> training.Recipe:
        """Return how the cell's detector is built and trained."""
        return training.Recipe.of(cell.detector.text, self.dataset(cell.dataset).autoencoder)

    def detector(self, cell: Cell) -> Detector:
        """Return the cell's trained detector, with the weights that the store's first writer has
        put there.
        """
        key = cell.detector_key
        failed = self._kept.get(key)
        if isinstance(
            failed, Exception
        ):  # what came to nothing once is not tried again for every cell
            raise failed.with_traceback(None)
        try:
            detector: Detector = self._keep(key, lambda: self._detector(cell))
        except StoreError:
            raise
        except Exception as error:
            self._kept[key] = error
            raise
        return detector

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
        info: FileInfo = self._keep(
            f"{cell.anomaly_key} info",
            lambda: file_info(self.store.path("anomalies", cell.anomaly_key)),
        )
        return info

    def _detector(self, cell: Cell) -> Detector:
        dataset, path = self.dataset(cell.dataset), self.store.path("detectors", cell.detector_key)
        try:
            if path.exists():
                return training.from_file(path, dataset, self.recipe(cell), self.device)
        except files.DamagedFileError:
            files.set_aside(path)
        if not path.exists():
            what = f"training {cell.dataset.text} seed {cell.detector_seed}"
            detector = training.trained_detector(
                dataset,
                seed=cell.detector_seed,
                autoencoder=cell.detector.text,
                progress=lambda text, share: self.say(f"{what}: {text}", share),
                device=self.device,
            )
            files.write_once(path, training.to_bytes(detector))
        return training.from_file(path, dataset, self.recipe(cell), self.device)

    def _anomalies(self, cell: Cell) -> AnomalySet | SkipError:
        detector = self.store.path("detectors", cell.detector_key)
        self.detector(cell)  # is there now
        weights = file_info(detector).sha256
        try:
            stored = self.store.read_anomalies(cell.anomaly_key)
        except files.DamagedFileError:
            files.set_aside(self.store.path("anomalies", cell.anomaly_key))
            stored = None
        if stored is not None:
            if stored.report.get("detector") != weights:
                path = self.store.path("anomalies", cell.anomaly_key)
                raise StoreError(
                    f"{path} was made with other weights than {detector}: move one of them away"
                )
            return stored
        self.say(
            f"corrupting {cell.dataset.text} / {cell.corruption.text} seed {cell.anomaly_seed}",
            None,
        )
        try:
            made = self._generate(cell)
        except SkipError as error:
            return error
        if len(made) == 0:
            return SkipError(f"no anomaly found: {_reasons(made.report)}")
        made = replace(made, report={**made.report, "detector": weights})
        self.store.write_anomalies(cell.anomaly_key, made)
        written = self.store.read_anomalies(cell.anomaly_key)
        assert written is not None
        return written

    def _generate(self, cell: Cell) -> AnomalySet:
        dataset, detector = self.dataset(cell.dataset), self.detector(cell)
        if cell.corruption.name == references.LABELS:
            made = references.labelled_anomalies(
                dataset, detector, seed=cell.anomaly_seed, **cell.corruption.parameters
            )
        else:
            corruption = families.corruptions.create(
                cell.corruption.name, **cell.corruption.arguments
            )
            made = corruption.generate(detector, dataset.normal, seed=cell.anomaly_seed)
        if len(made) == 0:
            return made
        training = self._keep(f"{cell.dataset.key} moments", lambda: moments(dataset.train))
        return replace(made, details={**made.details, **strata.measured(made, detector, training)})

    def _keep(self, key: str, make: Callable[[], Any]) -> Any:
        if key not in self._kept:
            self._kept[key] = make()
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]


def pending(
    cells: Sequence[Cell], store: Store, rerun: frozenset[State] = frozenset()
) -> list[Cell]:
    """Return the cells that have no finished record, or one in a state that is to be run again."""
    records = ((cell, store.finished(cell)) for cell in cells)
    return [cell for cell, record in records if record is None or record.state in rerun]


def preflight(cells: Sequence[Cell], workspace: Workspace) -> None:
    """Load every data set and build every network before the first cell runs: what was asked
    wrongly shows now.
    """
    for cell in {cell.detector_key: cell for cell in cells}.values():
        try:
            dataset = workspace.dataset(cell.dataset)
            workspace.recipe(cell).build(tuple(dataset.train.shape[1:]), seed=0)
        except RequestError:
            raise
        except Exception as error:
            raise RequestError(
                f"{cell.dataset.text} with detector {cell.detector.text}: {_line(error)}"
            ) from error


def run(
    cells: Sequence[Cell], metrics: Sequence[Component], workspace: Workspace
) -> Iterator[Record]:
    """Execute cells in this process, one after the other, and yield each record once it is in the
    store.
    """
    for cell in cells:
        workspace.say(str(cell), None)
        record = execute(cell, metrics, workspace)
        workspace.store.write_record(record)
        yield record


def execute(cell: Cell, metrics: Sequence[Component], workspace: Workspace) -> Record:
    """Return what comes of a cell; an exception of a component is a state with its reason."""
    blank = functools.partial(
        Record,
        schema_version=SCHEMA,
        cell=cell,
        role=planning.role(cell.explainer),
        provenance=provenance(workspace.device),
    )
    try:
        return blank(state="ok", **_result(cell, metrics, workspace))
    except StoreError:  # a full disk or a damaged file says nothing about the explainer
        raise
    except SkipError as error:
        return blank(state="skipped", reason=str(error))
    except Exception as error:
        if is_out_of_memory(error):
            return blank(state="out-of-memory", reason=_line(error))
        return blank(state="failed", reason=_line(error), traceback=_traceback())


def _result(cell: Cell, metrics: Sequence[Component], workspace: Workspace) -> dict[str, Any]:
    """Return the parts of an `ok` record, with its files written."""
    anomalies, store = workspace.anomalies(cell), workspace.store
    attributions, clock, measures = _explain(cell, anomalies, workspace)
    written = {
        "attributions": store.write_attributions(cell.key, attributions),
        "anomalies": workspace.anomalies_info(cell),
    }
    if clock is not None:
        written["timings"] = store.write_timings(cell.key, clock.samples())
    return {
        "files": written,
        "anomalies": dict(anomalies.report),
        "detector": dict(workspace.detector(cell).report),
        "measures": measures,
        "timing": None if clock is None else Times.model_validate(clock.summary()),
        "scores": _write_scores(
            store, cell, attributions, anomalies, metrics, written["attributions"]
        ),
    }


def _write_scores(
    store: Store,
    cell: Cell,
    attributions: NDArray[Any],
    anomalies: AnomalySet,
    metrics: Sequence[Component],
    info: FileInfo,
) -> dict[str, float]:
    """Derive a cell's scores, write one value per sample, and return the means."""
    scores = scoring.score(attributions, anomalies, metrics)
    described = {metric.text: scoring.info(metric) for metric in metrics}
    store.write_scores(cell.key, scores, described, anomalies, info)
    return scoring.summarize(scores, anomalies.label)


class Explained(NamedTuple):
    """Attributions, what they cost where that was measured, and what their explainer
    says of them.
    """

    attributions: NDArray[Any]
    timing: timing.Timing | None = None
    measures: dict[str, float] = {}  # noqa: RUF012 (never changed)


def _explain(cell: Cell, anomalies: AnomalySet, workspace: Workspace) -> Explained:
    """Return attributions, and on the trained detector what they cost; controls and references are
    not timed.
    """
    if cell.explainer.name in references.REFERENCES:
        return Explained(references.REFERENCES[cell.explainer.name](anomalies))
    detector = controlled(workspace.detector(cell), cell.control, cell.control_seed)
    background = workspace.dataset(cell.dataset).train
    given = cell.explainer.arguments
    if "seed" in families.explainers.describe(cell.explainer.name).parameters:
        given = {"seed": cell.explainer_seed, **given}
    make = functools.partial(
        families.explainers.create, cell.explainer.name, detector, background=background, **given
    )
    return explain(make, anomalies.x, detector, measure=cell.control == "none")


def explain(
    make: Callable[[], Any], samples: NDArray[Any], detector: Detector, measure: bool
) -> Explained:
    """Return an explainer's attributions of samples as an array, and its timing where that is to be
    measured.

    `make` prepares the explainer. Attributions that are not finite are an error.
    """
    device = detector.device
    original = torch.as_tensor(samples).to(device, detector.dtype)
    x = original.clone()
    explainer, prepare_s = timing.timed(make, device)
    attributions, first_s = timing.timed(lambda: explainer.explain(x), device)
    if not torch.equal(x, original):
        raise ValueError(
            "the explainer changed the samples that it was given: it must copy them first"
        )
    if not bool(torch.isfinite(attributions).all()):
        raise ValueError("attributions are not finite")
    result = (
        attributions.to(torch.float64 if attributions.dtype == torch.float64 else torch.float32)
        .cpu()
        .numpy()
    )
    measures = _measures(explainer, x, attributions)
    if not measure:
        return Explained(result, None, measures)
    singles = itertools.cycle(x.split(1))
    clock = timing.Timing(
        prepare_s,
        len(x),
        timing.measure((functools.partial(explainer.explain, one) for one in singles), device),
        timing.measure(lambda: explainer.explain(x), device, expected_s=first_s),
        timing.peak_memory(lambda: explainer.explain(x), device),
    )
    return Explained(result, clock, measures)


def _measures(explainer: Any, x: torch.Tensor, attributions: torch.Tensor) -> dict[str, float]:
    """Return median and maximum of what an explainer measures of its own answers, if it has such a
    method.
    """
    measure = getattr(explainer, "measures", None)
    values: dict[str, torch.Tensor] = measure(x, attributions) if callable(measure) else {}
    summaries: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "median": torch.median,
        "max": torch.max,
    }
    return {
        f"{name} {key}": float(of(value))
        for name, value in values.items()
        for key, of in summaries.items()
    }


def rescore(store: Store, records: Sequence[Record], metrics: Sequence[Component]) -> None:
    """Derive metrics from stored attributions and add them to the records; other metrics stay.

    Everything is scored before anything is written: a metric that fails changes nothing.
    """
    derived = [
        (record, *_derived(store, record, metrics)) for record in records if record.state == "ok"
    ]
    for record, scores, anomalies in derived:
        values, described = dict(scores), {metric.text: scoring.info(metric) for metric in metrics}
        with suppress(files.DamagedFileError):  # no scores so far, or of other attributions
            before = store.read_scores(record)
            values, described = {**before.values, **values}, {**before.metrics, **described}
        store.write_scores(
            record.cell.key, values, described, anomalies, record.files["attributions"]
        )
        store.write_record(
            record.model_copy(update={"scores": scoring.summarize(values, anomalies.label)})
        )


def _derived(
    store: Store, record: Record, metrics: Sequence[Component]
) -> tuple[dict[str, NDArray[np.float64]], AnomalySet]:
    attributions, anomalies = store.read_attributions(record), store.anomalies_of(record)
    try:
        return scoring.score(attributions, anomalies, metrics), anomalies
    except Exception as error:
        raise RequestError(f"cannot score {record.cell}: {_line(error)}") from error


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".split("\n")[0][:500]


def _traceback() -> str:
    """Return the traceback with file names in place of paths."""
    text = traceback.format_exc()
    for line in traceback.extract_tb(sys.exc_info()[2]):
        text = text.replace(line.filename, Path(line.filename).name)
    return text


def _reasons(report: Any) -> str:
    rejected = ", ".join(
        f"{reason} {count:,}" for reason, count in report.get("rejected", {}).items()
    )
    return f"{report.get('draws', 0):,} draws rejected ({rejected})"
