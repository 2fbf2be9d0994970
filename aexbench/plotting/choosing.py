"""What of a store is drawn: which sections, which rows of them, and which groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aexbench.board import wording
from aexbench.board.leaderboard import Board
from aexbench.board.sections import CEILING, Row, Section
from aexbench.errors import RequestError, plain, short, unknown
from aexbench.texts import pathless

CHANCE = "chance"  # the engine's reference
SOME = 3  # of many names, in a message


@dataclass(frozen=True)
class Wanted:
    """What is to be drawn; everything, where nothing is said.

    Attributes
    ----------
    metric
        By its name, or its title; the board's first.
    section
        A part of the headings of the sections: `labels`.
    explainers
        Names as the board has them. Floors and references are drawn beside them.
    only
        A part of the names of the groups.
    """

    metric: str | None = None
    section: str | None = None
    explainers: tuple[str, ...] = ()
    only: str | None = None

    def sections(self, found: Sequence[Section]) -> list[Section]:
        """Return those sections that are asked for; RequestError where there is none."""
        titles = [wording.title(section) for section in found]
        asked = (self.section or "").lower()
        kept = [s for s, title in zip(found, titles, strict=True) if asked in title.lower()]
        if not kept:
            raise unknown("section", self.section or "", titles)
        return kept

    def rows(self, found: Sequence[Row]) -> list[Row]:
        """Return those rows that are asked for; RequestError where a name is unknown."""
        known = [row.explainer for row in found if row.role == "explainer"]
        self.check(known)
        asked = self.explainers or known
        return [row for row in found if row.role != "explainer" or row.explainer in asked]

    def check(self, known: Iterable[str]) -> None:
        """Raise RequestError if an explainer is asked for that is not known."""
        names = list(dict.fromkeys(known))
        for name in self.explainers:
            if name not in names:
                raise unknown("explainer of this store", name, names)

    def groups(self, found: Iterable[str]) -> list[str]:
        """Return those groups that are asked for; RequestError where there is none."""
        names = list(found)
        asked = (self.only or "").lower()
        kept = [name for name in names if asked in name.lower()]
        if not kept:
            some = ", ".join(names[:SOME])
            raise RequestError(f"no group's name holds {short(asked)}: they are such as {some}")
        return kept


def level(section: Section, name: str) -> float | None:
    """Return the score of the oracle or of chance, where there is one."""
    for row in section.rows:
        if row.role == "reference" and row.explainer == name:
            return row.scores[section.metric].mean
    return None


def levels(section: Section) -> list[dict[str, object]]:
    """Return what chance reaches, and what the truth does: the dashed lines of a chart."""
    named = {CHANCE: level(section, CHANCE), CEILING: level(section, CEILING)}
    return [{"name": name, "score": mean} for name, mean in named.items() if mean is not None]


def span(section: Section) -> tuple[float, float]:
    """Return from where to where scores are drawn: over all means, and zero."""
    means = [row.scores[section.metric].mean for row in section.rows]
    return min(0.0, *means), max(0.0, *means)


def metric_title(board: Board, section: Section) -> str:
    """Return what a section's scores are, and what is better where that is the lower."""
    title = plain(pathless(board.metrics[section.metric]))
    return title if section.higher else f"{title} (lower is better)"


def heading(board: Board, section: Section) -> str:
    """Return the heading of a section's picture."""
    parts = [part for part in (board.title, wording.title(section)) if part]
    return plain(pathless(": ".join(parts)))
