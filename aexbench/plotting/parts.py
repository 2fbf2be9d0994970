"""Parts that several charts are put together from."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from aexbench.errors import plain
from aexbench.plotting.drawing import values
from aexbench.plotting.looks import Look
from aexbench.texts import pathless

LINE, LEAST_STEP = 12, 19  # heights of a line of text and of a row, in pixels
MANY = {"lineBreak": "\n", "lineHeight": LINE, "fontSize": 11}  # lines of a text
TITLE, TITLE_LINES = 100, 3  # characters of a line beneath a title, and how many lines
LEAST_TICKS = 3  # of a logarithmic axis
MARKS = ("above", "unsure", "floor")


def step(rows: Sequence[dict[str, Any]]) -> int:
    """Return the height of rows whose names have room.

    >>> step([{"name": "lrp"}]), step([{"name": "lrp"}, {"name": "one\\ntwo"}])
    (19, 28)
    """
    most = max(_lines(row) for row in rows)
    return max(LEAST_STEP, LINE * most + 4)


def below_title(said: str) -> list[str]:
    """Return what is said beneath a title, in lines; the end of what is too long is left out."""
    folded = textwrap.TextWrapper(
        TITLE, break_on_hyphens=False, max_lines=TITLE_LINES, placeholder=" …"
    )
    return folded.wrap(plain(pathless(said)))


def ticks(first: float, last: float) -> list[float]:
    """Return the powers of ten in a span; where they are few, their doubles and fives too.

    >>> ticks(0.05, 20.0), ticks(0.3, 1.2)
    ([0.1, 1.0, 10.0], [0.5, 1.0])
    """
    powers = range(math.floor(math.log10(first)), math.ceil(math.log10(last)) + 1)
    for steps in ((1,), (1, 2, 5)):
        found = [float(f"{n}e{power}") for power in powers for n in steps]
        shown = [value for value in found if first <= value <= last]
        if len(shown) >= LEAST_TICKS:
            break
    return shown


def by_row(alt: Any, rows: list[dict[str, Any]]) -> Any:
    """Return the base of a chart with a row for each line of data."""
    scale = alt.Scale(domain=[row["place"] for row in rows])
    y = alt.Y("place:O", axis=None, scale=scale)
    return alt.Chart(values(alt, rows)).encode(y=y)


def name_labels(alt: Any, rows: list[dict[str, Any]], colours: Look) -> list[Any]:
    """Return the names of rows, at the left of a chart; those of floors stand back."""
    ink = alt.condition(alt.datum.mark == "floor", alt.value(colours.soft), alt.value(colours.ink))
    base = by_row(alt, rows)
    return [
        base.transform_filter(f"length(split(datum.name, '\\n')) === {lines}")
        .mark_text(align="right", dy=-LINE * (lines - 1) / 2, **MANY)
        .encode(x=alt.value(-8), text="name:N", color=ink)
        for lines in sorted({_lines(row) for row in rows})
    ]


def _lines(row: dict[str, Any]) -> int:
    return str(row["name"]).count("\n") + 1


def points(alt: Any, base: Any, colours: Look, size: int = 55) -> Any:
    """Return points: full where a row is above its floors, hollow where it is not, and diamonds of
    floors.
    """
    shapes = alt.Scale(domain=list(MARKS), range=["circle", "circle", "diamond"])
    fills = alt.Scale(domain=list(MARKS), range=[colours.main, colours.ground, colours.ground])
    lines = alt.Scale(domain=list(MARKS), range=[colours.main, colours.main, colours.soft])
    return base.mark_point(size=size, opacity=1, strokeWidth=1.5).encode(
        shape=alt.Shape("mark:N", scale=shapes, legend=None),
        fill=alt.Fill("mark:N", scale=fills, legend=None),
        stroke=alt.Stroke("mark:N", scale=lines, legend=None),
    )


def upright_levels(alt: Any, levels: list[dict[str, Any]], field: str, colours: Look) -> list[Any]:
    """Return dashed upright lines of chance and ceiling, with their names above."""
    base = alt.Chart(values(alt, levels)).encode(x=f"{field}:Q")
    line = base.mark_rule(strokeDash=[4, 3], color=colours.soft)
    said = base.mark_text(baseline="bottom", dy=-3, fontSize=10, color=colours.soft).encode(
        y=alt.value(0), text="name:N"
    )
    return [line, said] if levels else []


def level_lines(alt: Any, levels: list[dict[str, Any]], field: str, colours: Look) -> list[Any]:
    """Return dashed lines of chance and ceiling across a chart, named at the left."""
    base = alt.Chart(values(alt, levels)).encode(y=f"{field}:Q")
    line = base.mark_rule(strokeDash=[4, 3], color=colours.soft)
    said = base.mark_text(
        align="left", baseline="bottom", dx=3, dy=-2, fontSize=10, color=colours.soft
    ).encode(x=alt.value(0), text="name:N")
    return [line, said] if levels else []
