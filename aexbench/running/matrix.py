"""Running a matrix: cells that are not finished are executed, what lacks a score is scored.

`run` takes a suite, `aexbench.evaluate` what somebody has; both walk the road in `carry_out`.
"""

from __future__ import annotations

import fnmatch
import signal
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aexbench import families
from aexbench.components import Component, Entry
from aexbench.errors import RequestError, StoreError, tell, unknown
from aexbench.results import Results
from aexbench.running import likeness, planning, plans, staleness
from aexbench.running.cells import DEFAULT, Cell
from aexbench.running.estimate import CORRUPTING, TIMING, TRAINING, Estimate
from aexbench.running.planning import Suite
from aexbench.running.progress import progress
from aexbench.running.stopping import Stop, StoppedError, stopping
from aexbench.running.store import STATES, Record, Store, check_home
from aexbench.waiting import waiting

if TYPE_CHECKING:
    from aexbench.running.pool import Apart
    from aexbench.running.sources import Model
    from aexbench.running.workspace import Workspace

RESULTS = Path("aexbench-results")
TIMES = "times"  # to rerun
MOST_LOOKED_AT = 500  # records, for what cells cost
Again = Callable[[Record], bool]


def run(
    suite: str | Path | Suite | Mapping[str, Any] = "quickstart",
    store: str | Path | None = None,
    *,
    explainers: Sequence[Entry] | None = None,
    datasets: Sequence[Entry] | None = None,
    corruptions: Sequence[Entry] | None = None,
    metrics: Sequence[Entry] | None = None,
    seeds: int | Sequence[int] | None = None,
    model: str | None = None,
    trust: bool = False,
    controls: bool = True,
    plugins: Sequence[str | Path] = (),
    device: str = "cpu",
    rerun: Collection[str] = (),
    jobs: int = 1,
    timeout: float | None = None,
    memory: float | None = None,
    scheduler: str | None = None,
    in_process: bool = False,
    quiet: bool = False,
) -> Results:
    """Run a suite's matrix, or go on with it: finished cells are not run again.

    What the command `aexbench run` does. It may be interrupted at any time: nothing that is
    finished is lost, and the same call goes on from there.

    Parameters
    ----------
    suite
        A suite's name, the path of its TOML file, or its keys and values.
    store
        The folder that results go to; `aexbench-results/SUITE` where it is left out, or
        `SUITE-MODEL` there.
    explainers, datasets, corruptions, metrics, seeds
        Replace the suite's own.
    model
        A trained model that stands in the place of the suite's detectors, such as
        `module.py:factory[weights=FILE]` (`aexbench.loading.load`). It is calibrated on each data
        set's validation rows, and takes values as the data set has them. Seeds vary anomalies and
        explainers; the board is about this network.
    trust
        Whether the model's file may run code when it is read, as archives of torch.export can.
    controls
        Whether untrained twins, loss-ablated forms, floors and references are run.
    plugins
        Python files that register components.
    device
        `cpu` or `cuda`.
    rerun
        Which finished cells are run again: states such as `failed`, `all`, or patterns that
        explainers match, such as `lrp*`. `times` explains nothing again, and takes all times anew.
    jobs
        Cells that run at once, each in a process of its own. Explainers are timed afterwards, when
        nothing else of the run is at work.
    timeout, memory
        Seconds and GB that an explainer may take for a cell; then its process is killed, and the
        cell is `timeout` or `out-of-memory`. The suite's own timeout where it is left out.
    scheduler
        The address of a Dask scheduler, whose workers then run the cells.
    in_process
        Run cells in this process, as a debugger needs it. What hangs or dies is then not contained.
        So it is too where a component is known to this process alone.
    quiet
        Show no progress; warnings and errors still.

    Returns
    -------
    Results
        Of the suite's cells: `.board()`, `.frame`. In a notebook they show themselves.

    Raises
    ------
    RequestError
        If something asked for is wrong: a name, a parameter, a file.

    Examples
    --------
    >>> import tempfile, aexbench
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     results = aexbench.run(
    ...         store=folder, datasets=["wine"], corruptions=["random[count=9]"],
    ...         explainers=["residual"], seeds=1, controls=False,
    ...     )
    ...     results.frame.metric.tolist()
    ['recall', 'recall[top=3]']
    """
    for path in [plugins] if isinstance(plugins, str | Path) else plugins:
        families.load_plugin(path)
    axes = {"explainers": explainers, "datasets": datasets, "corruptions": corruptions}
    axes |= {"metrics": metrics}
    own = asked(suite, **axes, seeds=seeds, controls=controls, model=model)
    check_device(device)
    from aexbench.running.pool import Apart  # imports torch
    from aexbench.running.workers import Limits
    from aexbench.running.workspace import Workspace

    if in_process and (jobs, timeout, memory, scheduler) != (1, None, None, None):
        raise RequestError("nothing is contained in this process: leave in_process out, or limits")
    limits = Limits(own.timeout if timeout is None else timeout, memory)
    apart = None if in_process else Apart(jobs, limits, scheduler).checked()
    folder = RESULTS / own.folder if store is None else Path(store)
    named = named_model(own, trust)
    workspace = Workspace(Store(folder, create=True), device)
    with waiting("looking at the data"):
        cells = planned(own, workspace, named)
    scored = planning.metric_components(own)
    rerun = [rerun] if isinstance(rerun, str) else rerun
    chosen = again(rerun, cells)
    plan = own.model_dump(mode="json")
    anew = TIMES in rerun
    return carry_out(cells, scored, workspace, plan, chosen, apart=apart, quiet=quiet, anew=anew)


