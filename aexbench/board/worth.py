"""The tables beside a ranking: what the explanations cost, and what the detectors are worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aexbench.board import figures
from aexbench.board.ranking import NAME, Column
from aexbench.board.tables import Cell
from aexbench.errors import plain

if TYPE_CHECKING:
    from aexbench.board.leaderboard import Board
    from aexbench.board.quality import Quality
    from aexbench.board.sections import Row

COSTS = (NAME, "one sample", "samples/s", "preparing", "rows forward", "rows backward")
DETECTORS = ("detector of", "seeds", "error", "ROC-AUC", "AP", "(chance)")


def costs(board: Board) -> list[Column]:
    """Return the columns of what an explanation costs; none where nothing has been counted."""
    rows = {row.explainer: row for section in board.sections for row in section.rows}
    timed = [row for row in rows.values() if row.hardware]
    if all(row.forward_rows is None for row in rows.values()):
        return []
    return columns(COSTS, [_costs(row) for row in timed])


def _costs(row: Row) -> list[str]:
    return [
        row.shown,
        figures.seconds(row.latency_s) + figures.spread(row.latency_spread),
        figures.count(row.samples_per_s),
        figures.seconds(row.prepare_s),
        figures.count(row.forward_rows),
        figures.count(row.backward_rows),
    ]


def detectors(board: Board) -> list[Column]:
    """Return the columns of what the detectors are worth."""
    return columns(DETECTORS, [_detector(quality) for quality in board.detectors])


def _detector(quality: Quality) -> list[str]:
    shown = (quality.error_ratio, quality.roc_auc, quality.average_precision)
    return [
        quality.title,
        str(quality.seeds),
        *map(figures.figure, (*shown, quality.anomalous_share)),
    ]


def columns(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Column]:
    """Return columns of texts, the first of which names the rows."""
    own = [[Cell(plain(row[n])) for row in rows] for n in range(len(heads))]
    return [
        Column(head, cells, texts=n == 0, place=n)
        for n, (head, cells) in enumerate(zip(heads, own, strict=True))
    ]


def lines(shown: Sequence[Column]) -> tuple[list[str], list[list[str]]]:
    """Return columns as heads and rows of texts."""
    rows = zip(*(column.cells for column in shown), strict=True)
    return [column.head for column in shown], [[cell.text for cell in row] for row in rows]
