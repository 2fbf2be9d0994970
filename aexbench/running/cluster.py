"""Cells on the workers of a Dask cluster, through the same worker processes as on one machine.

The coordinator gives each thread of a Dask worker one cell at a time, of the sources that it has
warm, and alone writes records. What a lost worker had goes to another one.
"""

from __future__ import annotations

import logging
import secrets
import time
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from aexbench import extras, files
from aexbench.errors import RequestError, SkipError, StoreError, line, plain, tell
from aexbench.running import remote, rounds, wire
from aexbench.running.answers import Answer, check_looked, found_of, record_of
from aexbench.running.cells import Cell
from aexbench.running.claims import BEAT_S
from aexbench.running.remote import At, Reply, Seen, Task
from aexbench.running.rounds import Found, Round
from aexbench.running.sharing import LOOK_S, Shared
from aexbench.running.store import Record
from aexbench.running.worker import Setup
from aexbench.running.workers import POLL_S, Limits, Request, looking, running, timing
from aexbench.running.workspace import Workspace

CONNECT_S = 20.0  # for the scheduler to answer
BACK_S = 10.0  # for it to come back
SAID_S = 20.0  # of waiting, before it is said
WAIT_S = 300.0  # for a first worker, and for one to come back
DEATHS = 3  # of Dask workers with one cell: then the cell has failed
DIED = Answer(silence="failed", reason=f"{DEATHS} Dask workers died with it")
GONE = "the Dask scheduler is gone: the same command goes on from here once there is one"


@dataclass
class Slot:
    """A thread of a Dask worker, and what it works on."""

    number: int
    address: str
    last: Cell | None = None
    future: Any = None


@dataclass
class Member:
    """A Dask worker: whether it sees the store, or else which files of it it has."""

    shared: bool
    has: set[At] = field(default_factory=set)