def named_model(suite: Suite, trust: bool) -> Model | None:
    """Return the trained model that a suite names, if it names one; RequestError where it cannot
    be read.
    """
    if suite.model is None:
        return None
    from aexbench.loading.places import parse
    from aexbench.running.sources import Model  # imports torch

    model = Model(parse(suite.model).absolute(), trust)
    _ = model.network  # read before anything is written
    return model


def planned(suite: Suite, workspace: Workspace, named: Model | None) -> list[Cell]:
    """Return a suite's cells; a workspace has its trained model, where there is one, from now."""
    if named is None:
        return planning.plan(suite, workspace.kind)
    workspace.take(named)
    return planning.plan(suite, workspace.kind, named.network)


def carry_out(
    cells: Sequence[Cell],
    metrics: Sequence[Component],
    workspace: Workspace,
    suite: Mapping[str, Any],
    chosen: Again = lambda record: False,
    keep: object = None,
    apart: Apart | None = None,
    quiet: bool = False,
    timed: bool = True,
    anew: bool = False,
) -> Results:
    """Run the cells that are not finished, score what lacks a metric, and return the results.

    `suite` is what the store's plan says of them; `chosen` says which finished ones are run again;
    `keep` lives as long as the results; `apart` says how they run in processes of their own, if
    they do; `quiet` shows no progress; `timed` whether explainers are timed, and
    `anew` whether those are too that have been.
    """
    from aexbench.running import execution, pool, rounds  # imports torch
    from aexbench.running.turns import Turns
    from aexbench.state import as_usual

    store = workspace.store
    known = execution.finished(cells, store)
    execution.fit_finished(metrics, known, store)
    todo = execution.unfinished(cells, known, chosen)
    again = {cell.key for cell in todo if known[cell.key] is not None}
    to_time = rounds.expected(cells, known, todo, anew) if timed else []
    workspace.borne = store.borne(apart_from=todo) if todo or to_time else {}
    stop = Stop()
    estimate = estimated(store, todo, 1 if apart is None else apart.jobs)
    try:
        with as_usual(), stopping() as stop, progress(estimate, len(todo), quiet) as show:
            workspace.show, workspace.say = show, show.say
            show.expect(to_time, TIMING)
            with pool.opened(apart, [*todo, *to_time], metrics, workspace) as runner:
                runner.look(todo)
                plans.write_grown(store, suite, cells)
                for record in runner.records(todo, again, stop):
                    show.end(record)
                Turns(store, runner, show, stop).take(to_time, anew)
        if stop():
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        on = "The same call goes on from here." if keep is None else "store=FOLDER keeps them."
        ways = f"stopped; {_far(cells, store)}. {on}"
        raise StoppedError(ways, stop.number or signal.SIGINT) from None
    for cell in (*todo, *to_time):
        known[cell.key] = store.record(cell.key)
    _derive(store, list(filter(None, known.values())), metrics)
    names = [metric.text for metric in metrics]
    return Results(store, [cell.key for cell in cells], metrics=names, ran=len(todo), keep=keep)


def _far(cells: Sequence[Cell], store: Store) -> str:
    """Return how far a run has come, in words."""
    from aexbench.running import execution, rounds

    done = len(cells) - len(execution.pending(cells, store))
    untimed = sum(len(one) for one in rounds.waiting(cells, store))
    timing = f", {untimed} of them to be timed" if untimed else ""
    return f"{done} of {len(cells)} cells are finished{timing}"


def _derive(store: Store, records: Sequence[Record], metrics: Sequence[Component]) -> None:
    """Derive what records lack, scores and how alike controls are to the trained detector's;
    StoreError if some cannot be derived.
    """
    from aexbench.running import execution

    lacking = staleness.lacking(store, records, {metric.text: metric for metric in metrics})
    now = [store.record(record.cell.key) for record in lacking]  # others may have added to them
    _rescored(execution.rescore(store, list(filter(None, now)), metrics))
    _rescored(likeness.derive(store, records))


