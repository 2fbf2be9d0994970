"""Progress of a run, on the error stream: a bar with the time left and what runs now below it, or
in a log one plain line a cell.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

from aexbench.errors import plain, tell
from aexbench.running.cells import Cell
from aexbench.running.estimate import EXPLAINING, TIMING, Estimate, in_words

if TYPE_CHECKING:
    from rich.progress import Progress

    from aexbench.running.store import Record

EVERY_S = 10.0  # between plain lines on one cell
BAR, FIGURES = 40, 40  # columns of the bar, where there is room, and of what stands beside it
PREPARING = "loading the data"


@dataclass
class Running:
    """A cell that is worked on: the kind of work, what is done now, the share of it that is done
    where that is known, and since when (monotonic seconds).
    """

    kind: str
    cell: Cell
    text: str
    share: float | None
    since: float

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

    def begin(self, cell: Cell, kind: str = EXPLAINING) -> None:
        """Take note that a cell is worked on from now on."""
        text = str(cell) if kind == EXPLAINING else f"{kind} {cell}"
        with self._lock:
            self.running[cell.key] = Running(kind, cell, text, None, time.monotonic())

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
                seconds[kind] = max(0.0, time.monotonic() - running.since - others)
            self.estimate.done(record.cell, seconds, kind)
            self.done += 1

    def beat(self) -> None:
        """Take note that the run is alive, some times a second."""

    def left(self) -> str:
        """Return how long the rest takes, in words; nothing where nobody can say, or none is."""
        if self.done >= self.total:
            return ""
        now = time.monotonic()
        with self._lock:
            running = [(r.kind, r.cell, now - r.since) for r in self.running.values()]
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
        super().end(record, kind)
        took = record.seconds.get(kind)
        seconds = "" if took is None else f", {in_words(took)}"
        what = str(record.cell) if kind == EXPLAINING else f"{kind} {record.cell}"
        untimed = record.untimed if kind == TIMING else ""
        state = f"not timed: {untimed}" if untimed else record.state
        self._print(f"{what}: {state}{seconds}")

    def _print(self, text: str) -> None:
        self._last = time.monotonic()
        far = f"{self.done}/{self.total}"
        tell(f"[{', '.join(part for part in (far, self.left()) if part)}] {text}")


class Bars(Show):
    """A bar for the cells, and below it what runs now, in one line."""

    def __init__(self, estimate: Estimate, total: int) -> None:
        super().__init__(estimate, total)
        self.progress = _bar(self, total)
        (self.task,) = self.progress.task_ids

    def expect(self, cells: Collection[Cell], kind: str) -> None:
        """Make the bar longer."""
        super().expect(cells, kind)
        self.progress.update(self.task, total=self.total)

    def end(self, record: Record, kind: str = EXPLAINING) -> None:
        """Advance the bar."""
        super().end(record, kind)
        self.progress.advance(self.task)


def _bar(show: Show, total: int) -> Progress:
    """Return rich's bar, as wide as the terminal, above the line of what runs."""
    from rich import progress
    from rich.console import Console, RenderableType
    from rich.text import Text

    class Left(progress.ProgressColumn):
        def render(self, task: progress.Task) -> Text:
            return Text(show.left(), no_wrap=True)

    bar, console = progress.BarColumn(), Console(file=cast("IO[str]", _Deaf(sys.stderr)))

    class Both(progress.Progress):
        def get_renderables(self) -> Iterator[RenderableType]:
            bar.bar_width = max(1, min(BAR, console.width - FIGURES))
            yield from super().get_renderables()
            yield Text(show.now(), no_wrap=True, overflow="ellipsis")

    figures = (progress.MofNCompleteColumn(), progress.TimeElapsedColumn(), Left())
    made = Both(bar, *figures, console=console, transient=True)
    made.add_task("", total=total)
    return made


class _Deaf:
    """A terminal that may close at any time: what cannot be written stops nothing."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _in_notebook() -> bool:
    """Whether this runs in a notebook, which shows bars too."""
    shell = sys.modules.get("IPython")
    found = None if shell is None else shell.get_ipython()
    return type(found).__name__ == "ZMQInteractiveShell"


def _on_terminal() -> bool:
    """Whether the error stream is a terminal whose lines can be drawn anew."""
    if sys.stderr is None or os.environ.get("TERM") in ("dumb", "unknown"):
        return False
    with suppress(ValueError):  # it is closed
        return sys.stderr.isatty()
    return False


@contextmanager
def progress(estimate: Estimate, total: int, quiet: bool = False) -> Iterator[Show]:
    """Show the progress of `total` cells while the block runs, unless that is to be quiet."""
    if quiet:
        yield Show(estimate, total)
    elif _on_terminal() or _in_notebook():
        bars = Bars(estimate, total)
        with bars.progress:
            yield bars
    else:
        yield Lines(estimate, total)
