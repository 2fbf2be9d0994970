"""Cells in processes of their own: what hangs is killed, what dies is replaced, and the matrix goes
on; or in this process. The coordinator alone writes records.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import takewhile
from multiprocessing import connection
from typing import TYPE_CHECKING, Protocol

import torch

from aexbench import families
from aexbench.components import Component
from aexbench.errors import RequestError, tell
from aexbench.running import execution, rounds, wire
from aexbench.running.answers import Hearing, check_looked, found_of, record_of
from aexbench.running.cells import Cell
from aexbench.running.rounds import Found, Round
from aexbench.running.sharing import Shared
from aexbench.running.sources import Loaded
from aexbench.running.store import Record
from aexbench.running.worker import Setup
from aexbench.running.workers import METHOD, POLL_S, Limits, Worker, looking, running, timing
from aexbench.running.workspace import Workspace

if TYPE_CHECKING:
    from aexbench.running.cluster import Cluster


@dataclass(frozen=True)
class Apart:
    """How cells run in processes of their own: so many at once, and what each may take; on this
    machine, or on the workers of a Dask scheduler.
    """

    jobs: int = 1
    limits: Limits = field(default_factory=Limits)
    scheduler: str | None = None

    def checked(self) -> Apart:
        """Return this; RequestError where it cannot be."""
        if self.jobs < 1:
            raise RequestError(f"jobs must be at least 1, not {self.jobs}")
        if self.scheduler is not None and self.jobs != 1:
            raise RequestError("jobs are those of the scheduler's workers: leave jobs out")
        self.limits.check()
        return self


@contextmanager
def opened(
    apart: Apart | None, cells: Sequence[Cell], metrics: Sequence[Component], workspace: Workspace
) -> Iterator[Runner]:
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
    pool = _started_by(apart, _setup(apart.jobs, cells, metrics, workspace), workspace)
    try:
        if lacking := pool.start():
            pool.end()
            _known_here_alone(lacking, apart)
            yield Here(metrics, workspace)
        else:
            yield pool
    finally:
        pool.end()


def _started_by(apart: Apart, setup: Setup, workspace: Workspace) -> Pool | Cluster:
    """Return workers on this machine, or those of a scheduler."""
    if apart.scheduler is None:
        return Pool(setup, apart.limits, workspace)
    from aexbench.running.cluster import Cluster

    return Cluster(apart.scheduler, setup, apart.limits, workspace)


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
        borne=workspace.borne,
        model=workspace.source.model if isinstance(workspace.source, Loaded) else None,
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


class Runner(Protocol):
    """What runs cells, and times them."""

    def look(self, cells: Sequence[Cell]) -> None:
        """Load every data set and build every network; RequestError where one cannot be."""
        ...

    def records(
        self, cells: Sequence[Cell], again: Collection[str], stops: Callable[[], bool]
    ) -> Iterator[Record]:
        """Execute cells, and yield each record once it is in the store; begin none once `stops`
        says so. Those with keys in `again` are executed although they have a record.
        """
        ...

    def times(self, cells: Round, beat: Callable[[], object]) -> Found:
        """Return what came of a round; `beat` is called while it is awaited."""
        ...


class Here:
    """This process."""

    def __init__(self, metrics: Sequence[Component], workspace: Workspace) -> None:
        self.metrics, self.workspace = metrics, workspace

    def look(self, cells: Sequence[Cell]) -> None:
        """Load every data set and build every network; RequestError where one cannot be."""
        execution.preflight(cells, self.workspace, self.metrics)

    def records(
        self, cells: Sequence[Cell], again: Collection[str], stops: Callable[[], bool]
    ) -> Iterator[Record]:
        """Execute cells, and yield each record once it is in the store; begin none once `stops`
        says so. Those with keys in `again` are executed although they have a record.
        """
        begun = takewhile(lambda cell: not stops(), cells)
        yield from execution.run(begun, self.metrics, self.workspace)

    def times(self, cells: Round, beat: Callable[[], object]) -> Found:
        """Return what came of a round."""
        return rounds.found(rounds.prepared(cells, self.workspace), self.workspace.device)


class Pool:
    """Workers on one store."""

    def __init__(self, setup: Setup, limits: Limits, workspace: Workspace) -> None:
        self.setup, self.store = setup, workspace.store
        self.hearing = Hearing(limits, workspace.show)
        self.workers = [Worker(setup) for _ in range(setup.jobs)]

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
        for cell in {(c.detector_key, c.corruption.key): c for c in cells}.values():
            self.workers[0].give(looking(cell))
            check_looked(cell, self.hearing.awaited(self.workers[0]))

    def records(
        self, cells: Sequence[Cell], again: Collection[str], stops: Callable[[], bool]
    ) -> Iterator[Record]:
        """Execute cells, and yield each record once it is in the store; begin none once `stops`
        says so. Those with keys in `again` are executed although they have a record.
        """
        shared, busy = Shared(cells, self.store, again), dict[int, Worker]()
        try:
            while (shared.waits and not stops()) or busy:
                for number, worker in enumerate(self.workers):
                    if number not in busy and not stops():
                        self._set_to_work(worker, number, shared, busy)
                yield from shared.by_others()
                self._wait(busy.values())
                shared.beat()
                self.hearing.show.beat()
                for number, worker in list(busy.items()):
                    cell, answer = worker.request.cell, self.hearing.answer(worker)
                    if answer is None:
                        continue
                    assert cell is not None
                    del busy[number]
                    if not stops():  # it works while its answer is written down
                        self._set_to_work(worker, number, shared, busy)
                    record = record_of(cell, answer)
                    self.store.write_record(record)
                    shared.done(cell)
                    yield record
        finally:
            shared.give_up()

    def times(self, cells: Round, beat: Callable[[], object]) -> Found:
        """Return what came of a round; `beat` is called while it is awaited."""
        worker = self._alone()
        worker.give(timing(cells, rounds.name(cells)))
        return found_of(self.hearing.awaited(worker, beat))

    def _alone(self) -> Worker:
        """Return the one worker there is now, with the threads of all."""
        if len(self.workers) > 1:
            self.end()
            alone = replace(self.setup, jobs=1, threads=torch.get_num_threads())
            self.workers = [Worker(alone)]
        if self.workers[0].process is None:
            self.workers[0].start()
        return self.workers[0]

    def _wait(self, busy: Iterable[Worker]) -> None:
        stirs = [one for worker in busy for one in worker.stirs()]
        if stirs:
            connection.wait(stirs, POLL_S)
        else:  # others have what is left
            time.sleep(POLL_S)

    def _set_to_work(
        self, worker: Worker, number: int, queue: Shared, busy: dict[int, Worker]
    ) -> None:
        """Give a worker a cell, if there is one for it; then it is busy."""
        cell = queue.take(number, worker.request.cell)
        if cell is None:
            return
        if worker.process is None:
            worker.start()
        self.hearing.show.begin(cell)
        worker.give(running(cell))
        busy[number] = worker
