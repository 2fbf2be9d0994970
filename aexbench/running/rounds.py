"""Timing, once every cell has been explained: the explainers of one anomaly set take turns, alone.

An explainer is timed once for each data set, detector and corruption, on the first seed: what it
costs does not depend on the seed. What cannot be timed says why, and keeps its scores.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from numpy.typing import NDArray

from aexbench.contracts import AnomalySet
from aexbench.detector import Detector
from aexbench.door import checked
from aexbench.errors import line
from aexbench.rows import forget
from aexbench.running import arithmetic, references, timing
from aexbench.running.arithmetic import Rows
from aexbench.running.cells import Cell
from aexbench.running.kept import kept
from aexbench.running.provenance import hardware
from aexbench.running.stopping import is_own
from aexbench.running.store import Record, Store, Times
from aexbench.running.workspace import Lent, Workspace
from aexbench.texts import counted

Round = Sequence[Cell]
Timed = Mapping[str, timing.Timing]
"""By the keys of cells."""
Explain = Callable[[torch.Tensor], torch.Tensor]
Ask = Callable[[], Timed]


def planned(cells: Iterable[Cell]) -> list[Round]:
    """Return which cells are timed together: of each data set, detector and corruption those of the
    first anomaly set, on the trained detector.
    """
    first: dict[tuple[str, str, str], str] = {}
    rounds: dict[str, list[Cell]] = {}
    for cell in cells:
        if not cell.plain or cell.explainer.plugin.registry is references.references:
            continue
        place = (cell.dataset.key, cell.detector.key, cell.corruption.key)
        if first.setdefault(place, cell.anomaly_key) == cell.anomaly_key:
            rounds.setdefault(cell.anomaly_key, []).append(cell)
    return list(rounds.values())


def waiting(cells: Iterable[Cell], store: Store, anew: Collection[str] = ()) -> list[Round]:
    """Return the rounds of cells, with those of their cells that are explained and not timed, or
    are to be timed anew.
    """
    rounds = [still(one, store, anew) for one in planned(cells)]
    return [one for one in rounds if one]


def still(cells: Round, store: Store, anew: Collection[str] = ()) -> Round:
    """Return those of a round that are explained and not timed, or are to be timed anew."""
    return [cell for cell in cells if _waits(store.record(cell.key), cell.key in anew)]


def expected(
    cells: Iterable[Cell],
    known: Mapping[str, Record | None],
    todo: Iterable[Cell],
    anew: bool = False,
) -> list[Cell]:
    """Return the cells that are to be timed once those that are to do are explained; `known` are
    the records of the others, which may be timed anew.
    """
    keys = {cell.key for cell in todo}
    timed = (cell for one in planned(cells) for cell in one)
    return [cell for cell in timed if cell.key in keys or _waits(known[cell.key], anew)]


def _waits(record: Record | None, anew: bool) -> bool:
    if record is None or record.state != "ok":
        return False
    return anew or not (record.timing or record.untimed)


def name(cells: Round) -> str:
    """Return what a round is called."""
    where = f"{cells[0].dataset.shown} / {cells[0].corruption.shown}"
    return f"timing {counted(len(cells), 'explainer')} on {where}"


def prepared(cells: Round, workspace: Workspace) -> Ask:
    """Return what times the explainers of cells on their anomaly set; in the frames above them
    stand samples, rows and detector, and no truth.
    """
    first = cells[0]
    anomalies: AnomalySet = workspace.anomalies(first)
    lent = workspace.background(first.dataset)
    return functools.partial(timed, cells, anomalies.x, workspace.detector(first), lent)


def timed(cells: Round, x: NDArray[Any], detector: Detector, lent: Lent) -> Timed:
    """Return what each explainer costs on samples x (N, …), measured in turns."""
    samples = torch.as_tensor(x).to(detector.device, detector.dtype)
    with kept(detector, lent=lent), timing.no_garbage_collection():
        entrants = {c.key: _entrant(c, samples.clone(), detector, lent) for c in cells}
        timing.interleaved([r for one in entrants.values() for r in (one.latency, one.throughput)])
        if not all(torch.equal(one.x, samples) for one in entrants.values()):
            raise ValueError("the explainer changed the samples that it was given: copy them first")
        return {key: one.timing() for key, one in entrants.items()}


def _entrant(cell: Cell, x: torch.Tensor, detector: Detector, lent: Lent) -> Entrant:
    """Return an explainer that is ready to take its turns."""
    make = Last(functools.partial(_made_alone, cell, detector, lent))
    prepare = timing.Repeats(make, x.device, warm_ups=1, least=1, most=1)
    timing.interleaved([prepare])
    return Entrant(make.value.explainer.explain, x, detector, prepare.samples.wall_s[0])


def _made_alone(cell: Cell, detector: Detector, lent: Lent) -> Any:
    """Return an explainer that finds nothing of its background known from others."""
    forget()
    return cell.made(detector, lent.rows)


class Last:
    """A call that keeps what came of it last."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call
        self.value: Any = None

    def __call__(self) -> None:
        """Call."""
        self.value = self.call()


