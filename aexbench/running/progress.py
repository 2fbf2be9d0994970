"""Progress of a run, on the error stream: a bar with what runs now and the time left, or plain
lines in a log.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from aexbench.errors import plain, tell

EVERY_S = 2.0  # between plain lines


class Show(Protocol):
    """What a run tells."""

    def say(self, text: str, share: float | None) -> None:
        """Say what runs now, and the share of it that is done where that is known."""
        ...

    def advance(self) -> None:
        """Count one cell."""
        ...


class Lines:
    """Plain lines, at most one every two seconds."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.last, self.start = total, 0, 0.0, time.monotonic()

    def say(self, text: str, share: float | None) -> None:
        """Print a line unless one was printed just now."""
        if time.monotonic() - self.last >= EVERY_S:
            self.last = time.monotonic()
            left = ""
            if self.done >= self.total / 20:
                seconds = (self.last - self.start) / self.done * (self.total - self.done)
                left = f", {seconds:.0f} s left"
            tell(f"[{self.done}/{self.total}{left}] {text}")

    def advance(self) -> None:
        """Count one cell."""
        self.done += 1


class Bars:
    """A bar for the cells, and below it what runs now."""

    def __init__(self, total: int) -> None:
        from rich import progress
        from rich.console import Console

        columns = (
            progress.BarColumn(bar_width=30),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.description}", markup=False),
        )
        self.progress = progress.Progress(*columns, console=Console(stderr=True), transient=True)
        self.task = self.progress.add_task("", total=total)

    def say(self, text: str, share: float | None) -> None:
        """Show what runs now."""
        epochs = "" if share is None else f" ({share:.0%} of the epochs)"
        self.progress.update(self.task, description=f"{plain(text)}{epochs}")

    def advance(self) -> None:
        """Count one cell."""
        self.progress.advance(self.task)


def _in_notebook() -> bool:
    """Whether this runs in a notebook, which shows bars too."""
    shell = sys.modules.get("IPython")
    found = None if shell is None else shell.get_ipython()
    return type(found).__name__ == "ZMQInteractiveShell"


@contextmanager
def progress(total: int) -> Iterator[Show]:
    """Show the progress of `total` cells while the block runs."""
    terminal = sys.stderr is not None and sys.stderr.isatty()
    if not (terminal or _in_notebook()):
        yield Lines(total)
        return
    bars = Bars(total)
    with bars.progress:
        yield bars
