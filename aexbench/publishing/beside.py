"""The page of a store beside the paper: its Table 1, its Figure 2, and its claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from aexbench.errors import SkipError
from aexbench.paper import paper
from aexbench.paper.view import Part
from aexbench.plotting import curves, drawing, looks
from aexbench.publishing.charts import themed
from aexbench.publishing.grids import Column, Grid, Line, words
from aexbench.publishing.reading import Reading

MOST_TITLE = 160  # characters, of a picture
LINK = "Beside the paper: its tables, its figure and its claims"


@dataclass(frozen=True)
class Shown:
    """One part of the page; `chart` is empty where there is none, or says why."""

    title: str
    grid: Grid
    chart: Markup | str
    said: Sequence[str]


@dataclass(frozen=True)
class Beside:
    """The page, by its path in the folder."""

    path: str
    title: str
    lead: str
    link: str
    parts: Sequence[Shown]
    lacking: Sequence[str]


def shown(reading: Reading) -> Beside | None:
    """Return what a store's page shows; None where it has nothing of the paper."""
    found = paper.of_records(reading.store, reading.records, [])
    if not found.parts:
        return None
    return Beside(
        path=f"paper/{reading.slug}.html",
        title=f"{reading.name} beside the paper",
        lead=found.title,
        link=LINK,
        parts=[_part(part, f"{reading.slug}-{n}") for n, part in enumerate(found.parts, start=1)],
        lacking=found.lacking,
    )


def _part(part: Part, name: str) -> Shown:
    columns = [Column(head, words=place < part.words) for place, head in enumerate(part.heads)]
    grid = Grid(part.title, columns, [Line(words(line)) for line in part.lines])
    return Shown(part.title, grid, _chart(part, name), part.said)


def _chart(part: Part, name: str) -> Markup | str:
    """Return the curves of a part as SVG, or in a sentence why there are none."""
    if not part.curves:
        return ""
    try:
        alt = drawing.altair()
        names = {curve.group: curve.group.rpartition(" / ")[2] for curve in part.curves}
        chosen = [c.explainer for c in part.curves if c.role == "explainer"]
        title = alt.TitleParams(cut(part.title), subtitle=[curves.ABOUT])
        order = list(dict.fromkeys(chosen))
        chart = curves.beside(part.curves, names, order, title, looks.LIGHT)
        drawn = drawing.to_bytes(looks.dressed(chart, looks.LIGHT), "svg")
    except SkipError as error:
        return f"No picture: {error}."
    return Markup(themed(drawn, name, cut(part.title)))


def cut(title: str) -> str:
    """Return a title as a picture shows it: strangers name data sets at any length.

    >>> cut("Figure 2"), len(cut("x" * 1000))
    ('Figure 2', 160)
    """
    return title if len(title) <= MOST_TITLE else f"{title[: MOST_TITLE - 1]}…"
