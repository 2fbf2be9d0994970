"""Where an explainer wins and where it fails, in words: group by group, beside the other ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aexbench.board.sections import Row, Section
from aexbench.plotting import groups
from aexbench.plotting.choosing import Wanted
from aexbench.publishing import figures
from aexbench.publishing.grids import Cell, Column, Grid, Line
from aexbench.publishing.groups import NAMES, Heads, parts, units
from aexbench.publishing.links import Links
from aexbench.texts import counted

SOME = 4  # groups that are named in a sentence
TIED = 2  # explainers that are named in a cell


@dataclass(frozen=True)
class Standing:
    """A row in one group: its score, and the best explainer's there."""

    group: str
    score: float
    best: float
    names: tuple[str, ...]
    wins: bool

    @property
    def behind(self) -> float:
        """How far it is from the best."""
        return abs(self.best - self.score)


def standings(row: Row, section: Section) -> list[Standing]:
    """Return how a row stands in each of its groups."""
    lines = [one for one in groups.data(section, Wanted()) if one["group"] != groups.MEAN]
    tops: dict[str, list[tuple[str, float]]] = {}
    for one in lines:
        if one["best"]:
            tops.setdefault(one["group"], []).append((one["title"], one["score"]))
    return [
        _standing(one["group"], one["score"], tops.get(one["group"], []), row)
        for one in lines
        if one["explainer"] == row.explainer and one["score"] is not None
    ]


def _standing(group: str, score: float, top: list[tuple[str, float]], row: Row) -> Standing:
    names = tuple(name for name, _ in top)
    best = top[0][1] if top else score
    return Standing(group, score, best, names, row.shown in names)


def sentences(row: Row, section: Section, found: list[Standing]) -> Iterator[str]:
    """Yield where a row wins, and where it fails."""
    if row.role != "explainer" or not found:
        return
    won = [one for one in found if one.wins]
    rivals = sum(other.role == "explainer" for other in section.rows)
    of = f"of {counted(len(found), 'group')}"
    yield f"Best of {counted(rivals, 'explainer')} in {len(won)} {of}{_named(won)}."
    yield from _beside_floors(row, found)
    if lost := [one for one in found if not one.wins]:
        worst = max(lost, key=lambda one: one.behind)
        yield (
            f"Furthest behind in {worst.group}: {worst.score:z.2f}, where "
            f"{worst.names[0]} has {worst.best:z.2f}."
        )


def _beside_floors(row: Row, found: list[Standing]) -> Iterator[str]:
    """Yield where a row is above its floors, and where it is below one; groups of few units and
    those without floors are not asked.
    """
    gains = [(one, gain) for one in found if (gain := row.by_group[one.group][1]) is not None]
    if not gains:
        return
    of = f"of {counted(len(gains), 'group')} with units enough"
    sure = [one for one, gain in gains if gain.above]
    yield f"Surely above every floor in {len(sure)} {of}{_named(sure)}."
    below = [one for one, gain in gains if gain.gain < 0]
    yield f"Below its best floor in {len(below)} {of}{_named(below)}."


def _named(found: list[Standing]) -> str:
    """Return the names of some groups, those with the greatest distance first."""
    if not found:
        return ""
    order = sorted(found, key=lambda one: -one.behind)
    more = f" and {len(found) - SOME} more" if len(found) > SOME else ""
    return f": {', '.join(one.group for one in order[:SOME])}{more}"


def grid(row: Row, section: Section, links: Links, found: list[Standing]) -> Grid:
    """Return a row group by group, beside its floors and the best explainer there."""
    places = [section.place(one.group) for one in found]
    varying = parts(places)
    heads = Heads(places, varying, links)
    columns = [Column(NAMES[part], words=True) for part in varying]
    columns += [Column("units"), Column("score"), Column("gain"), Column("over", words=True)]
    columns += [Column("the best there", words=True)]
    lines = [_line(one, row, section, heads) for one in found]
    return Grid(f"{row.named} by group{heads.left_out}", columns, lines, heads=len(varying))


def _line(one: Standing, row: Row, section: Section, heads: Heads) -> Line:
    place, gain = section.place(one.group), row.by_group[one.group][1]
    cells = [
        *heads.of(place),
        units(section.groups[one.group]),
        Cell(f"{one.score:z.2f}", one.score, f"{one.score:z.4f}", strong=one.wins),
        figures.gain(gain, section),
        Cell(section.shown(gain.floor) if gain else ""),
        _best(one),
    ]
    return Line(cells, dataset=place.dataset, corruption=place.corruption)


def _best(one: Standing) -> Cell:
    """Return the best score in a group and who has it; of many, the first ones."""
    if not one.names:
        return Cell(figures.NONE, one.best)
    more = len(one.names) - TIED
    names = ", ".join(one.names[:TIED]) + (f" and {more} more" if more > 0 else "")
    return Cell(f"{one.best:z.2f} {names}", one.best, ", ".join(one.names) if more > 0 else "")
