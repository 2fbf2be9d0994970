"""Progress of a run: a bar with the time left and what runs now below it, on a terminal and in
notebooks; in a log one plain line a cell, on the error stream.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aexbench.errors import plain, tell
from aexbench.running.cells import Cell
from aexbench.running.estimate import EXPLAINING, TIMING, Estimate, in_words
from aexbench.waiting import Picture, drawn, elapsed, in_notebook, on_terminal

if TYPE_CHECKING:
    from aexbench.running.store import Record

EVERY_S = 10.0  # between plain lines on one cell
PREPARING = "loading the data"


@dataclass
class Running:
    """A cell that is worked on: the kind of work, what is done now, the share of it that is done
    where that is known, since when (monotonic seconds), and how many cells share that time.
    """

    kind: str
    cell: Cell
    text: str
    share: float | None
    since: float
    sharing: int = 1

    def took(self) -> float:
        """Return the seconds that have gone into it."""
        return (time.monotonic() - self.since) / self.sharing

    def __str__(self) -> str:
        epochs = "" if self.share is None else f" ({self.share:.0%} of the epochs)"
        return plain(f"{self.text}{epochs}")


class Show:
    """How far a run is; shows nothing.

    Parameters
    ----------
    estimate
        Knows what is to be done, and is told what that took.
    """

    def __init__(self, estimate: Estimate | None = None, total: int = 0) -> None:
        self.estimate = Estimate() if estimate is None else estimate
        self.total, self.done, self.start = total, 0, time.monotonic()
        self.running: dict[str, Running] = {}
        self._lock = threading.RLock()  # bars are drawn by a thread of their own

    def expect(self, cells: Collection[Cell], kind: str) -> None:
        """Take note of more work, of another kind."""
        with self._lock:
            self.estimate.expect(cells, kind)
            self.total += len(cells)

    def begin(self, cell: Cell, kind: str = EXPLAINING, sharing: int = 1) -> None:
        """Take note that a cell is worked on from now on, one of `sharing` that are so at once."""
        text = cell.shown if kind == EXPLAINING else f"{kind} {cell.shown}"
        with self._lock:
            self.running[cell.key] = Running(kind, cell, text, None, time.monotonic(), sharing)

    def say(self, text: str, share: float | None, cell: Cell | None = None) -> None:
        """Take note of what is done for a cell, the only one that runs where it is left out, and of
        the share of that which is done, where that is known.
        """
        with self._lock:
            keys = list(self.running) if cell is None else [cell.key]
            for key in keys:
                if key in self.running:
                    self.running[key].text, self.running[key].share = text, share

    def end(self, record: Record, kind: str = EXPLAINING) -> None:
        """Count a cell that is done. What it took here counts, with all that went with it."""
        with self._lock:
            seconds = dict(record.seconds) if kind == EXPLAINING else {}
            if (running := self.running.pop(record.cell.key, None)) is not None:
                others = sum(took for name, took in seconds.items() if name != kind)
                seconds[kind] = max(0.0, running.took() - others)
            self.estimate.done(record.cell, seconds, kind)
            self.done += 1

    def beat(self) -> None:
        """Take note that the run is alive, some times a second."""

    def left(self) -> str:
        """Return how long the rest takes, in words; nothing where nobody can say, or none is."""
        if self.done >= self.total:
            return ""
        with self._lock:
            running = [(r.kind, r.cell, r.took()) for r in self.running.values()]
            seconds = self.estimate.left(running)
        return "" if seconds is None else f"{in_words(max(1.0, seconds))} left"

    def now(self) -> str:
        """Return what runs now: what runs longest, and how many cells run with it."""
        with self._lock:
            running = list(self.running.values())
        if not running:
            return "" if self.done else PREPARING
        longest = min(running, key=lambda one: one.since)
        others = f"{len(running)} run, longest " if len(running) > 1 else ""
        return f"{others}{in_words(time.monotonic() - longest.since)}: {longest}"


class Lines(Show):
    """A plain line for each cell that is done, and now and then for one that takes long."""

    def __init__(self, estimate: Estimate, total: int) -> None:
        super().__init__(estimate, total)
        self._last = self.start

    def say(self, text: str, share: float | None, cell: Cell | None = None) -> None:
        """Print a line unless one was printed just now."""
        super().say(text, share, cell)
        self.beat()

    def beat(self) -> None:
        """Print what takes long, unless a line was printed just now."""
        if self.running and time.monotonic() - self._last >= EVERY_S:
            self._print(self.now())

    def end(self, record: Record, kind: str = EXPLAINING) -> None:
        """Print what came of a cell."""
        running = self.running.get(record.cell.key)  # whose cell knows its titles
        super().end(record, kind)
        took = record.seconds.get(kind)
        seconds = "" if took is None else f", {in_words(took)}"
        cell = record.cell if running is None else running.cell
        what = cell.shown if kind == EXPLAINING else f"{kind} {cell.shown}"
        untimed = record.untimed if kind == TIMING else ""
        state = f"not timed: {untimed}" if untimed else record.state
        self._print(f"{what}: {state}{seconds}")

    def _print(self, text: str) -> None:
        self._last = time.monotonic()
        far = f"{self.done}/{self.total}"
        tell(f"[{', '.join(part for part in (far, self.left()) if part)}] {text}")


class Bars(Show):
    """A bar for the cells, and below it what runs now, in one line."""

    def picture(self) -> Picture:
        """Return how far the run is."""
        with self._lock:
            far = f"{self.done:>{len(str(self.total))}}/{self.total}"
            share = self.done / self.total if self.total else 0.0
            figures = f"{far} {elapsed(self.start)} {self.left()}"
            return Picture(share, figures, self.now())


@contextmanager
def progress(estimate: Estimate, total: int, quiet: bool = False) -> Iterator[Show]:
    """Show the progress of `total` cells while the block runs, unless that is to be quiet."""
    if not quiet and (on_terminal() or in_notebook()):
        bars = Bars(estimate, total)
        with drawn(bars.picture):
            yield bars
        return
    with drawn(None):
        yield Show(estimate, total) if quiet else Lines(estimate, total)
