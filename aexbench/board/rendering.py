"""A leaderboard as text: Markdown, CSV, JSON, LaTeX, and for a terminal. Every name is escaped for
where it is written.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from aexbench.board import alike, cards, ranking, wording, worth
from aexbench.board.escaping import markdown, markdown_block
from aexbench.board.grouping import grouped
from aexbench.board.said import Said
from aexbench.board.tables import markdown_list, markdown_table
from aexbench.board.terminal import as_rich, as_text
from aexbench.board.tidy import as_csv, as_groups
from aexbench.board.typeset import as_latex

if TYPE_CHECKING:
    from aexbench.board.leaderboard import Board
    from aexbench.board.sections import Section

VERSION = 3  # of the form of boards in files


def as_markdown(board: Board) -> str:
    """Return the board as Markdown tables."""
    parts = [part for section in board.sections for part in _section(section, board)]
    shown = [card for card in board.cards if card.metric == board.primary]
    parts += cards.markdown_parts(shown)
    if counted := worth.costs(board):
        parts += ["What it costs:", markdown_table(*worth.lines(counted)), _said(wording.COST)]
    detectors = markdown_table(*worth.lines(worth.detectors(board)))
    parts += ["The detectors:", detectors, _said(wording.DETECTORS), markdown_list(board.notes)]
    return "\n\n".join([*filter(None, parts), _FORM]) + "\n"


_FORM = f"<!-- aexbench board, version {VERSION} -->"


def _section(section: Section, board: Board) -> Iterator[str]:
    """Yield a section's headline, its table with what that means, and the table by group."""
    yield f"**{markdown_block(wording.title(section))}**"
    yield _said(wording.above(section, board))
    yield markdown_table(ranking.heads(section, board), ranking.lines(section, board))
    yield _said(wording.below(section, board))
    if known := alike.columns(section):
        yield from (f"{alike.TITLE}:", markdown_table(*worth.lines(known)), _said(alike.SAID))
    groups = grouped(section)
    yield f"{markdown_block(board.metrics[section.metric])} by group:"
    yield _said(wording.groups_above(groups))
    yield markdown_table(groups.heads, groups.lines)
    yield _said(wording.groups_below(groups.marks()))


def _said(said: Iterable[Said]) -> str:
    """Return explanations as a list, what they explain in bold."""
    return "\n".join(f"- **{markdown(one.term)}**: {markdown(one.text)}" for one in said)


def as_json(board: Board) -> str:
    """Return the whole board as JSON."""
    sections = [
        dataclasses.asdict(section)
        | {"kind": section.kind._asdict(), "title": wording.title(section)}
        | {"places": {group: place._asdict() for group, place in section.places.items()}}
        | {"said": list(wording.lines(section, board))}
        | {"rows": [dataclasses.asdict(row) | {"note": row.note} for row in section.rows]}
        for section in board.sections
    ]
    values = {"schema_version": VERSION} | dataclasses.asdict(board) | {"sections": sections}
    return json.dumps(values, indent=1) + "\n"


FORMATS: dict[str, Callable[[Board], str]] = {
    "markdown": as_markdown,
    "csv": as_csv,
    "groups": as_groups,
    "json": as_json,
    "latex": as_latex,
}
__all__ = [
    "FORMATS",
    "VERSION",
    "as_csv",
    "as_groups",
    "as_json",
    "as_latex",
    "as_markdown",
    "as_rich",
    "as_text",
]
