"""Executing cells: the one function from a cell to its record, and the loop over the cells that are
not finished.

`execute` needs a cell and a workspace and nothing else: workers in other processes and on other
machines run the same.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from aexbench import files
from aexbench.components import Component
from aexbench.contracts import AnomalySet
from aexbench.detector import Detector, is_out_of_memory
from aexbench.errors import RequestError, SkipError, StoreError, line
from aexbench.running import asking, planning, probing, references, scoring, staleness, timing
from aexbench.running.cells import Cell
from aexbench.running.estimate import EXPLAINING
from aexbench.running.kept import kept, kept_process
from aexbench.running.provenance import provenance
from aexbench.running.spent import Spent
from aexbench.running.stopping import is_own
from aexbench.running.store import SCHEMA, FileInfo, Record, Scores, Store
from aexbench.running.workspace import Lent, Workspace

Finished = dict[str, Record | None]
AT_ONCE = 100  # files that are written together; records may change meanwhile, so not all at once


def pending(
    cells: Sequence[Cell], store: Store, again: Callable[[Record], bool] = lambda record: False
) -> list[Cell]:
    """Return the cells that have no finished record, or one that is to be made again."""
    return unfinished(cells, finished(cells, store), again)


def finished(cells: Iterable[Cell], store: Store) -> Finished:
    """Return the finished records of cells by their keys."""
    return {cell.key: store.finished(cell) for cell in cells}


def unfinished(
    cells: Sequence[Cell], known: Finished, again: Callable[[Record], bool]
) -> list[Cell]:
    """Return the cells that have no finished record, or one that is to be made again."""
    found = ((cell, known[cell.key]) for cell in cells)
    return [cell for cell, record in found if record is None or again(record)]


def preflight(
    cells: Sequence[Cell], workspace: Workspace, metrics: Sequence[Component] = ()
) -> None:
    """Load every data set and build every network before the first cell runs: what was asked
    wrongly shows now, as a metric of windows where samples are rows.
    """
    for cell in {(cell.detector_key, cell.corruption.key): cell for cell in cells}.values():
        try:
            _look_ahead(cell, workspace)
            _fit(metrics, cell, workspace)
        except RequestError:
            raise
        except (Exception, SystemExit) as error:
            what = f"{cell.dataset.text} with detector {cell.detector.text}"
            raise RequestError(f"{what}: {line(error)}") from error


def _look_ahead(cell: Cell, workspace: Workspace) -> None:
    """Raise what is wrong with a cell's data set, network or labels before anything is trained."""
    dataset = workspace.dataset(cell.dataset)
    if cell.corruption.plugin.registry is references.labels and dataset.test_truth is None:
        raise RequestError(
            f"{cell.dataset.text} says of no sample which features are wrong: labels cannot be "
            "explained there; name a corruption instead"
        )
    workspace.origin.look(cell, dataset)


def _fit(metrics: Sequence[Component], cell: Cell, workspace: Workspace) -> None:
    """Raise RequestError for a metric that does not take a data set's samples."""
    _take(metrics, cell, tuple(workspace.dataset(cell.dataset).train.shape[1:]))


def fit_finished(metrics: Sequence[Component], known: Finished, store: Store) -> None:
    """Raise RequestError for a metric that does not take the samples of finished cells, so that no
    plan asks for what cannot be scored.
    """
    if not any(metric.plugin.declaration.columns for metric in metrics):
        return
    ok = (record for record in known.values() if record is not None and record.state == "ok")
    for record in {record.cell.dataset.key: record for record in ok}.values():
        with suppress(StoreError):  # what is lost or damaged is made again
            _take(metrics, record.cell, store.anomalies_of(record).x.shape[1:])


def _take(metrics: Sequence[Component], cell: Cell, shape: tuple[int, ...]) -> None:
    for metric in metrics:
        try:
            scoring.check(metric, shape)
        except Exception as error:  # a metric of somebody's own may raise anything
            said = error if isinstance(error, RequestError) else line(error)
            raise RequestError(f"{metric.text} of {cell.dataset.text}: {said}") from error


def run(
    cells: Iterable[Cell], metrics: Sequence[Component], workspace: Workspace
) -> Iterator[Record]:
    """Execute cells in this process, one after the other, and yield each record once it is in the
    store.
    """
    for cell in cells:
        workspace.show.begin(cell)
        record = execute(cell, metrics, workspace)
        workspace.store.write_record(record)
        yield record


def execute(cell: Cell, metrics: Sequence[Component], workspace: Workspace) -> Record:
    """Return what comes of a cell; an exception of a component is a state with its reason."""
    return walked(steps(cell, metrics, workspace))


Ask = Callable[[], "Explained"]
Steps = Generator[Ask, "Explained", Record]


