"""Tables as data: what stands in a cell, what sorts it, and what is said where one points at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LETTER, MOST_LETTERS, SIGN = 0.5, 26, 1.4  # of an upright name: rem, letters of a line, rem


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes
    ----------
    text
        What is shown.
    order
        What its column is sorted by, where that is not the text.
    hint
        The figure in full, for whom points at it.
    link
        A page of this folder.
    shade
        From 0, the worst of a table, to 1, the best; None where it is no score.
    strong
        Whether nothing beside it is better.
    """

    text: str
    order: float | None = None
    hint: str = ""
    link: str = ""
    shade: float | None = None
    strong: bool = False


@dataclass(frozen=True)
class Column:
    """A column: of words, at the left, or of figures; `explainer` is whose it is."""

    name: str
    words: bool = False
    explainer: str = ""
    link: str = ""


@dataclass(frozen=True)
class Line:
    """A row; what it is about is what filters choose by."""

    cells: Sequence[Cell]
    dataset: str = ""
    corruption: str = ""
    explainer: str = ""


@dataclass(frozen=True)
class Grid:
    """A table whose first `heads` cells name each row; `upright` names of columns are narrow."""

    caption: str
    columns: Sequence[Column]
    lines: Sequence[Line]
    heads: int = 1
    upright: bool = False

    @property
    def head(self) -> float:
        """The height of upright names (rem): long ones take several lines."""
        longest = max(len(column.name) for column in self.columns)
        return round(LETTER * min(longest, MOST_LETTERS) + SIGN, 2)


def words(texts: Sequence[str]) -> list[Cell]:
    """Return texts as cells."""
    return [Cell(text) for text in texts]


def plain_grid(caption: str, names: Sequence[str], lines: Sequence[Sequence[str]]) -> Grid:
    """Return texts as a table: the first column of words, the others of figures."""
    columns = [Column(name, words=place == 0) for place, name in enumerate(names)]
    return Grid(caption, columns, [Line(words(texts)) for texts in lines])
