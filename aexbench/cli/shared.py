"""Options and output that several commands share."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
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
    from aexbench.registry import Plugin
    from aexbench.running.store import Record
    from aexbench.running.titles import Seen

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


def load_plugins(paths: Iterable[Path] | None, timeout: float | None = None) -> list[Plugin[Any]]:
    """Run the plugin files that the command line names, and return what they register; one that
    hangs is named, and with a timeout (s) it ends the command.
    """
    from aexbench import families

    found: list[Plugin[Any]] = []
    for path in paths or []:
        with watched(path, timeout):
            found += families.load_plugin(path)
    return found


@contextmanager
def watched(path: Path, timeout: float | None) -> Iterator[None]:
    """Say after `SLOW_S` that a file is still being imported, and end the process `timeout` seconds
    later: nothing has begun that could be lost.
    """
    over = threading.Event()
    watching = threading.Thread(target=_watch, args=(path, timeout, over), daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


def _watch(path: Path, timeout: float | None, over: threading.Event) -> None:
    if over.wait(SLOW_S):
        return
    said = f"{path} is still being imported, after {SLOW_S:g} s: Ctrl-C ends that"
    print(plain(said), file=sys.stderr, flush=True)
    if timeout is not None and not over.wait(timeout):
        print(plain(f"error: {path} hangs when it is imported"), file=sys.stderr, flush=True)
        os._exit(2)


def wrapped(text: str, first: str = "", rest: str = "") -> list[str]:
    """Return a text in lines as wide as the terminal, behind `first`, and further ones behind
    `rest`. (Rich takes longer to import.)
    """
    width = max(shutil.get_terminal_size().columns, LEAST_WIDTH)
    return textwrap.wrap(
        plain(text),
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
    )


def console() -> Any:
    """Return the console for tables."""
    from rich.console import Console

    made = Console(highlight=False)
    made.width = max(made.width, LEAST_WIDTH) if made.width > 0 else USUAL_WIDTH
    return made


def print_reasons(records: list[Record], seen: Seen) -> None:
    """Print why cells are not ok, each reason once with its number of cells."""
    reasons = Counter((record.state, record.reason) for record in records if record.state != "ok")
    for (state, reason), count in reasons.most_common():
        example = next(r.cell for r in records if (r.state, r.reason) == (state, reason))
        say(f"{state}: {reason} ({counted(count, 'cell')}, such as {seen.cell(example)})")
