"""What comes of a request to a worker process: an answer, or why there is none.

Whoever has the process beside it hears it here, on this machine or on one of a cluster; what is
made of the answer knows the cells.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
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
from aexbench.running.rounds import Found
from aexbench.running.store import SCHEMA, Record, State
from aexbench.running.workers import POLL_S, DiedError, Limits, Worker


@dataclass(frozen=True)
class Answer:
    """What a worker process has found, or the state that its silence is, with the reason.

    Attributes
    ----------
    found
        A record as JSON, or what came of a round.
    output
        The end of what was printed.
    seconds
        How long an explainer was waited for that gave no answer.
    provenance
        Where no answer came from.
    """

    found: Any = None
    silence: State | None = None
    reason: str = ""
    output: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)


def _warn(text: str, category: type[Warning]) -> None:
    warnings.warn(text, category, stacklevel=2)


@dataclass
class Hearing:
    """Listens to workers. What they say is passed on; what they warn of, once."""

    limits: Limits
    show: Show
    warn: Callable[[str, type[Warning]], object] = _warn
    warned: set[tuple[Any, ...]] = field(default_factory=set)

    def answer(self, worker: Worker) -> Answer | None:
        """Return what came of a request, if it has come to its end. A worker that can take no other
        one is replaced.
        """
        try:
            message = worker.message()
        except DiedError:
            when = "" if worker.asked else " while its data, detector or anomalies were made"
            return _silence(worker, "failed", f"its process {worker.fate()}{when}")
        if message is None:
            over = worker.over(self.limits)
            return None if over is None else _silence(worker, *over)
        if message[0] == "end":
            raise (StoreError if message[1] else RequestError)(message[2])
        return None if self._told(worker, message) else _answered(worker, *message[1:])

    def awaited(self, worker: Worker, beat: Callable[[], object] = lambda: None) -> Answer:
        """Return what came of a request once it has; `beat` is called until then."""
        while (found := self.answer(worker)) is None:
            connection.wait(worker.stirs(), POLL_S)
            beat()
        return found

    def _told(self, worker: Worker, message: tuple[Any, ...]) -> bool:
        """Take in what is no answer; return whether it is none."""
        say = partial(self.show.say, cell=worker.request.cell)
        if message[0] == "say":
            say(message[1], message[2])
        elif message[0] == "asked":
            worker.asked = worker.now()
            say(worker.request.task, None)
        elif message[0] == "warn" and message not in self.warned:
            self.warned.add(message)
            self.warn(plain(message[1]), message[2])
        return message[0] in ("say", "asked", "warn")


def _answered(worker: Worker, found: Any, spent: bool) -> Answer:
    worker.drain()
    answer = Answer(found, output=worker.text())
    if spent:
        worker.replace()
    return answer


def _silence(worker: Worker, state: State, reason: str) -> Answer:
    took = {} if worker.asked is None else {EXPLAINING: worker.now() - worker.asked}
    origin = provenance(worker.setup.device, worker.setup.jobs)
    worker.replace()
    return Answer(None, state, reason, worker.text(), took, origin)


def record_of(cell: Cell, answer: Answer) -> Record:
    """Return the record that comes of an answer on a cell."""
    if answer.silence is None:
        parts = json.loads(answer.found) | {"output": answer.output}
        return Record.model_validate(parts).model_copy(update={"cell": cell})
    return Record(
        schema_version=SCHEMA,
        cell=cell,
        state=answer.silence,
        reason=answer.reason,
        output=answer.output,
        seconds=dict(answer.seconds),
        role=planning.role(cell.explainer),
        provenance={**answer.provenance, "sources": cell.sources},
    )


def found_of(answer: Answer) -> Found:
    """Return what came of a round."""
    found: Found = answer.reason if answer.silence else answer.found
    return found


def check_looked(cell: Cell, answer: Answer) -> None:
    """Raise RequestError where no worker could look at a cell's data set and network."""
    if answer.silence:
        what = f"{cell.dataset.text} with detector {cell.detector.text}"
        raise RequestError(f"{what}: {answer.reason}")