class Entrant:
    """An explainer that takes turns with others, and what has been measured of it.

    Its first call on one sample is not measured; the second is counted in rows.
    """

    def __init__(
        self, explain: Explain, x: torch.Tensor, detector: Detector, prepare_s: float
    ) -> None:
        self.x, self.prepare_s, one = x, prepare_s, x[:1]
        explain(one)
        self.rows = _counted(functools.partial(explain, one), one, detector)
        self.whole = Last(functools.partial(explain, x))
        self.peak_bytes = timing.peak_memory(self.whole, x.device)
        singles = (functools.partial(explain, one) for one in itertools.cycle(x.split(1)))
        self.latency = timing.Repeats(singles, x.device)
        self.throughput = timing.Repeats(self.whole, x.device)

    def timing(self) -> timing.Timing:
        """Return what has been measured; an error where the last answer is none."""
        checked(self.whole.value, self.x)
        latency, throughput = self.latency.samples, self.throughput.samples
        return timing.Timing(
            self.prepare_s, len(self.x), latency, throughput, self.peak_bytes, self.rows
        )


def _counted(call: Callable[[], object], x: torch.Tensor, detector: Detector) -> Rows | str:
    """Return the rows that a call asks for, or why they cannot be counted."""
    try:
        return arithmetic.rows(call, x, detector)
    except arithmetic.UncountedError as error:
        return str(error)


@dataclass(frozen=True)
class Outcome:
    """What came of timing a cell: its times and their samples, or why there are none."""

    times: Times | None = None
    samples: Mapping[str, Any] | None = None
    reason: str = ""

    def beside(self, others: int) -> Outcome:
        """Return it as measured while others worked on the machine."""
        if self.times is None or not others:
            return self
        machine = {**(self.times.hardware or {}), "jobs": 1 + others}
        return replace(self, times=self.times.model_copy(update={"hardware": machine}))


Found = dict[str, Outcome] | str
"""What came of a round by the keys of its cells, or why all of it came to nothing."""


def found(ask: Ask, device: str) -> Found:
    """Return what came of a round on a device."""
    try:
        clocks = ask()
    except BaseException as error:  # whatever a plugin raises does not end the run
        if is_own(error):
            raise
        return line(error)
    machine = hardware(device)
    return {key: Outcome(_times(clock, machine), clock.samples()) for key, clock in clocks.items()}


def _times(clock: timing.Timing, machine: dict[str, Any]) -> Times:
    return Times.model_validate({**clock.summary(), "hardware": machine})


def outcomes(
    cells: Round, ask: Callable[[Round], Found], stops: Callable[[], bool]
) -> dict[str, Outcome]:
    """Return what came of a round by the keys of its cells. Where one of them spoils it for all,
    each is asked for alone, unless `stops` says that the run ends.
    """
    answer = ask(cells)
    if not isinstance(answer, str):
        return answer
    if len(cells) == 1:
        return {cells[0].key: Outcome(reason=answer)}
    alone = [outcomes([cell], ask, stops) for cell in cells if not stops()]
    return {key: one for found in alone for key, one in found.items()}


def write(store: Store, key: str, outcome: Outcome) -> None:
    """Put what came of timing a cell into its record, in place of what stood there."""
    record = store.record(key)
    if record is None:  # somebody has taken it away
        return
    if record.timing or record.untimed:
        files = {name: info for name, info in record.files.items() if name != "timings"}
        record = record.model_copy(update={"timing": None, "untimed": "", "files": files})
        store.write_record(record)  # the samples of before are about to go
    update: dict[str, Any] = {"untimed": outcome.reason}
    if outcome.times is not None and outcome.samples is not None:
        info = store.write_timings(key, outcome.samples)
        update = {"timing": outcome.times, "files": record.files_with("timings", info)}
    store.write_record(record.model_copy(update=update))
