"""Parts of the view beside the paper: tables of texts with what must be known of them, which
terminals, Markdown and pages show alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aexbench.plotting.curves import Curve

NONE = "–"


@dataclass(frozen=True)
class Part:
    """One table.

    Attributes
    ----------
    title
        Its headline.
    heads, lines
        Of its columns, and its rows; the first `words` columns are texts, others figures.
    said
        What must be known of it.
    curves
        What a chart of it draws, by group; nothing where there is none.
    """

    title: str
    heads: Sequence[str]
    lines: Sequence[Sequence[str]]
    words: int = 1
    said: Sequence[str] = ()
    curves: Sequence[Curve] = ()


@dataclass(frozen=True)
class Paper:
    """A store beside the paper: the parts, and what of the paper it lacks."""

    title: str
    parts: Sequence[Part]
    lacking: Sequence[str] = field(default=())


def figure(value: float | None, digits: int = 2) -> str:
    """Return a figure as the paper prints it, without a zero for nothing.

    >>> figure(0.3055, 3), figure(None)
    ('0.305', '–')
    """
    return NONE if value is None else f"{value:.{digits}f}"


def times(factor: float) -> str:
    """Return how many times as much something is.

    >>> times(4361.2), times(0.784)
    ('4,361', '0.78')
    """
    return f"{factor:,.0f}" if factor >= 10 else f"{factor:.2f}"
