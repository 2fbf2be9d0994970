"""Options and output that several commands share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aexbench.errors import plain
from aexbench.texts import counted

if TYPE_CHECKING:
    from aexbench.running.store import Record

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


def load_plugins(paths: Iterable[Path] | None) -> None:
    """Run the plugin files that the command line names."""
    from aexbench import families

    for path in paths or []:
        families.load_plugin(path)


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
