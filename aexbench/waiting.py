"""Progress of what takes longer than two seconds, where somebody looks: below the lines of a
terminal, or in a notebook. Elsewhere, in a worker and inside of what is shown already, nothing is.
"""

from __future__ import annotations

import html
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

from aexbench.errors import plain

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

AFTER_S = 2.0
EVERY_S = 0.25  # between two pictures
Text = str | Callable[[], str]
BAR, FIGURES = 40, 40  # columns of the bar, where there is room, and of what stands beside it


class Picture(NamedTuple):
    """What is shown at a moment: the share that is done, where that is known, the figures beside
    the bar, and what is done now.
    """

    share: float | None
    figures: str
    now: str


class _Wait:
    """One piece of work: what it is, and how far it is."""

    def __init__(self, what: Text) -> None:
        self.start, self.text = time.monotonic(), what
        self.share: float | None = None

    def say(self, text: str, share: float | None = None) -> None:
        """Take note of what is done now, and of the share that is done in [0, 1]."""
        self.text, self.share = text, share

    def picture(self) -> Picture:
        """Return how far it is."""
        shown = "" if self.share is None else f"{self.share:4.0%} "
        now = self.text() if callable(self.text) else self.text
        return Picture(self.share, f"{shown}{elapsed(self.start)}", now)


@contextmanager
def waiting(what: Text) -> Iterator[Callable[..., None]]:
    """Show that work goes on while the block runs; `what` it is may be a function that returns a
    text, where making that takes time.

    It gives a function `(text, share=None)` that tells what is done now, and the share of the whole
    that is done, in [0, 1].

    >>> with waiting("counting") as say:
    ...     for number in range(3):
    ...         say(f"counting {number}", number / 3)
    """
    wait = _Wait(what)
    with drawn(wait.picture):
        yield wait.say


_shown = threading.Lock()  # held by the one that shows: two would draw over each other


@contextmanager
def drawn(picture: Callable[[], Picture] | None) -> Iterator[None]:
    """Draw a picture, made anew some times a second, while the block runs, once it has run for two
    seconds; without one nothing is drawn, by what the block calls neither.
    """
    if not _shown.acquire(blocking=False):
        yield
        return
    try:
        if picture is None or multiprocessing.parent_process() is not None:
            yield
        elif in_notebook():
            with _in_notebook(picture):
                yield
        elif on_terminal():
            with _on_terminal(picture):
                yield
        else:
            yield
    finally:
        _shown.release()


def in_notebook() -> bool:
    """Whether this runs in a notebook."""
    shell = sys.modules.get("IPython")
    found = None if shell is None else shell.get_ipython()
    return any(kind.__name__ == "ZMQInteractiveShell" for kind in type(found).__mro__)


def on_terminal() -> bool:
    """Whether the error stream is a terminal whose lines can be drawn anew."""
    if sys.stderr is None or os.environ.get("TERM") in ("dumb", "unknown"):
        return False
    with suppress(ValueError):  # it is closed
        return sys.stderr.isatty()
    return False


def elapsed(start: float) -> str:
    """Return the time since a moment as hours, minutes and seconds."""
    minutes, seconds = divmod(int(time.monotonic() - start), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


@contextmanager
def _in_notebook(picture: Callable[[], Picture]) -> Iterator[None]:
    """Draw in the output of the cell that runs."""
    done = threading.Event()
    drawing = threading.Thread(target=_draw, args=(picture, done), daemon=True)
    drawing.start()
    try:
        yield
    finally:
        done.set()
        drawing.join()


def _draw(picture: Callable[[], Picture], done: threading.Event) -> None:
    """Draw until it is done, and leave nothing."""
    if done.wait(AFTER_S):
        return
    display = sys.modules["IPython.display"].display
    place = display(in_html(picture()), raw=True, display_id=True)
    while not done.wait(EVERY_S):
        place.update(in_html(picture()), raw=True)
    place.update({"text/plain": "", "text/html": ""}, raw=True)


def in_html(picture: Picture) -> dict[str, str]:
    """Return a picture as notebooks take it."""
    figures, now = plain(picture.figures), plain(picture.now)
    value = "" if picture.share is None else f' value="{picture.share:.4f}"'
    shown = f"<progress{value}></progress> {html.escape(figures)}<br>{html.escape(now)}"
    return {"text/plain": f"{figures} {now}", "text/html": shown}


@contextmanager
def _on_terminal(picture: Callable[[], Picture]) -> Iterator[None]:
    """Draw below what is printed meanwhile, through rich."""
    from rich.console import Console, Group
    from rich.live import Live

    console = Console(file=cast("IO[str]", Deaf(sys.stderr)), force_jupyter=False)
    start = time.monotonic()

    def late() -> bool:
        return time.monotonic() - start >= AFTER_S

    class Late(Live):
        def refresh(self) -> None:
            if late():
                super().refresh()

        def get_renderable(self) -> RenderableType:
            return Group(*(as_lines(picture(), console) if late() else ()))

    with Late(console=console, transient=True, refresh_per_second=1 / EVERY_S):
        yield


def as_lines(picture: Picture, console: Console) -> list[RenderableType]:
    """Return a picture as a terminal shows it: the bar with its figures, and what is done now."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text as Line

    width = max(1, min(BAR, console.width - FIGURES))
    share = picture.share
    bar = ProgressBar(total=1.0, completed=share or 0.0, width=width, pulse=share is None)
    line = Table.grid(padding=(0, 1))
    line.add_row(bar, Line(plain(picture.figures), no_wrap=True))
    return [line, Line(plain(picture.now), no_wrap=True, overflow="ellipsis")]


class Deaf:
    """A terminal that may close at any time: what cannot be written stops nothing."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what can be written."""
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
