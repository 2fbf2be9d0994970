"""A board for a terminal, as wide as that is, or for text of a given width."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from aexbench.board import alike, figures, layout, wording
from aexbench.board.grouping import Groups, grouped
from aexbench.board.ranking import Column, ranking
from aexbench.board.said import Said
from aexbench.board.tables import Cell, folded
from aexbench.board.worth import costs, detectors
from aexbench.errors import plain

if TYPE_CHECKING:
    from aexbench.board.leaderboard import Board
    from aexbench.board.sections import Section

MOST_GROUPS = 200  # that a terminal shows


class Shown:
    """A board as `rich` prints it."""

    def __init__(self, board: Board) -> None:
        self.board = board

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        yield from parts(self.board, options.max_width)


def as_rich(board: Board) -> Shown:
    """Return the board for a terminal; it takes the width that it is printed in."""
    return Shown(board)


def as_text(board: Board, width: int = 100) -> str:
    """Return the board as plain text of at most `width` columns."""
    console = Console(width=width, highlight=False, no_color=True)
    with console.capture() as captured:
        console.print(as_rich(board))
    return captured.get()


def parts(board: Board, width: int) -> Iterator[RenderableType]:
    """Yield what stands on a board, from above."""
    if board.title:
        yield Text(plain(board.title), style="bold")
    for section in board.sections:
        yield from _section(section, board, width)
    counted = costs(board)
    if counted:
        yield from headed("What it costs", width)
        yield from _fitted(counted, width)
        yield from _said(wording.COST, width)
    yield from headed("The detectors", width)
    yield from _fitted(detectors(board), width)
    yield from _said(wording.DETECTORS, width)
    yield Text()
    for note in board.notes:
        yield from wrapped(note, width)


def _section(section: Section, board: Board, width: int) -> Iterator[RenderableType]:
    """Yield a section: what ranks, the rows, what that means, and the groups."""
    yield from headed(wording.title(section), width)
    yield from _said(wording.above(section, board), width)
    yield Text()
    dim = [row.rank is None or bool(row.note) for row in section.rows]
    yield from _fitted(ranking(section, board), width, dim)
    yield from _said(wording.below(section, board), width)
    if known := alike.columns(section):
        yield from headed(alike.TITLE, width)
        yield from _fitted(known, width)
        yield from _said(alike.SAID, width)
    yield from headed(f"{board.metrics[section.metric]} by group", width)
    yield from _groups(section, width)


def _fitted(
    columns: Sequence[Column], width: int, dim: Sequence[bool] = ()
) -> Iterator[RenderableType]:
    """Yield columns in as many tables as they take, and an empty line after each."""
    name = next(column for column in columns if column.texts)
    for own in layout.fitted(columns, name, width):
        yield as_table(own, width, dim)
        yield Text()


def _groups(section: Section, width: int) -> Iterator[RenderableType]:
    """Yield the tables by group; none where there are too many to read."""
    groups = grouped(section)
    if len(groups.names) > MOST_GROUPS:
        yield Text(f"{len(groups.names)} groups: --format groups or markdown shows them all.")
        return
    tables, key = layout.by_group(_starred(groups), width)
    yield from _said(wording.groups_above(groups), width)
    yield from wrapped(", ".join(key), width)
    for table in tables:
        yield Text()
        yield as_table(table, width)
    yield Text()
    yield from _said(wording.groups_below(groups.marks(), figures.BEST), width)


def _starred(groups: Groups) -> Groups:
    """Return groups whose best explainers have a sign too: a terminal may know no bold."""
    scores = [
        [Cell(f"{figures.BEST * cell.strong}{cell.text}", cell.strong) for cell in row]
        for row in groups.scores
    ]
    return Groups(groups.parts, groups.explainers, groups.names, scores)


def as_table(columns: Sequence[Column], width: int, dim: Sequence[bool] = ()) -> Table:
    """Return columns as a table, each line of a cell no wider than its column."""
    widths: Sequence[int | None] = layout.spread(columns, width) or [None] * len(columns)
    made = Table(box=None, padding=(0, layout.GAP, 0, 0), pad_edge=False)
    for column, own in zip(columns, widths, strict=True):
        side: Literal["left", "right"] = "left" if column.texts else "right"
        made.add_column(_folded(Cell(column.head), own), justify=side, overflow="fold", width=own)
    for place, cells in enumerate(zip(*(column.cells for column in columns), strict=True)):
        texts = [_folded(cell, own) for cell, own in zip(cells, widths, strict=True)]
        made.add_row(*texts, style="dim" if any(dim[place : place + 1]) else "")
    return made


def _folded(cell: Cell, width: int | None) -> Text:
    text = cell.text if width is None else folded(cell.text, width)
    return Text(text, style="bold" if cell.strong else "")


def headed(title: str, width: int) -> Iterator[RenderableType]:
    """Yield a headline below an empty line."""
    yield Text()
    yield Text("\n".join(textwrap.wrap(plain(title), width)), style="bold")


def _said(said: Iterable[Said], width: int) -> Iterator[RenderableType]:
    """Yield explanations, what they explain first."""
    for one in said:
        for number, line in enumerate(_lines(str(one), width)):
            shown = Text(line)
            if number == 0:
                shown.stylize("bold", 0, len(plain(one.term)))
            yield shown


def wrapped(text: str, width: int) -> Iterator[RenderableType]:
    """Yield a text in lines; further ones are set in."""
    yield from map(Text, _lines(text, width))


def _lines(text: str, width: int) -> list[str]:
    """Return a text in lines; further ones are set in."""
    return textwrap.wrap(plain(text), width, subsequent_indent="  ", break_on_hyphens=False)
