"""Options and output that several commands share."""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aexbench.errors import plain
from aexbench.texts import counted

if TYPE_CHECKING:
    from aexbench.running.store import Record

SLOW_S = 30.0  # of an import, after which a command says what it waits for
LEAST_WIDTH, USUAL_WIDTH = 20, 80  # of a terminal, where it says less of itself, or nothing
Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugin", metavar="FILE", help="A Python file that registers components."),
]
StoreFolder = Annotated[
    Path, typer.Argument(metavar="STORE", help="The folder that `aexbench run` wrote, or packed.")
]


def say(text: str) -> None:
    """Print a line on the output stream, whoever the words in it are from."""
    print(plain(text))


def load_plugins(paths: Iterable[Path] | None, timeout: float | None = None) -> None:
    """Run the plugin files that the command line names; one that hangs is named, and with a timeout
    (s) it ends the command.
    """
    from aexbench import families

    for path in paths or []:
        with watched(path, timeout):
            families.load_plugin(path)


@contextmanager
def watched(path: Path, timeout: float | None) -> Iterator[None]:
    """Say after `SLOW_S` that a file is still being imported, and end the process `timeout` seconds
    later: nothing has begun that could be lost.
    """
    timers = [threading.Timer(SLOW_S, _say_slow, (path,))]
    if timeout is not None:
        timers.append(threading.Timer(SLOW_S + timeout, _end, (path,)))
    for timer in timers:
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()
            timer.join()


def _say_slow(path: Path) -> None:
    _say_now(f"{path} is still being imported, after {SLOW_S:g} s: Ctrl-C ends that")


def _end(path: Path) -> None:
    _say_now(f"error: {path} hangs when it is imported")
    os._exit(2)


def _say_now(text: str) -> None:
    """Write a line on the error stream at once: other threads may write there too."""
    sys.stderr.write(plain(text) + "\n")
    sys.stderr.flush()


def console() -> Any:
    """Return the console for tables."""
    from rich.console import Console

    made = Console(highlight=False)
    made.width = max(made.width, LEAST_WIDTH) if made.width > 0 else USUAL_WIDTH
    return made


def print_reasons(records: list[Record]) -> None:
    """Print why cells are not ok, each reason once with its number of cells."""
    reasons = Counter((record.state, record.reason) for record in records if record.state != "ok")
    for (state, reason), count in reasons.most_common():
        example = next(str(r.cell) for r in records if (r.state, r.reason) == (state, reason))
        say(f"{state}: {reason} ({counted(count, 'cell')}, such as {example})")
