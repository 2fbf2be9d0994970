"""How alike each map is to that of a detector that knows nothing: a table of its own, and columns.

It stands where a run has derived it (`running.likeness`): the mean over samples of the rank
correlation of an explainer's attributions with those of each of its controls. A map that is alike
does not come from what was learned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aexbench.board import figures, worth
from aexbench.board import table as tables
from aexbench.board.ranking import NAME, Column
from aexbench.board.said import Said
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
TITLE = "How alike each map is to that of a detector that knows nothing, or without the error"
SAID = (
    Said("initial, permuted twin", "the same network with untrained, and with shuffled weights"),
    Said("loss-ablated", "the trained detector, whose error map is the same everywhere"),
    Said("1", "features stand in the same order: the map needs neither training nor error"),
    Said(
        "0",
        "the one order says nothing of the other (Spearman by sample, mean over samples): the map "
        "depends on it, which does not say that it is right",
    ),
    Said("–", "one of both maps is the same everywhere, and has no order"),
)


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


def columns(section: Section) -> list[Column]:
    """Return the columns of the explainers of which something is known; none where nothing is."""
    rows = [[row.shown, *_shown(row)] for row in section.rows if row.alike]
    return worth.columns((NAME, *CONTROLS.values()), rows) if rows else []


def _shown(row: Row) -> list[str]:
    """Return an explainer's figures; nothing where a control lacks, or cannot be."""
    return [figures.figure(row.alike[name]) if name in row.alike else "" for name in CONTROLS]


def flat(row: Row) -> Mapping[str, float | None]:
    """Return the columns that a table of figures has of it."""
    return {f"alike {control}": value for control, value in row.alike.items()}
