"""The table of a section's rows as texts: what stands in each column, and how much it matters where
there is no room for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from aexbench.board import figures
from aexbench.board.tables import Cell
from aexbench.errors import plain

if TYPE_CHECKING:
    from aexbench.board.leaderboard import Board
    from aexbench.board.sections import Row, Section

NAME, FLOOR = "explainer", "best floor"
LEAST, LEAST_FLOOR = 16, 9  # columns that their texts take, when they are folded


class Column(NamedTuple):
    """A column: its head, a cell for each row, whether it holds texts, to how many columns of a
    terminal these may be folded, and its place among those that a narrow terminal shows, 0 the
    first.
    """

    head: str
    cells: Sequence[Cell]
    texts: bool = False
    least: int = LEAST
    place: int = 0


def ranking(section: Section, board: Board) -> list[Column]:
    """Return the columns of a section's main table, metrics in the order of the board."""
    first = _metric(section.metric, section, board)._replace(place=1)
    others = [_metric(name, section, board) for name in board.metrics if name != section.metric]
    by_title = {one.head: one for one in (first, *others)}
    metrics = [by_title[plain(title)] for title in board.metrics.values()]
    rows = section.rows
    floors = [figures.floor(row, section) for row in rows]
    return [
        _column("#", [figures.rank(row.rank) for row in rows]),
        _column(NAME, [row.shown for row in rows])._replace(texts=True),
        *metrics,
        _column("latency", [figures.seconds(row.latency_s) for row in rows], place=4),
        _column(FLOOR, floors, place=3)._replace(texts=True, least=LEAST_FLOOR),
        _column("gain", [figures.gain(row.gain) for row in rows], place=2),
    ]


def _metric(name: str, section: Section, board: Board) -> Column:
    """Return the column of a metric; the one that ranks has marks and intervals."""
    ranks, place = name == section.metric, 5 + list(board.metrics).index(name)
    cells = [Cell(figures.estimate(row.scores.get(name), ranks)) for row in section.rows]
    if ranks:
        marked = zip(section.rows, cells, strict=True)
        cells = [_marked(cell.text, row, section) for row, cell in marked]
    return Column(plain(board.metrics[name]), cells, place=place)


def _marked(text: str, row: Row, section: Section) -> Cell:
    if row is leader(section):
        return Cell(text, strong=True)
    return Cell(f"{figures.TIED}{text}" if tied(row, section) else text)


def leader(section: Section) -> Row | None:
    """Return the row that ranks first by its mean, if some rank."""
    return next((row for row in section.rows if row.rank is not None), None)


def tied(row: Row, section: Section) -> bool:
    """Whether a row is not surely worse than the first, and not the first itself."""
    return row.rank is not None and row.rank[0] == 1 and row is not leader(section)


def _column(head: str, texts: Sequence[str], place: int = 0) -> Column:
    return Column(head, [Cell(plain(text)) for text in texts], place=place)


def heads(section: Section, board: Board) -> list[str]:
    """Return the heads of the main table."""
    return [column.head for column in ranking(section, board)]


def lines(section: Section, board: Board) -> list[list[Cell]]:
    """Return the rows of the main table."""
    columns = (column.cells for column in ranking(section, board))
    return [list(row) for row in zip(*columns, strict=True)]
