"""A board as a notebook shows it: tables in HTML, and what must be known of them beneath."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aexbench.board import cards, rendering, wording
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
    return f"{ranked[0].explainer}, first of {len(ranked)} by {by}: {score:.2f}"


def as_html(board: Board) -> str:
    """Return the board as HTML without colours, script or styles of its own but for alignment."""
    parts = [part for section in board.sections for part in _section(section, board)]
    shown = [card for card in board.cards if card.metric == board.primary]
    for card in shown:
        parts += [table(cards.title(card), cards.HEADERS, cards.lines(card))]
        parts += [items(cards.notes(card))]
    parts += [items(cards.LEGEND)] if shown else []
    names, costs = rendering.costs_table(board)
    parts += [table("What it costs", names, costs)] if costs else []
    parts += [table("The detectors", *rendering.detectors_table(board))]
    return f"<div>{''.join(parts)}{items(rendering.legend(board))}</div>"


def _section(section: Section, board: Board) -> Iterator[str]:
    """Yield a section's table, its words and its table by group."""
    names = rendering.headers(board)
    rows = [rendering.line(row, section, board) for row in section.rows]
    yield table(wording.title(section), names, rows, left=(1, len(names) - 2))
    yield items(wording.lines(section, board))
    yield table(f"{board.metrics[section.metric]} by group", *rendering.groups_table(section))
