"""What a worker answers: a record, times, or what it came to where it gave no answer.

Whoever has a worker process hears it here, on this machine or on one of a cluster.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import connection
from typing import Any

from aexbench.errors import RequestError, StoreError, plain
from aexbench.running import planning
from aexbench.running.cells import Cell
from aexbench.running.estimate import EXPLAINING
from aexbench.running.progress import Show
from aexbench.running.provenance import provenance
from aexbench.running.rounds import Found, Round
from aexbench.running.store import SCHEMA, Record, State
from aexbench.running.workers import POLL_S, DiedError, Limits, Worker

PATIENCE = 3  # an explainer that is timed is prepared twice, and called on one sample and on all


@dataclass
class Hearing:
    """Listens to workers. What they say is passed on; what they warn of, once."""

    limits: Limits
    show: Show
    warned: set[tuple[Any, ...]] = field(default_factory=set)

    def record(self, worker: Worker) -> Record | None:
        """Return the record of a worker's cell if it has come to its end."""
        answer = self._answer(worker, self.limits)
        if answer is None:
            return None
        if isinstance(answer, Silence):
            return _ended(worker, answer)
        _, text, spent = answer
        return _recorded(worker, text, spent)

    def times(self, worker: Worker, cells: Round) -> Found | None:
        """Return what a worker has found of a round if it has come to its end."""
        answer = self._answer(worker, self.limits.times(PATIENCE * len(cells)))
        if answer is None:
            return None
        if isinstance(answer, Silence):
            worker.replace()
            return answer.reason
        _, found, spent = answer
        if spent:
            worker.replace()
        return found  # type: ignore[no-any-return]  # of a worker of ours

    def looked(self, worker: Worker) -> None:
        """Wait until a worker has looked at a cell; RequestError where it cannot be."""
        answer = waited(worker, partial(self._answer, worker, Limits()))
        if isinstance(answer, Silence):
            assert worker.cell is not None
            what = f"{worker.cell.dataset.text} with detector {worker.cell.detector.text}"
            raise RequestError(f"{what}: {answer.reason}")

    def _answer(self, worker: Worker, limits: Limits) -> tuple[Any, ...] | Silence | None:
        """Return the answer to a request, or why there is none; None as long as there may be
        one.
        """
        try:
            message = worker.message()
        except DiedError:
            when = "" if worker.asked else " while its data, detector or anomalies were made"
            return Silence("failed", f"its process {worker.fate()}{when}")
        if message is None:
            over = worker.over(limits)
            return None if over is None else Silence(*over)
        if message[0] == "end":
            raise (StoreError if message[1] else RequestError)(message[2])
        return None if self._told(worker, message) else message

    def _told(self, worker: Worker, message: tuple[Any, ...]) -> bool:
        """Take in what is no answer; return whether it is none."""
        if message[0] == "say":
            self.show.say(message[1], message[2], worker.cell)
        elif message[0] == "asked":
            worker.asked = worker.now()
            self.show.say(worker.task, None, worker.cell)
        elif message[0] == "warn" and message not in self.warned:
            self.warned.add(message)
            warnings.warn(plain(message[1]), message[2], stacklevel=2)
        return message[0] in ("say", "asked", "warn")


@dataclass(frozen=True)
class Silence:
    """Why a worker gives no answer."""

    state: State
    reason: str


def waited(worker: Worker, hear: Callable[[], Any], beat: Callable[[], object] = bool) -> Any:
    """Return what `hear` gives once there is something; `beat` is called until then."""
    while (found := hear()) is None:
        connection.wait(worker.stirs(), POLL_S)
        beat()
    return found


def _recorded(worker: Worker, text: str, spent: bool) -> Record:
    """Return a record that a worker has sent; one that is spent is replaced."""
    worker.drain()
    parts = json.loads(text) | {"output": worker.text()}
    record = Record.model_validate(parts).model_copy(update={"cell": worker.cell})
    if spent:
        worker.replace()
    return record


def _ended(worker: Worker, silence: Silence) -> Record:
    """Replace a worker, and return the record of the cell that it has not finished."""
    assert worker.cell is not None
    cell: Cell = worker.cell
    took = {} if worker.asked is None else {EXPLAINING: worker.now() - worker.asked}
    worker.replace()
    return Record(
        schema_version=SCHEMA,
        cell=cell,
        state=silence.state,
        reason=silence.reason,
        output=worker.text(),
        seconds=took,
        role=planning.role(cell.explainer),
        provenance=provenance(worker.setup.device, worker.setup.jobs) | {"sources": cell.sources},
    )
