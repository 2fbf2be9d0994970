"""The view beside the paper for a terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from aexbench.board import layout, terminal
from aexbench.board.escaping import markdown_block
from aexbench.board.ranking import Column
from aexbench.board.tables import Cell, markdown_list, markdown_table
from aexbench.errors import plain
from aexbench.paper.view import Paper, Part

LEAST = 12  # columns of a terminal that a text takes where it is folded


class Shown:
    """The view as `rich` prints it."""

    def __init__(self, paper: Paper) -> None:
        self.paper = paper

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        width = options.max_width
        yield from terminal.wrapped(self.paper.title, width)
        for part in self.paper.parts:
            yield from _part(part, width)
        yield Text()
        for said in self.paper.lacking:
            yield from terminal.wrapped(said, width)


def _part(part: Part, width: int) -> Iterator[RenderableType]:
    yield from terminal.headed(part.title, width)
    yield from _of_texts(part) if part.words == len(part.heads) else _of_figures(part, width)
    for said in part.said:
        yield from terminal.wrapped(said, width)


def _of_texts(part: Part) -> Iterator[RenderableType]:
    """Yield a table of texts alone, whose columns share the width; what stands in its first column
    twice is said once.
    """
    made = Table(box=None, padding=(0, layout.GAP, 0, 0), pad_edge=False)
    for head in part.heads:
        made.add_column(Text(plain(head)), overflow="fold")
    for before, line in zip(([""], *part.lines), part.lines, strict=False):
        first = line[0] if line[0] != before[0] else ""
        made.add_row(*(Text(plain(text)) for text in (first, *line[1:])))
    yield made
    yield Text()


def _of_figures(part: Part, width: int) -> Iterator[RenderableType]:
    """Yield as many tables as the columns take; what names the rows stands in each."""
    columns = [_column(part, place) for place in range(len(part.heads))]
    names = [" ".join(line[: part.words]) for line in part.lines]
    name = Column(" / ".join(part.heads[: part.words]), list(map(Cell, names)), texts=True)
    for own in layout.fitted(columns, name, width):
        yield terminal.as_table(own, width)
        yield Text()


def _column(part: Part, place: int) -> Column:
    cells = [Cell(plain(line[place])) for line in part.lines]
    names = place < part.words
    return Column(plain(part.heads[place]), cells, names, LEAST, 0 if names else place)


def as_markdown(paper: Paper) -> str:
    """Return the view as Markdown tables."""
    parts = [f"**{markdown_block(paper.title)}**"]
    for part in paper.parts:
        parts += [f"**{markdown_block(part.title)}**", markdown_table(part.heads, part.lines)]
        parts += [markdown_list(part.said)] if part.said else []
    parts += [markdown_list(paper.lacking)] if paper.lacking else []
    return "\n\n".join(parts) + "\n"
