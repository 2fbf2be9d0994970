"""A page for each explainer: what it is, what it costs, where it wins and fails, its heat maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aexbench.board import wording, worth
from aexbench.board.sections import Row, Section
from aexbench.board.table import unnumbered
from aexbench.publishing import figures, verdicts
from aexbench.publishing.boards import cost_cells
from aexbench.publishing.grids import Cell, Column, Grid, Line
from aexbench.publishing.known import Known, by_text, known
from aexbench.publishing.links import Links
from aexbench.publishing.reading import Reading


@dataclass(frozen=True)
class Standings:
    """How an explainer stands in one section of one board."""

    board: str
    slug: str
    title: str
    facts: Sequence[tuple[str, Cell]]
    said: Sequence[str]
    groups: Grid


@dataclass(frozen=True)
class Explainer:
    """What the page of an explainer shows; `title` is its name with that of its suite."""

    name: str
    title: str
    path: str
    role: str
    known: Known
    costs: Grid | None
    standings: Sequence[Standings]


def explainers(readings: Sequence[Reading], links: Links) -> list[Explainer]:
    """Return what is known of all that stand on boards."""
    components = by_text(r.cell.explainer for one in readings for r in one.records)
    found = []
    for name, path in links.explainers.items():
        places = list(_places(name, readings))
        own = known("explainers", components[unnumbered(name)])
        standings = [_standings(*place, links) for place in places]
        first = places[0][2]
        costs = _costs(places)
        found.append(Explainer(name, first.named, path, first.role, own, costs, standings))
    return found


def _places(name: str, readings: Sequence[Reading]) -> Iterator[tuple[Reading, Section, Row]]:
    """Yield where an explainer stands."""
    for reading in readings:
        for section in reading.board.sections:
            for row in section.rows:
                if row.explainer == name:
                    yield reading, section, row


def _standings(reading: Reading, section: Section, row: Row, links: Links) -> Standings:
    found = verdicts.standings(row, section)
    return Standings(
        board=reading.name,
        slug=reading.slug,
        title=wording.title(section),
        facts=list(_facts(reading, section, row)),
        said=list(verdicts.sentences(row, section, found)),
        groups=verdicts.grid(row, section, links, found),
    )


def _facts(reading: Reading, section: Section, row: Row) -> Iterator[tuple[str, Cell]]:
    if row.rank is not None:
        yield "place", figures.rank(row.rank)
    for metric, title in reading.board.metrics.items():
        if metric in row.scores:
            yield title, figures.score(row.scores[metric], metric == section.metric)
    if row.gain is not None:
        yield "best floor", figures.floor(row, section)
        yield "gain", figures.gain(row.gain, section)
    yield "above its floors" if row.role == "explainer" else "what it is", figures.above(row)


def _costs(places: Sequence[tuple[Reading, Section, Row]]) -> Grid | None:
    """Return what one explanation costs, board by board."""
    timed = {reading.slug: (reading, row) for reading, _, row in places if row.latency_s}
    if not timed:
        return None
    lines = [
        Line([Cell(reading.name), *cost_cells(row), Cell(row.hardware)])
        for reading, row in timed.values()
    ]
    columns = [Column("board", words=True), *map(Column, worth.COSTS[1:]), Column("on", words=True)]
    return Grid("What an explanation costs", columns, lines)
