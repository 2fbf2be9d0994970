"""Tables and lists of texts that boards and cards share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len, chop_cells

from aexbench.board.escaping import markdown, markdown_block

BREAKS = (r"(?<=[,/])|(?=\[)", r"(?<=[= ])", r"(?<=[-_])")
"""Where a name is broken, the best places first; one without any is cut anywhere."""


class Cell(NamedTuple):
    """A text in a table; the best of its row or column is `strong`."""

    text: str
    strong: bool = False


def folded(name: str, width: int) -> str:
    """Break a name into lines of at most `width` columns: before its brackets, and after commas and
    slashes; what is longer after `=`, blanks and hyphens, and else anywhere.

    >>> print(folded("lrp[preset=paper-tabular,root=joint]", 22))
    lrp
    [preset=paper-tabular,
    root=joint]
    >>> print(folded("integrated-gradients", 12))
    integrated-
    gradients
    """
    lines = [""]
    for piece in _pieces(name, width, BREAKS):
        if lines[-1] and cell_len((lines[-1] + piece).rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.strip() for line in lines)


def _pieces(text: str, width: int, breaks: Sequence[str]) -> list[str]:
    """Return a text in parts that are no longer than a line."""
    if not breaks:
        return chop_cells(text, width) or [text]
    parts = [part for part in re.split(breaks[0], text) if part]
    return [
        piece
        for part in parts
        for piece in ([part] if cell_len(part) <= width else _pieces(part, width, breaks[1:]))
    ]


def widest(text: str) -> int:
    """Return how many columns the widest line of a text takes."""
    return max(map(cell_len, text.split("\n")))


def markdown_table(names: Sequence[str], lines: Iterable[Sequence[str | Cell]]) -> str:
    """Return a table in Markdown; what is strong stands between two pairs of asterisks."""
    rows = [list(map(_markdown, row)) for row in (names, *lines)]
    rows.insert(1, ["---"] * len(names))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _markdown(cell: str | Cell) -> str:
    if isinstance(cell, str):
        return markdown(cell)
    return f"**{markdown(cell.text)}**" if cell.strong else markdown(cell.text)


def markdown_list(said: Iterable[str]) -> str:
    """Return lines as items of a list in Markdown."""
    return "\n".join(f"- {markdown_block(one)}" for one in said)