class Cluster:
    """The workers of a Dask cluster on one store."""

    def __init__(self, address: str, setup: Setup, limits: Limits, workspace: Workspace) -> None:
        self.address, self.limits = address, limits
        self.store, self.show = workspace.store, workspace.show
        self.plugins = tuple(Seen(path.absolute(), files.read(path)) for path in setup.plugins)
        self.setup = replace(setup, plugins=(), folder="", path=(), environment={})
        self.slots: dict[int, Slot] = {}
        self.members: dict[str, Member] = {}
        self._looked, self._beaten = -LOOK_S, 0.0
        self.deaths: Counter[str] = Counter()
        self.client: Any = None
        self.run = secrets.token_hex(8)
        folder = self.store.path("cells", "x").parents[1] / "claims"
        self.probe = Seen(folder / f"{self.run}.probe", self.run.encode())

    def start(self) -> list[wire.Name]:
        """Find the scheduler; RequestError where there is none, or no worker."""
        self.client = _client(self.address)
        self._write_probe()
        self._await_workers()
        return []

    def _write_probe(self) -> None:
        """Write what tells a host whether it sees the store."""
        files.make_folder(self.probe.path.parent)
        files.write_bytes(self.probe.path, self.probe.content)

    def end(self) -> None:
        """End the worker processes of this run, and leave the cluster."""
        self.probe.path.unlink(missing_ok=True)
        if self.client is not None:
            if self.client.status == "running":
                self.client.run(remote.end, self.run, on_error="return")
            self.client.close(timeout=1)
            self.client = None

    def look(self, cells: Sequence[Cell]) -> None:
        """Have a worker load every data set and build every network; RequestError where one cannot
        be.
        """
        for cell in {(c.detector_key, c.corruption.key): c for c in cells}.values():
            check_looked(cell, self._awaited(looking(cell)))

    def records(
        self, cells: Sequence[Cell], again: Collection[str], stops: Callable[[], bool]
    ) -> Iterator[Record]:
        """Execute cells, and yield each record once it is in the store; begin none once `stops`
        says so. Those with keys in `again` are executed although they have a record.
        """
        shared = Shared(cells, self.store, again)
        try:
            while (shared.waits and not stops()) or self._busy():
                yield from self._taken_back(shared)
                for slot in [] if stops() else self._idle():
                    self._set_to_work(slot, shared)
                yield from shared.by_others()
                self._wait()
                shared.beat()
                self.show.beat()
                for slot in [one for one in self._busy() if one.future.done()]:
                    yield self._recorded(slot, shared)
        finally:
            shared.give_up()

    def times(self, cells: Round, beat: Callable[[], object]) -> Found:
        """Return what came of a round, timed by one worker while no other one works."""
        return found_of(self._awaited(timing(cells, rounds.name(cells)), beat))

    def _find_slots(self) -> list[Slot]:
        """Take note of workers that have come, and return the slots of those that are gone; once a
        second.
        """
        if time.monotonic() - self._looked < LOOK_S:
            return []
        self._looked = time.monotonic()
        there = _threads(self.client, self.setup.device)
        self._meet(there)
        gone = [slot for slot in self.slots.values() if slot.address not in there]
        for slot in gone:
            del self.slots[slot.number]
        for address, threads in there.items():
            if address not in self.members:  # it was gone before it could answer
                continue
            known = sum(slot.address == address for slot in self.slots.values())
            for _ in range(threads - known):
                number = max(self.slots, default=-1) + 1
                self.slots[number] = Slot(number, address)
        self.show.estimate.workers = max(1, len(self.slots))
        return gone

    def _meet(self, there: Mapping[str, int]) -> None:
        """Ask new workers whether they see the store, and let all know that this run is alive."""
        if new := [address for address in there if address not in self.members]:
            sees = self.client.run(remote.sees, self.probe, workers=new, on_error="return")
            self.members |= {
                at: Member(seen) for at, seen in sees.items() if isinstance(seen, bool)
            }
        self.members = {at: one for at, one in self.members.items() if at in there}
        if time.monotonic() - self._beaten > BEAT_S:
            self._beaten = time.monotonic()
            self.client.run(remote.beat, self.run, on_error="return")

    def _await_workers(self) -> None:
        """Wait until there is a worker."""
        start = time.monotonic()
        self._find_slots()
        while not self.slots:
            if time.monotonic() - start > WAIT_S:
                what = " with a resource GPU" if self.setup.device.startswith("cuda") else ""
                raise RequestError(f"{self.address} has no worker{what}: start one")
            time.sleep(LOOK_S)
            self._find_slots()

    def _taken_back(self, shared: Shared) -> Iterator[Record]:
        """Let others have what a lost worker had; yield the record of what has lost too many."""
        for slot in self._find_slots():
            cell = slot.last
            if slot.future is None or cell is None:
                continue
            slot.future.cancel()
            self.deaths[cell.key] += 1
            if self.deaths[cell.key] < DEATHS:
                shared.again(cell)
            else:
                yield self._written(record_of(cell, DIED), shared)

    def _busy(self) -> list[Slot]:
        return [slot for slot in self.slots.values() if slot.future is not None]

    def _idle(self) -> list[Slot]:
        return [slot for slot in self.slots.values() if slot.future is None]

    def _wait(self) -> None:
        from distributed import wait

        if busy := self._busy():
            with suppress(TimeoutError, CancelledError), self.client.as_current():
                futures = [slot.future for slot in busy]
                wait(futures, POLL_S, "FIRST_COMPLETED")  # type: ignore[no-untyped-call]
        else:  # others have what is left, or no worker is there
            time.sleep(POLL_S)

    def _set_to_work(self, slot: Slot, shared: Shared) -> None:
        """Give a slot a cell, if there is one for it."""
        cell = shared.take(slot.number, slot.last)
        if cell is None:
            return
        self.show.begin(cell)
        slot.last = cell
        slot.future = self._submitted(running(cell), slot, self._beside(slot.address))

    def _beside(self, address: str) -> int:
        """Return how many cells run at once on a worker's host."""
        return sum(_host(slot.address) == _host(address) for slot in self.slots.values())

    def _submitted(self, request: Request, slot: Slot, jobs: int) -> Any:
        """Return the future of a request to one Dask worker, with the files that it needs and has
        not.
        """
        member = self.members[slot.address]
        cell = request.cell
        assert cell is not None
        made = {("detectors", cell.detector_key), ("anomalies", cell.anomaly_key)}
        there = {at: self.store.path(*at) for at in made if self.store.path(*at).exists()}
        sent = {a: p for a, p in there.items() if not member.shared and a not in member.has}
        member.has |= sent.keys()
        task = Task(
            self.run,
            replace(request, cell=None),
            wire.dumps(replace(self.setup, jobs=jobs)),
            self.limits,
            member.shared,
            self.plugins,
            {at: path.read_bytes() for at, path in sent.items()},
            (*sorted(made - there.keys()), ("attributions", cell.key), ("scores", cell.key)),
        )
        gpu = {"GPU": 1} if self.setup.device.startswith("cuda") else None
        where = {"workers": [slot.address], "resources": gpu}
        return self.client.submit(remote.reply, task, pure=False, **where)

    def _awaited(self, request: Request, beat: Callable[[], object] = lambda: None) -> Answer:
        """Return what one worker answers while no other one works; the same one as before, as long
        as it is there.
        """
        for _ in range(DEATHS):
            self._await_workers()
            slot = self.slots[min(self.slots)]
            future, start = self._submitted(request, slot, 1), time.monotonic()
            while not future.done() and slot.number in self.slots:
                time.sleep(POLL_S)
                beat()
                self._find_slots()
                start = self._patient(start)
            if future.done():
                return self._answer(future, slot)
            future.cancel()
        return DIED

    def _patient(self, start: float) -> float:
        """Say once that a worker lets wait; return since when it does, or for ever."""
        if time.monotonic() - start < SAID_S:
            return start
        tell(f"waiting for a worker of {self.address}: it may be busy with another run")
        return float("inf")

    def _recorded(self, slot: Slot, shared: Shared) -> Record:
        """Return the record that came of a slot's cell, in the store."""
        cell, future = slot.last, slot.future
        assert cell is not None
        slot.future = None
        answer = self._answer(future, slot)
        return self._written(record_of(cell, answer), shared)

    def _written(self, record: Record, shared: Shared) -> Record:
        self.store.write_record(record)
        shared.done(record.cell)
        return record

    def _answer(self, future: Any, slot: Slot) -> Answer:
        """Return an answer, once what came with it is in the store and has been said."""
        try:
            got: Reply = future.result()
        except Exception as error:
            gone = self.client.status != "running"
            raise StoreError(GONE if gone else f"{self.address}: {line(error)}") from error
        if got.error is not None:
            raise (StoreError if got.error[0] else RequestError)(got.error[1])
        for text, category in got.warned:
            warnings.warn(plain(text), category, stacklevel=2)
        self._keep(got.files)
        if slot.address in self.members:
            self.members[slot.address].has |= got.files.keys()
        assert got.answer is not None
        return got.answer

    def _keep(self, content: Mapping[At, bytes]) -> None:
        """Put into the store what a worker has made that does not see it."""
        for at, found in content.items():
            path = self.store.path(*at)
            if at[0] not in ("detectors", "anomalies"):
                files.write_bytes(path, found)
                continue
            files.write_once(path, found)
            if path.read_bytes() != found:
                raise StoreError(f"{path} was made twice at once: the same call goes on from here")


def _client(address: str) -> Any:
    """Return the client of a scheduler."""
    try:
        distributed = extras.optional("distributed", "cluster")
    except SkipError as error:
        raise RequestError(f"scheduler: {error}") from None
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # we say what it means
    try:
        return distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise RequestError(f"no Dask scheduler answers at {address}: {line(error)}") from None


def _threads(client: Any, device: str) -> dict[str, int]:
    """Return how many cells each Dask worker takes at once: as many as it has threads, and GPUs
    where these are asked for.
    """
    start = time.monotonic()
    while client.status == "connecting" and time.monotonic() - start < BACK_S:
        time.sleep(POLL_S)
    if client.status != "running":
        raise StoreError(GONE)
    workers = client.scheduler_info(n_workers=-1)["workers"]
    found = {}
    for address, known in sorted(workers.items()):
        gpus = int(known.get("resources", {}).get("GPU", 0))
        most = min(known["nthreads"], gpus) if device.startswith("cuda") else known["nthreads"]
        found[address] = most
    return {address: threads for address, threads in found.items() if threads > 0}


def _host(address: str) -> str:
    """Return the host of a Dask worker's address."""
    return address.rpartition("//")[2].rpartition(":")[0]
