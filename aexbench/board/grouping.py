"""The scores of groups, a row for each group and a column for each explainer; what all groups share
is said once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aexbench.board import figures
from aexbench.board.comparing import enough_units
from aexbench.board.shortening import brief, dropped
from aexbench.board.tables import Cell
from aexbench.errors import plain
from aexbench.texts import pathless

if TYPE_CHECKING:
    from aexbench.board.sections import Section

HEADS = ("data set", "detector", "corruption", "kind")  # of the parts of a group's name
DIGITS = 2  # of a score; those that are shown alike are alike


@dataclass(frozen=True)
class Groups:
    """The groups of a section as a table.

    Attributes
    ----------
    parts
        The heads of what tells groups apart.
    explainers
        The heads of the scores: rows of the board in their order, by their short names.
    names, scores
        Of each group, in natural order: its parts, and a score for each explainer.
    shared
        Parts of names that all groups have.
    dropped
        Parameters that all components of one name have, and that short names leave out.
    """

    parts: Sequence[str]
    explainers: Sequence[str]
    names: Sequence[Sequence[str]]
    scores: Sequence[Sequence[Cell]]
    shared: Sequence[str] = field(default=())
    dropped: Sequence[str] = field(default=())

    @property
    def heads(self) -> list[str]:
        """The heads of all columns."""
        return [*self.parts, *self.explainers]

    @property
    def lines(self) -> list[list[str | Cell]]:
        """All rows."""
        return [[*own, *cells] for own, cells in zip(self.names, self.scores, strict=True)]

    def marks(self) -> set[str]:
        """Return the signs that stand in it."""
        texts = [cell.text for row in self.scores for cell in row]
        found = {figures.BELOW for text in texts if text.startswith(figures.BELOW)}
        found |= {figures.BEST for row in self.scores for cell in row if cell.strong}
        return found | {figures.FEW for own in self.names if own[-1].endswith(figures.FEW)}


def grouped(section: Section) -> Groups:
    """Return a section's groups as a table."""
    order = in_order(section)
    columns, alone = _columns(section, order), len(order) == 1
    kept = [n for n, parts in enumerate(columns) if alone or len(set(parts)) > 1]
    kept = [n for n in kept if any(columns[n])] or [0]
    named = [columns[n] if alone else brief(columns[n]) for n in kept]
    few = [figures.FEW * (not enough_units(section.groups[group])) for group in order]
    named[-1] = [text + mark for text, mark in zip(named[-1], few, strict=True)]
    explainers = [plain(row.shown) for row in section.rows]
    shared = [own[0] for n, own in enumerate(columns) if n not in kept and own[0]]
    shortened = [*([] if alone else [columns[n] for n in kept]), explainers]
    left = [text for own in shortened for text in dropped(own)]
    return Groups(
        parts=[HEADS[n] for n in kept],
        explainers=brief(explainers),
        names=list(map(list, zip(*named, strict=True))),
        scores=[_scores(group, section) for group in order],
        shared=shared,
        dropped=list(dict.fromkeys(left)),
    )


def in_order(section: Section) -> list[str]:
    """Return a section's groups in the natural order of what they are called: `omi-2` before
    `omi-10`.
    """
    groups = list(section.groups)
    names = zip(*map(brief, _columns(section, groups)), strict=True)
    keys = {group: list(map(natural, own)) for group, own in zip(groups, names, strict=True)}
    return sorted(groups, key=keys.__getitem__)


def _columns(section: Section, groups: Sequence[str]) -> list[list[str]]:
    """Return the parts of groups' names, in a column for each kind of part."""
    places = (section.place(group) for group in groups)
    parts = [[plain(pathless(part)) for part in own] for own in zip(*places, strict=True)]
    return parts or [[]]


def natural(text: str) -> list[tuple[bool, int, str]]:
    """Return what orders texts as people do.

    >>> sorted(["omi-10", "omi-2", "b", "omi"], key=natural)
    ['b', 'omi', 'omi-2', 'omi-10']
    """
    parts = ((part, part.lstrip("0")) for part in re.split(r"([0-9]+)", text) if part)
    numbers = ((re.fullmatch("[0-9]+", part), part, bare) for part, bare in parts)
    return [(True, len(bare), bare) if one else (False, 0, part) for one, part, bare in numbers]


def _scores(group: str, section: Section) -> list[Cell]:
    """Return what the rows score in a group; the best explainers are strong."""
    top = best(group, section)
    return [
        Cell(figures.of_group(row.by_group.get(group)), row.explainer in top)
        for row in section.rows
    ]


def best(group: str, section: Section) -> list[str]:
    """Return the explainers of which none has a better score in a group, as scores are shown."""
    own = {
        row.explainer: round(row.by_group[group][0], DIGITS)
        for row in section.rows
        if row.role == "explainer" and group in row.by_group
    }
    top = (max if section.higher else min)(own.values(), default=None)
    return [name for name, score in own.items() if score == top]