def walked(road: Steps, before: Callable[[], object] = lambda: None) -> Record:
    """Return the record at the end of a cell's steps; `before` is called before the explainer is.

    The explainer is called from here, not from within the steps: whoever looks at the frames above
    it finds its samples, rows and detector there, and no truth.
    """
    try:
        ask = next(road)
        before()
        try:
            explained = ask()
        except BaseException as error:
            road.throw(error)
        else:
            road.send(explained)
    except StopIteration as end:
        record: Record = end.value
        return record
    raise AssertionError("a cell asks once")


def steps(cell: Cell, metrics: Sequence[Component], workspace: Workspace) -> Steps:
    """Prepare a cell, yield what asks its explainer, take the answer, and return the record."""
    spent = workspace.spent = Spent()
    described = functools.partial(
        Record,
        schema_version=SCHEMA,
        cell=cell,
        role=planning.role(cell.explainer),
        own_error=planning.own_error(cell.explainer),
        provenance=provenance(workspace.device, workspace.jobs) | {"sources": cell.sources},
    )

    def blank(**parts: Any) -> Record:
        return described(seconds=spent.all(EXPLAINING), **parts)

    try:
        explained = yield _prepared(cell, workspace)
        return blank(state="ok", **_result(cell, explained, metrics, workspace))
    except StoreError:  # a full disk or a damaged file says nothing about the explainer
        raise
    except SkipError as error:
        return blank(state="skipped", reason=str(error))
    except BaseException as error:  # whatever a plugin raises does not end the run
        if is_own(error):
            raise
        if is_out_of_memory(error):
            return blank(state="out-of-memory", reason=line(error))
        return blank(state="failed", reason=line(error), traceback=traceback.format_exc())


def _prepared(cell: Cell, workspace: Workspace) -> Ask:
    """Return what asks a cell's explainer, with all that it needs made and in the store."""
    anomalies = workspace.anomalies(cell)
    if cell.explainer.plugin.registry is references.references:
        return functools.partial(Explained, cell.explainer.make()(anomalies))
    lent = workspace.background(cell.dataset)
    asked = workspace.controlled(cell, anomalies.x)
    return functools.partial(_explained, cell, anomalies.x, workspace.detector(cell), asked, lent)


def _result(
    cell: Cell, explained: Explained, metrics: Sequence[Component], workspace: Workspace
) -> dict[str, Any]:
    """Return the parts of an `ok` record, with its files written."""
    anomalies, store = workspace.anomalies(cell), workspace.store
    attributions = explained.attributions
    written = {
        "attributions": store.write_attributions(cell.key, attributions, explained.standard_error),
        "anomalies": workspace.anomalies_info(cell),
    }
    own = [metric for metric in metrics if probing.fits(metric, cell)]
    with kept_process("a metric"):
        scores = _scored(cell, attributions, anomalies, own)
    written["scores"] = store.write_scores(cell.key, scores, written["attributions"])
    return {
        "files": dict(sorted(written.items())),
        "anomalies": dict(anomalies.report),
        "detector": dict(explained.report or workspace.detector(cell).report),
        "measures": explained.measures,
        **_summary(scores),
    }


def _scored(
    cell: Cell, found: NDArray[Any], anomalies: AnomalySet, metrics: Sequence[Component]
) -> Scores:
    """Return what metrics make of a cell's attributions or outcome, one value per sample."""
    return Scores(
        scoring.of_cell(cell, found, anomalies, metrics),
        {metric.text: scoring.info(metric) for metric in metrics},
        anomalies.unit,
        anomalies.label,
        anomalies.alarmed,
        {metric.text: metric.version for metric in metrics},
    )


def _summary(scores: Scores) -> dict[str, Any]:
    """Return what a record says of a cell's scores."""
    means = scoring.summarize(scores.values, scores.label, scores.unit, scores.alarmed)
    return {"scores": means, "scored_by": dict(scores.versions)}


def _says(record: Record, values: Mapping[str, Any]) -> bool:
    """Whether a record holds all these values."""
    return all(getattr(record, name) == value for name, value in values.items())


class Explained(NamedTuple):
    """Attributions, what their explainer says of them, and what is known of the detector that it
    was given.
    """

    attributions: NDArray[Any]
    measures: dict[str, float] = {}  # noqa: RUF012 (never changed)
    report: Mapping[str, Any] = {}
    standard_error: NDArray[Any] | None = None


def _explained(
    cell: Cell, x: NDArray[Any], detector: Detector, asked: Detector, lent: Lent
) -> Explained:
    """Return what a cell's explainer answers on the detector or on its control, or what its probe
    brings.
    """
    twin = nullcontext() if asked is detector else kept(asked)
    with kept(detector, lent=lent), twin:
        if cell.probe is not None:
            return Explained(asking.outcome(cell, asked, lent.rows, x), report=asked.report)
        explained = explain(functools.partial(cell.made, asked, lent.rows), x, asked)
        return explained._replace(report=asked.report)


