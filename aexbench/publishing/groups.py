"""The groups of a section as a table: data sets and corruptions as rows, explainers as columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aexbench.board.comparing import LEAST_UNITS, enough_units
from aexbench.board.leaderboard import Board
from aexbench.board.sections import Row, Section
from aexbench.board.shortening import left_out, short
from aexbench.board.table import Place
from aexbench.plotting import groups
from aexbench.plotting.choosing import Wanted
from aexbench.publishing.grids import Cell, Column, Grid, Line
from aexbench.publishing.links import Links

NAMES = {
    "dataset": "data set",
    "detector": "detector",
    "corruption": "corruption",
    "label": "label",
}
MOST_COLUMNS = 60  # of more nobody sees the whole: each explainer's page has its own


def grid(section: Section, board: Board, links: Links) -> Grid:
    """Return the table of a section's groups, the mean over all of them first."""
    names = sorted(section.groups)
    places = [section.place(name) for name in names]
    varying = parts(places)
    known = {(one["group"], one["explainer"]): one for one in groups.data(section, Wanted())}
    columns = [Column(NAMES[part], words=True) for part in varying]
    columns += [Column("units"), *(_column(row, links) for row in section.rows)]
    cells = Heads(places, varying, links)
    lines = [_line(name, section, cells, known) for name in (groups.MEAN, *names)]
    caption = f"{board.metrics[section.metric]} by group{shared(places)}{cells.left_out}"
    return Grid(caption, columns, lines, heads=len(varying), upright=True)


def parts(places: Sequence[Place]) -> list[str]:
    """Return the parts of groups' names that tell them apart; the data set always."""
    return [part for part in Place._fields if part == "dataset" or len(_values(places, part)) > 1]


def _values(places: Sequence[Place], part: str) -> set[str]:
    return {getattr(place, part) for place in places}


def shared(places: Sequence[Place]) -> str:
    """Return what the names of groups have in common, to be said once."""
    alike = {part: _values(places, part) for part in Place._fields if part != "dataset"}
    said = [f"{NAMES[part]} {next(iter(v))}" for part, v in alike.items() if len(v) == 1 and all(v)]
    return f"; {', '.join(said)}" if said else ""


class Heads:
    """The cells that name groups, in short where their parameters are alike."""

    def __init__(self, places: Sequence[Place], varying: Sequence[str], links: Links) -> None:
        self.varying, self._links = varying, links
        self._short = {part: short(sorted(_values(places, part))) for part in varying}

    @property
    def left_out(self) -> str:
        """What the short names do not say, to be said once."""
        said = [left_out(names) for names in self._short.values()]
        return "".join(f"; {one}" for one in said if one)

    def of(self, place: Place) -> list[Cell]:
        """Return the parts of a group's name."""
        return [self._cell(part, getattr(place, part)) for part in self.varying]

    def _cell(self, part: str, text: str) -> Cell:
        shown = self._short[part][text]
        link = self._links.datasets.get(text, "") if part == "dataset" else ""
        return Cell(shown, hint="" if shown == text else text, link=link)


def _column(row: Row, links: Links) -> Column:
    link = links.explainers.get(row.explainer, "")
    return Column(row.shown, explainer=row.named, link=link)


def _line(
    group: str,
    section: Section,
    heads: Heads,
    known: dict[tuple[str, str], dict[str, Any]],
) -> Line:
    cells = [score_cell(known[group, row.explainer], row, section) for row in section.rows]
    if group == groups.MEAN:
        empty = [Cell("") for _ in heads.varying]  # and no units
        return Line([Cell(groups.MEAN), *empty, *cells])
    place = section.place(group)
    line = [*heads.of(place), units(section.groups[group]), *cells]
    return Line(line, dataset=place.dataset, corruption=place.corruption)


def units(count: int) -> Cell:
    """Return how many units a group has, marked where they are few."""
    if enough_units(count):
        return Cell(str(count), count)
    hint = f"fewer than {LEAST_UNITS} units: such a group shows nothing by itself"
    return Cell(f"{count}°", count, hint)


def score_cell(line: dict[str, Any], row: Row, section: Section) -> Cell:
    """Return the score of an explainer in a group."""
    mean = line["score"]
    if mean is None:
        return Cell(line["text"])
    own = row.by_group.get(line["group"], (mean, row.gain))[1]
    hint = f"{row.named}: {mean:z.4f}"
    if own is not None:
        hint += f", {own.gain:+z.4f} over {section.shown(own.floor)}"
        hint += "" if own.above else ", not surely above every floor here"
    return Cell(line["text"], mean, hint, shade=line["shade"], strong=line["best"])
