"""Figures as cells: short in the table, in full where one points at them."""

from __future__ import annotations

from aexbench.board.gains import Gain
from aexbench.board.sections import Row, Score, Section
from aexbench.publishing.grids import Cell

NONE = "–"
ABOVE = {
    "": "yes",
    "not above its floor": "not shown",
    "not known to be above its floor": "not known",
}  # by what a row's note says


def score(found: Score | None, interval: bool = False) -> Cell:
    """Return a mean, with its interval where that is asked for."""
    if found is None:
        return Cell(NONE)
    if found.low is None or found.high is None:
        return Cell(f"{found.mean:z.2f}", found.mean, f"{found.mean:z.4f}")
    half = f" ±{found.mean - found.low:.2f}" if interval else ""
    hint = f"{found.mean:z.4f}, 95 %: {found.low:z.4f} to {found.high:z.4f}"
    return Cell(f"{found.mean:z.2f}{half}", found.mean, hint)


def rank(places: tuple[int, int] | None) -> Cell:
    """Return the places that a row may have."""
    if places is None:
        return Cell(NONE)
    first, last = places
    shown = str(first) if first == last else f"{first}–{last}"
    return Cell(shown, first + last / 1000)


def seconds(found: float | None, spread: float | None = None) -> Cell:
    """Return a time."""
    if found is None:
        return Cell("")
    shown = f"{found:.1f} s" if found >= 1 else f"{found * 1e3:.2f} ms"
    beside = "" if spread is None else f", ±{spread:.0%} of it (half the interquartile range)"
    return Cell(shown, found, f"{found * 1e3:.4g} ms{beside}")


def count(found: float | None) -> Cell:
    """Return a number of rows or samples."""
    if found is None:
        return Cell(NONE)
    whole = found >= 100 or found == int(found)
    return Cell(f"{found:,.0f}" if whole else f"{found:.1f}", found)


def share(found: float | None) -> Cell:
    """Return a figure of two digits."""
    return Cell(NONE) if found is None else Cell(f"{found:.2f}", found)


def floor(row: Row, section: Section) -> Cell:
    """Return a row's best floor."""
    if row.gain is None or row.floor_score is None:
        return Cell("")
    return Cell(f"{row.floor_score:z.2f} {section.shown(row.gain.floor)}", row.floor_score)


def gain(found: Gain | None, section: Section) -> Cell:
    """Return what a row has over its best floor."""
    if found is None:
        return Cell("")
    if found.low is None:
        return Cell(f"{found.gain:+z.2f}", found.gain, "nobody can know how sure that is")
    over = f"{found.gain:+z.4f} over {section.shown(found.floor)}"
    hint = f"{over}; over every floor at least {found.low:+z.4f}"
    return Cell(f"{found.gain:+z.2f} [{found.low:+z.2f}]", found.gain, hint)


def above(row: Row) -> Cell:
    """Return in a word whether a row is above its floors, or what else it is."""
    if row.gain is None and not row.note:
        return Cell("no floors")
    return Cell(ABOVE.get(row.note, row.note))
