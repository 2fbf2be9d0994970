"""How figures and their marks are written on boards."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aexbench.board.gains import Gain
    from aexbench.board.sections import Row, Score, Section

FEW = "°"  # a group of few units
BELOW = "·"  # what is not surely above every floor
TIED = "†"  # what is not surely worse than the first
BEST = "*"  # the best explainer of a group, where nothing can be bold


def rank(places: tuple[int, int] | None) -> str:
    """Return the places that a row may have.

    >>> rank((2, 4)), rank((1, 1)), rank(None)
    ('2–4', '1', '–')
    """
    if places is None:
        return "–"
    first, last = places
    return str(first) if first == last else f"{first}–{last}"


def estimate(score: Score | None, interval: bool) -> str:
    """Return a mean, with half of its interval if that is asked for and known."""
    if score is None:
        return "–"
    if not interval or score.low is None:
        return f"{score.mean:z.2f}"
    return f"{score.mean:z.2f} ±{score.mean - score.low:.2f}"


def figure(value: float | None) -> str:
    """Return a figure with two digits."""
    return "–" if value is None else f"{value:z.2f}"


def floor(row: Row, section: Section) -> str:
    """Return the score and the name of an explainer's best floor; what another row is."""
    if row.role != "explainer":
        return f"({row.note})"
    if row.gain is None or row.floor_score is None:
        return ""
    return f"{row.floor_score:z.2f} {section.shown(row.gain.floor)}"


def gain(own: Gain | None) -> str:
    """Return a gain with its lower bound, marked where it is not above zero.

    >>> from aexbench.board.gains import Gain
    >>> gain(Gain("random", 0.5, 0.25)), gain(Gain("random", -0.001, -0.004))
    ('+0.50 [+0.25]', '·+0.00 [+0.00]')
    """
    if own is None:
        return ""
    if own.low is None:
        return f"{own.gain:+z.2f}"
    return f"{'' if own.above else BELOW}{own.gain:+z.2f} [{own.low:+z.2f}]"


def of_group(cell: tuple[float, Gain | None] | None) -> str:
    """Return a score in one group, marked where it is not above its floor there."""
    if cell is None:
        return "–"
    mean, own = cell
    below = own is not None and own.low is not None and not own.above
    return f"{BELOW if below else ''}{mean:z.2f}"


def seconds(value: float | None) -> str:
    """Return a time.

    >>> seconds(2.5), seconds(0.00047)
    ('2.5 s', '0.47 ms')
    """
    if value is None:
        return ""
    return f"{value:.1f} s" if value >= 1 else f"{value * 1e3:.2f} ms"


def count(value: float | None) -> str:
    """Return a number of rows or samples."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def spread(share: float | None) -> str:
    """Return the spread of a time as a share of it."""
    return "" if share is None else f" ±{share:.0%}"
