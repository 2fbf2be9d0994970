"""How alike each map is to that of a detector that knows nothing: a table of its own, and columns.

It stands where a run has derived it (`running.likeness`): the mean over samples of the rank
correlation of an explainer's attributions with those of each of its controls. A map that is alike
does not come from what was learned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table as RichTable
from rich.text import Text

from aexbench.board import table as tables
from aexbench.board.tables import folded, markdown_table
from aexbench.errors import plain
from aexbench.running import likeness
from aexbench.running.store import Likeness

if TYPE_CHECKING:
    from aexbench.board.sections import Row, Section

CONTROLS = {
    "initial": "initial twin",
    "permuted": "permuted twin",
    "loss-ablated": "loss-ablated",
}
COLUMNS = tuple(f"alike {control}" for control in CONTROLS)
TITLE = "How alike each map is to that of a detector that knows nothing"
SAID = (
    "1: its features stand in the same order; 0: the one order says nothing of the other (Spearman "
    "by sample, the mean over samples). –: one of both is the same everywhere, and has no order."
)
NAME_WIDTH = 40  # of a terminal of 80 columns


def means(table: tables.Table, name: str, kind: tables.Kind) -> dict[str, float | None]:
    """Return by control how alike an explainer's maps of one kind of anomalies are, where that is
    known; None where no sample has two maps with an order.
    """
    found = {control: _known(table, name, control, kind) for control in CONTROLS}
    return {control: _mean(known) for control, known in found.items() if known}


def _known(table: tables.Table, name: str, control: str, kind: tables.Kind) -> list[Likeness]:
    """Return what is known of a control's records."""
    trained = {likeness.place(record): record for record in table.records[name]}
    records = table.controlled.get((name, control), [])
    pairs = [(one, trained.get(likeness.place(one))) for one in records if tables.kind(one) == kind]
    return [own for one, other in pairs if other and (own := likeness.of(one, other))]


def _mean(known: Sequence[Likeness]) -> float | None:
    """Return the mean over all samples that have a correlation; None where none has."""
    samples = sum(own.samples for own in known)
    total = sum(own.mean * own.samples for own in known if own.mean is not None)
    return total / samples if samples else None


def texts(section: Section) -> tuple[list[str], list[list[str]]]:
    """Return headers and rows of the explainers of which something is known."""
    rows = [[plain(row.explainer), *_shown(row)] for row in section.rows if row.alike]
    return ["explainer", *CONTROLS.values()], rows


def _shown(row: Row) -> list[str]:
    """Return an explainer's figures; nothing where a control lacks, or cannot be."""
    return [_figure(row.alike[name]) if name in row.alike else "" for name in CONTROLS]


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def rich_parts(section: Section) -> Iterator[RenderableType]:
    """Yield the table for a terminal, if there is something in it."""
    names, lines = texts(section)
    if not lines:
        return
    table = RichTable(title=TITLE, title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column(names[0], overflow="fold", max_width=NAME_WIDTH)
    for name in names[1:]:
        table.add_column(name, justify="right")
    for own in lines:
        table.add_row(*(escape(folded(text, NAME_WIDTH)) for text in own))
    yield from (table, Text(SAID), Text())


def markdown_parts(section: Section) -> Iterator[str]:
    """Yield the table in Markdown, if there is something in it."""
    names, lines = texts(section)
    if lines:
        yield from (f"{TITLE}:", markdown_table(names, lines), SAID)


def flat(row: Row) -> Mapping[str, float | None]:
    """Return the columns that a table of figures has of it."""
    return {f"alike {control}": value for control, value in row.alike.items()}
