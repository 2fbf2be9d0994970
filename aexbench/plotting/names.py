"""Names in charts: long ones are folded."""

from __future__ import annotations

from aexbench.board.tables import folded
from aexbench.errors import plain
from aexbench.texts import pathless

LINES = 4  # of a name


def fold(name: str, width: int) -> str:
    """Return a name in lines of at most so many characters, cut after the fourth.

    >>> print(fold("integrated-gradients[baseline=nearest]", 24))
    integrated-gradients
    [baseline=nearest]
    """
    lines = folded(plain(pathless(name)), width).split("\n")
    kept = lines[:LINES]
    return "\n".join(kept) + ("…" if len(lines) > LINES else "")
