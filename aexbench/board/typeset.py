"""A board as LaTeX: tables with captions and labels, by the package `booktabs` alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from aexbench.board import layout, wording, worth
from aexbench.board.escaping import latex
from aexbench.board.grouping import grouped
from aexbench.board.ranking import Column, ranking
from aexbench.board.said import Said
from aexbench.board.tables import Cell, folded
from aexbench.errors import plain

if TYPE_CHECKING:
    from aexbench.board.leaderboard import Board
    from aexbench.board.sections import Section

WIDTH = 100  # characters of a page's text, about, in a small type


def as_latex(board: Board) -> str:
    """Return the main tables, those by group, and that of the detectors; what must be known of them
    stands in captions and comments.
    """
    lines = ["% \\usepackage{booktabs}"]
    for number, section in enumerate(board.sections, start=1):
        lines += ["", *_section(section, board, _label(board, number))]
    caption = _text(["The detectors of the board.", *_sentences(wording.DETECTORS)])
    lines += ["", *_floating([worth.detectors(board)], caption, f"{_label(board, 0)}-detectors")]
    return "\n".join([*lines, *(f"% {plain(note)}" for note in board.notes), ""])


def _label(board: Board, number: int) -> str:
    """Return what the tables of a section are referred to by."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", board.title).strip("-") or "board"
    return f"tab:{name}-{number}" if number else f"tab:{name}"


def _section(section: Section, board: Board, label: str) -> Iterator[str]:
    """Yield the main table of a section and its table by group, with their words as comments."""
    above, below = (list(said(section, board)) for said in (wording.above, wording.below))
    card = [one for one in above if one.term == wording.CARD]
    above = [one for one in above if one not in card]
    signs = [one for one in below if one.term in wording.SIGNS]
    title = f"{wording.title(section)}, the best in bold."
    yield from _floating(
        [ranking(section, board)], _text([title, *_sentences([*above, *signs])]), label
    )
    yield from (f"% {plain(str(one))}" for one in [*card, *below] if one not in signs)
    yield ""
    groups = grouped(section)
    tables, key = layout.by_group(groups, WIDTH)
    said = [*wording.groups_above(groups), *wording.groups_below(groups.marks())]
    named = [f"{', '.join(key)}."] if key else []
    text = [f"{board.metrics[section.metric]} by group.", *_sentences(said), *named]
    yield from _floating(tables, _text(text), f"{label}-groups")


def _sentences(said: Iterable[Said]) -> list[str]:
    """Return explanations as sentences."""
    texts = [str(one).removesuffix(".") for one in said]
    return [f"{text[:1].upper()}{text[1:]}." for text in texts]


def _text(sentences: Iterable[str]) -> str:
    return latex(" ".join(sentences))


def _floating(tables: Sequence[Sequence[Column]], caption: str, label: str) -> Iterator[str]:
    """Yield a float with tables one below the other; the caption is escaped."""
    yield from (r"\begin{table}", r"\centering", r"\small")
    yield from (rf"\caption{{{caption}}}", rf"\label{{{label}}}")
    for columns in tables:
        for own in layout.fitted(columns, _name(columns), WIDTH):
            yield from _tabular(own)
            yield r"\par\medskip"
    yield r"\end{table}"


def _name(columns: Sequence[Column]) -> Column:
    """Return the column that names the rows."""
    return next(column for column in columns if column.texts)


def _tabular(columns: Sequence[Column]) -> Iterator[str]:
    """Yield a table, whose long texts stand in lines."""
    widths = layout.spread(columns, WIDTH) or [WIDTH] * len(columns)
    sides = "".join("l" if column.texts else "r" for column in columns)
    yield from (rf"\begin{{tabular}}{{{sides}}}", r"\toprule")
    heads = [Cell(column.head) for column in columns]
    yield _row([_cell(*one, "b") for one in zip(heads, sides, widths, strict=True)])
    yield r"\midrule"
    for cells in zip(*(column.cells for column in columns), strict=True):
        yield _row([_cell(*one, "t") for one in zip(cells, sides, widths, strict=True)])
    yield from (r"\bottomrule", r"\end{tabular}")


def _row(texts: Iterable[str]) -> str:
    return " & ".join(texts) + r" \\"


def _cell(cell: Cell, side: str, width: int, at: str) -> str:
    """Return a cell; one in lines is a small table, which stands at its first or last line."""
    lines = [latex(line) for line in folded(cell.text, width).split("\n")]
    lines = [rf"\textbf{{{line}}}" if cell.strong else line for line in lines]
    if len(lines) == 1:
        return lines[0]
    body = r" \\ ".join(lines)
    return rf"\begin{{tabular}}[{at}]{{@{{}}{side}@{{}}}}{body}\end{{tabular}}"
