"""Tables and lists of texts that boards and cards share."""

from __future__ import annotations

import re
from collections.abc import Iterable

from aexbench.board.escaping import markdown, markdown_block


def folded(name: str, width: int) -> str:
    """Break a name that is longer than `width` before its brackets, and after commas and slashes.

    >>> print(folded("lrp[preset=paper-tabular,root=joint]", 22))
    lrp
    [preset=paper-tabular,
    root=joint]
    """
    lines = [""]
    parts = re.split(r"(?<=[,/])|(?=\[)", name)
    pieces = [
        piece
        for part in parts
        for piece in (re.split("(?==)", part) if len(part) > width else [part])
    ]
    for part in pieces:
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.strip() for line in lines)


def markdown_table(names: list[str], lines: list[list[str]]) -> str:
    """Return a table in Markdown."""
    rows = [names, ["---"] * len(names), *lines]
    return "\n".join(
        "| " + " | ".join(t if t == "---" else markdown(t) for t in row) + " |" for row in rows
    )


def markdown_list(said: Iterable[str]) -> str:
    """Return lines as items of a list in Markdown."""
    return "\n".join(f"- {markdown_block(one)}" for one in said)