def estimated(store: Store, todo: Sequence[Cell], jobs: int) -> Estimate:
    """Return what is known of how long cells take: from records of the same store, evenly drawn
    where there are many.
    """
    estimate, keys = Estimate(jobs), store.keys() if todo else []
    for key in keys[:: 1 + len(keys) // MOST_LOOKED_AT]:
        with suppress(RequestError):  # one that cannot be read matters where its cell is asked for
            if (record := store.record(key)) is not None:
                estimate.before.add(record.cell, record.seconds)
    folders = {TRAINING: "detectors", CORRUPTING: "anomalies"}
    estimate.expect(
        todo, there=lambda kind, key: kind in folders and store.path(folders[kind], key).exists()
    )
    return estimate


def _rescored(complaints: Sequence[str]) -> None:
    """Say which cells cannot be scored; StoreError if there are some."""
    for complaint in complaints[:-1]:
        tell(f"error: {complaint}")
    if complaints:
        raise StoreError(complaints[-1])


def left(
    suite: Suite, folder: Path, rerun: Iterable[str], jobs: int = 1, trust: bool = False
) -> tuple[list[Cell], list[Cell], float | None]:
    """Return a suite's cells, those of them that would run, and how many seconds that would take if
    so many ran at once, where records in the store say. The data are read, to see that they can be.
    """
    from aexbench.running import execution  # imports torch
    from aexbench.running.workspace import Workspace

    check_home(folder)
    with tempfile.TemporaryDirectory() as nothing:
        workspace = Workspace(Store(Path(nothing), create=True))
        cells = planned(suite, workspace, named_model(suite, trust))
        started = (folder / "cells").is_dir()
        chosen = again(rerun, cells)
        todo = execution.pending(cells, Store(folder), chosen) if started else cells
        execution.preflight(todo, workspace, planning.metric_components(suite))
        known = Store(folder) if started else workspace.store
    return cells, todo, estimated(known, todo, jobs).left()


def asked(
    suite: str | Path | Suite | Mapping[str, Any],
    *,
    controls: bool = True,
    model: str | None = None,
    **axes: Any,
) -> Suite:
    """Return a suite by its name, from its file or its values, with those axes replaced that are
    given, and its detectors by a model; its notes, and why it ranks as it does, go with its own
    axes.
    """
    found = _found(suite)
    given = {k: [v] if isinstance(v, str) else v for k, v in axes.items()}
    given = {k: list(v) if isinstance(v, tuple) else v for k, v in given.items()}
    if any(callable(entry) for entry in given.get("explainers") or []):
        raise RequestError("run takes explainers by name: give functions to evaluate, or a plugin")
    given = {name: value for name, value in given.items() if value not in (None, [])}
    if given.keys() & {"datasets", "corruptions"}:
        given |= {"notes": "", "why": ""}
    given |= {} if controls else {"controls": False}
    given |= {} if model is None else {"model": _text(model), "detectors": [DEFAULT]}
    return planning.from_values({**found.model_dump(), **given}, found.name) if given else found


def _text(model: object) -> str:
    """Return the text that names a model; RequestError for a model itself."""
    if not isinstance(model, str):
        raise RequestError(
            f"run takes the text that names a model, such as module.py:factory, and not a "
            f"{type(model).__name__}: give that to evaluate"
        )
    return model


def _found(suite: str | Path | Suite | Mapping[str, Any]) -> Suite:
    if isinstance(suite, Suite):
        return suite
    if isinstance(suite, Mapping):
        return planning.from_values(dict(suite), str(suite.get("name", "of this call")))
    return planning.load(str(suite))


def again(names: Iterable[str], cells: Sequence[Cell]) -> Again:
    """Return whether a record is to be made again: by its state, by `all`, or by a pattern that its
    cell's explainer or words match, such as `lrp*`.
    """
    wanted = [names] if isinstance(names, str) else list(names)
    explainers = {cell.explainer.text for cell in cells}
    known = {*STATES, "all", TIMES, *explainers}
    for name in wanted:
        if name not in known and not any(_matches(cell, name) for cell in cells):
            raise unknown("state or explainer", name, known)
    return lambda record: any(
        name in ("all", record.state) or _matches(record.cell, name) for name in wanted
    )


def _matches(cell: Cell, pattern: str) -> bool:
    texts = (cell.explainer.text, str(cell))
    return pattern in texts or any(fnmatch.fnmatchcase(text, pattern) for text in texts)


def check_device(device: str) -> None:
    """Raise RequestError unless it is a device that is here."""
    import torch

    if device == "gpu":
        raise RequestError("unknown device 'gpu': write cuda for a GPU of NVIDIA, else cpu")
    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise unknown("device", device, ["cpu", "cuda"]) from None
    if kind not in ("cpu", "cuda"):
        raise unknown("device", device, ["cpu", "cuda"])
    if kind == "cuda" and not torch.cuda.is_available():
        raise RequestError("there is no CUDA device here: leave --device out, or use --device cpu")
