"""A board as a notebook shows it: tables in HTML, and what must be known of them beneath."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from aexbench.board import cards, ranking, wording, worth
from aexbench.board.grouping import grouped
from aexbench.board.tables import Cell
from aexbench.showing import Summary, items, table

if TYPE_CHECKING:
    from aexbench.board.leaderboard import Board
    from aexbench.board.sections import Section


def summary(board: Board) -> Summary:
    """Return which explainer leads each section."""
    facts = {_short(section): _leader(section, board) for section in board.sections}
    facts["print(board)"] = "shows ranks, floors, groups and notes"
    return Summary(f"Board of {board.title}" if board.title else "Board", facts)


def _short(section: Section) -> str:
    kind = section.kind
    return f"{kind.origin}, {kind.truth}" if kind.truth else kind.origin


def _leader(section: Section, board: Board) -> str:
    ranked = [row for row in section.rows if row.rank is not None]
    if not ranked:
        return "no explainer is ranked"
    score = ranked[0].scores[section.metric].mean
    by = board.metrics[section.metric]
    return f"{ranked[0].shown}, first of {len(ranked)} by {by}: {score:z.2f}"


def as_html(board: Board) -> str:
    """Return the board as HTML without colours, script or styles of its own but for alignment and
    weight.
    """
    parts = [part for section in board.sections for part in _section(section, board)]
    shown = [card for card in board.cards if card.metric == board.primary]
    for card in shown:
        parts += [table(cards.title(card), cards.HEADERS, cards.lines(card))]
        parts += [items(cards.notes(card))]
    parts += [items(cards.LEGEND)] if shown else []
    if counted := worth.costs(board):
        parts += [table("What it costs", *worth.lines(counted)), items(map(str, wording.COST))]
    parts += [table("The detectors", *worth.lines(worth.detectors(board)))]
    parts += [items(map(str, wording.DETECTORS)), items(board.notes)]
    return f"<div>{''.join(parts)}</div>"


def _section(section: Section, board: Board) -> Iterator[str]:
    """Yield a section's table and its table by group, each with its words."""
    names, rows = ranking.heads(section, board), ranking.lines(section, board)
    yield items(map(str, wording.above(section, board)))
    yield table(wording.title(section), names, _texts(rows), (1, len(names) - 2), _strong(rows))
    yield items(map(str, wording.below(section, board)))
    groups = grouped(section)
    title, left = f"{board.metrics[section.metric]} by group", range(len(groups.parts))
    yield items(map(str, wording.groups_above(groups)))
    yield table(title, groups.heads, _texts(groups.lines), left, _strong(groups.lines))
    yield items(map(str, wording.groups_below(groups.marks())))


def _texts(rows: Sequence[Sequence[str | Cell]]) -> list[list[str]]:
    return [[cell if isinstance(cell, str) else cell.text for cell in row] for row in rows]


def _strong(rows: Sequence[Sequence[str | Cell]]) -> set[tuple[int, int]]:
    """Return the places of strong cells: row and column."""
    places = ((n, m, cell) for n, row in enumerate(rows) for m, cell in enumerate(row))
    return {(n, m) for n, m, cell in places if isinstance(cell, Cell) and cell.strong}
