"""Cells in processes of their own: what hangs is killed, what dies is replaced, and the matrix goes
on; or in this process. The coordinator alone writes records.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from multiprocessing import connection
from typing import Any

import torch

from aexbench import families
from aexbench.components import Component
from aexbench.errors import RequestError, StoreError, plain, tell
from aexbench.running import execution, planning, wire
from aexbench.running.cells import Cell
from aexbench.running.estimate import EXPLAINING
from aexbench.running.provenance import provenance
from aexbench.running.sharing import Shared
from aexbench.running.store import SCHEMA, Record, State
from aexbench.running.worker import Setup
from aexbench.running.workers import METHOD, POLL_S, DiedError, Limits, Worker
from aexbench.running.workspace import Workspace


@dataclass(frozen=True)
class Apart:
    """How cells run in processes of their own: so many at once, and what each may take."""

    jobs: int = 1
    limits: Limits = field(default_factory=Limits)

    def checked(self) -> Apart:
        """Return this; RequestError where it cannot be."""
        if self.jobs < 1:
            raise RequestError(f"jobs must be at least 1, not {self.jobs}")
        self.limits.check()
        return self


@contextmanager
def opened(
    apart: Apart | None, cells: Sequence[Cell], metrics: Sequence[Component], workspace: Workspace
) -> Iterator[Pool | Here]:
    """Give what runs cells: workers, or this process where None is asked for, or where a component
    is known here alone.

    Raises
    ------
    RequestError
        If something is known here alone, and limits or several jobs were asked for.
    """
    if METHOD is None and apart is not None and apart != Apart():
        raise RequestError("jobs, timeout and memory need processes that are forked")
    if apart is None or METHOD is None or not cells:
        yield Here(metrics, workspace)
        return
    pool = Pool(_setup(apart.jobs, cells, metrics, workspace), apart.limits, workspace)
    try:
        if lacking := pool.start():
            pool.end()
            _known_here_alone(lacking, apart)
            yield Here(metrics, workspace)
        else:
            yield pool
    finally:
        pool.end()


def _setup(
    jobs: int, cells: Sequence[Cell], metrics: Sequence[Component], workspace: Workspace
) -> Setup:
    return Setup(
        store=workspace.store.root.absolute(),
        device=workspace.device,
        jobs=jobs,
        threads=max(1, torch.get_num_threads() // jobs),
        plugins=tuple(families.files),
        needed=frozenset(wire.names_of(cells) | {wire.name_of(m.plugin) for m in metrics}),
        metrics=wire.dumps(list(metrics)),
    )


def _known_here_alone(lacking: Sequence[wire.Name], apart: Apart) -> None:
    """Say that cells run in this process, and why; raise where that cannot be."""
    names = ", ".join(map(str, lacking))
    way = "put it into a file, and name that with --plugin or plugins="
    if apart != Apart():
        raise RequestError(
            f"{names} is known to this process alone, and no other one can be given it: {way}"
        )
    tell(f"cells run in this process, as {names} is known to it alone: {way}")


class Here:
    """This process."""

    def __init__(self, metrics: Sequence[Component], workspace: Workspace) -> None:
        self.metrics, self.workspace = metrics, workspace

    def look(self, cells: Sequence[Cell]) -> None:
        """Load every data set and build every network; RequestError where one cannot be."""
        execution.preflight(cells, self.workspace)

    def records(self, cells: Sequence[Cell], stops: Callable[[], bool]) -> Iterator[Record]:
        """Execute cells, and yield each record once it is in the store; begin none once `stops`
        says so.
        """
        begun = takewhile(lambda cell: not stops(), cells)
        yield from execution.run(begun, self.metrics, self.workspace)


class Pool:
    """Workers on one store."""

    def __init__(self, setup: Setup, limits: Limits, workspace: Workspace) -> None:
        self.setup, self.limits = setup, limits
        self.store, self.show = workspace.store, workspace.show
        self.workers = [Worker(setup) for _ in range(setup.jobs)]
        self.warned = set[tuple[Any, ...]]()

    def start(self) -> list[wire.Name]:
        """Start the first worker, and return the names of what it does not know."""
        return self.workers[0].start()

    def end(self) -> None:
        """Kill all workers."""
        for worker in self.workers:
            worker.end()

    def look(self, cells: Sequence[Cell]) -> None:
        """Have the first worker load every data set and build every network; RequestError where
        one cannot be.
        """
        worker = self.workers[0]
        for cell in {(c.detector_key, c.corruption.key): c for c in cells}.values():
            worker.give("look", cell)
            while True:
                connection.wait(worker.stirs())
                try:
                    message = worker.message()
                except DiedError:
                    what = f"{cell.dataset.text} with detector {cell.detector.text}"
                    raise RequestError(f"{what}: the process {worker.fate()}") from None
                if message is not None and not self._told(message, cell):
                    break
            _check(message)

    def records(self, cells: Sequence[Cell], stops: Callable[[], bool]) -> Iterator[Record]:
        """Execute cells, and yield each record once it is in the store; begin none once `stops`
        says so.
        """
        shared, busy = Shared(cells, self.store), dict[int, Worker]()
        try:
            while (shared.waits and not stops()) or busy:
                for number, worker in enumerate(self.workers):
                    idle = number not in busy and not stops()
                    if idle and self._set_to_work(worker, number, shared):
                        busy[number] = worker
                yield from shared.by_others()
                self._wait(busy.values())
                shared.beat()
                self.show.beat()
                for number, worker in list(busy.items()):
                    if (record := self._heard(worker)) is not None:
                        self.store.write_record(record)
                        shared.done(record.cell)
                        del busy[number]
                        yield record
        finally:
            shared.give_up()

    def _wait(self, busy: Iterable[Worker]) -> None:
        stirs = [one for worker in busy for one in worker.stirs()]
        if stirs:
            connection.wait(stirs, POLL_S)
        else:  # others have what is left
            time.sleep(POLL_S)

    def _set_to_work(self, worker: Worker, number: int, queue: Shared) -> bool:
        """Give a worker a cell, and return whether there was one for it."""
        cell = queue.take(number, worker.cell)
        if cell is None:
            return False
        if worker.process is None:
            worker.start()
        self.show.begin(cell)
        worker.give("run", cell)
        return True

    def _heard(self, worker: Worker) -> Record | None:
        """Return the record of a worker's cell if it has come to its end."""
        assert worker.cell is not None
        try:
            message = worker.message()
        except DiedError:
            when = "" if worker.asked else " while its data, detector or anomalies were made"
            return self._ended(worker, "failed", f"its process {worker.fate()}{when}")
        if message is None:
            over = worker.over(self.limits)
            return None if over is None else self._ended(worker, *over)
        _check(message)
        if self._told(message, worker.cell):
            return None
        if message[0] == "asked":
            worker.asked = worker.now()
            self.show.say(str(worker.cell), None, worker.cell)
            return None
        return self._recorded(worker, *message[1:])

    def _told(self, message: tuple[Any, ...], cell: Cell) -> bool:
        """Pass on what a worker says or warns of, each warning once; return whether it did."""
        if message[0] == "say":
            self.show.say(message[1], message[2], cell)
        elif message[0] == "warn" and message not in self.warned:
            self.warned.add(message)
            warnings.warn(plain(message[1]), message[2], stacklevel=2)
        return message[0] in ("say", "warn")

    def _recorded(self, worker: Worker, text: str, spent: bool) -> Record:
        """Return a record that a worker has sent; one that is spent is replaced."""
        worker.drain()
        parts = json.loads(text) | {"output": worker.text()}
        record = Record.model_validate(parts).model_copy(update={"cell": worker.cell})
        if spent:
            worker.replace()
        return record

    def _ended(self, worker: Worker, state: State, reason: str) -> Record:
        """Replace a worker, and return the record of the cell that it has not finished."""
        cell = worker.cell
        assert cell is not None
        took = {} if worker.asked is None else {EXPLAINING: worker.now() - worker.asked}
        worker.replace()
        return Record(
            schema_version=SCHEMA,
            cell=cell,
            state=state,
            reason=reason,
            output=worker.text(),
            seconds=took,
            role=planning.role(cell.explainer),
            provenance=provenance(self.setup.device, self.setup.jobs) | {"sources": cell.sources},
        )


def _check(message: tuple[Any, ...]) -> None:
    """Raise the error that a worker says the run must end with."""
    if message[0] == "end":
        raise (StoreError if message[1] else RequestError)(message[2])