def explain(make: Callable[[], Any], samples: NDArray[Any], detector: Detector) -> Explained:
    """Return an explainer's attributions of samples as an array; `make` prepares the explainer."""
    device = detector.device
    x = torch.as_tensor(samples).to(device, detector.dtype)
    explainer, _ = timing.timed(make, device)  # a child that comes back from it ends there
    attributions, _ = timing.timed(lambda: explainer.explain(x), device)
    return Explained(
        attributions.cpu().numpy(),
        _measures(explainer, x, attributions),
        standard_error=_standard_error(explainer, x),
    )


def _standard_error(explainer: Any, x: torch.Tensor) -> NDArray[Any] | None:
    """Return how far each attribution (N, …) may be off, where an explainer tells that."""
    tell = getattr(explainer, "standard_error", None)
    if tell is None:
        return None
    error: NDArray[Any] = tell(x).detach().cpu().numpy()
    if error.shape != tuple(x.shape):
        raise ValueError(f"standard errors have shape {error.shape}, the samples {tuple(x.shape)}")
    return error


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


def rescore(store: Store, records: Sequence[Record], metrics: Sequence[Component]) -> list[str]:
    """Derive metrics from stored attributions and add them to the records; other metrics stay, or
    are derived again where they lack something. Return a line for each record that cannot be
    scored.

    Everything is scored before anything is written: a metric that fails changes nothing. Cells on
    one anomaly set are scored together, which is read once.
    """
    ok = [record for record in records if record.state == "ok"]
    others, asked = staleness.of_records(ok), {metric.text: metric for metric in metrics}
    derived, complaints, sets = [], [], Sets(store)
    for record in sorted(ok, key=lambda record: record.cell.anomaly_key):
        try:
            if (scores := _derived(store, record, sets, asked, others)) is not None:
                derived.append((record, scores))
        except (files.DamagedFileError, files.UnreadableError) as error:
            complaints.append(str(error))
    for start in range(0, len(derived), AT_ONCE):
        _write_scores(store, derived[start : start + AT_ONCE])
    return complaints


def _write_scores(store: Store, derived: Sequence[tuple[Record, Scores]]) -> None:
    """Put scores into records as these are now, and those that have them stay: they may have been
    timed since they were read. One that was run again has scores of its own.
    """
    infos = {}
    with files.together() as write:
        for record, scores in derived:
            key, explained = record.cell.key, record.files["attributions"]
            if _still(store, record) is not None:
                infos[key] = store.write_scores(key, scores, explained, write)
    with files.together() as write:
        for record, scores in derived:
            now, info = _still(store, record), infos.get(record.cell.key)
            if now is None or info is None:
                continue
            update = {"files": now.files_with("scores", info), **_summary(scores)}
            if not _says(now, update):
                store.write_record(now.model_copy(update=update), write)


def _still(store: Store, record: Record) -> Record | None:
    """Return a record as it is now, or None where it is of other attributions."""
    now = store.record(record.cell.key)
    explained = record.files["attributions"]
    return None if now is None or now.files.get("attributions") != explained else now


class Sets:
    """The anomaly sets of records; the last stays, for cells on one set follow each other."""

    def __init__(self, store: Store) -> None:
        self._store, self._known = store, dict[tuple[str, FileInfo | None], AnomalySet]()

    def of(self, record: Record) -> AnomalySet:
        """Return what a record's attributions explain; DamagedFileError if it is not there."""
        place = record.cell.anomaly_key, record.files.get("anomalies")
        if place not in self._known:
            self._known = {place: self._store.anomalies_of(record)}
        return self._known[place]


def _derived(
    store: Store,
    record: Record,
    sets: Sets,
    asked: Mapping[str, Component],
    others: Mapping[str, Component],
) -> Scores | None:
    """Return a cell's scores by the metrics that are asked for, and by those that it had; of these
    the ones that are not known here are lost with their file. Those that are what would be derived
    today stay; None where all do, and the record says what they are.
    """
    before = staleness.kept(store, record, {**others, **asked})
    there = before.metrics if before else {}
    lost = {name: others[name] for name in record.scores if name in others}
    own = {name: one for name, one in asked.items() if probing.fits(one, record.cell)}
    lacking = [made for name, made in {**lost, **own}.items() if name not in there]
    attributions, anomalies = store.read_attributions(record), sets.of(record)
    if not _of(record.cell, attributions, anomalies):
        path = store.path("attributions", record.cell.key)
        raise files.DamagedFileError(f"{path} holds no attributions of its anomalies")
    if before is not None and not lacking:
        return None if _says(record, _summary(before)) else before
    try:
        made = _scored(record.cell, attributions, anomalies, lacking)
    except Exception as error:
        raise RequestError(f"cannot score {record.cell}: {line(error)}") from error
    whole = made.joined(before) if before else made
    order = dict.fromkeys([*record.scores, *own])
    return whole.only([name for name in order if name in whole.metrics])


def _of(cell: Cell, found: NDArray[Any], anomalies: AnomalySet) -> bool:
    """Whether attributions, or the outcome of a probe, can be those of a cell's anomalies."""
    same = len(found) == len(anomalies) if cell.probe else found.shape == anomalies.x.shape
    return same and bool(np.isfinite(found).all())
