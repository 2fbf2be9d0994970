"""From records to the view beside the paper: which parts a store has, and what it lacks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from aexbench.board import leaderboard as boards
from aexbench.board.table import Table
from aexbench.errors import RequestError
from aexbench.paper import claims, costs, figure2, scored, settings, table1
from aexbench.paper.published import TITLE
from aexbench.paper.scored import Block
from aexbench.paper.view import Paper, Part
from aexbench.running.packed import AnyStore
from aexbench.running.store import Record

NO_FIGURE_2 = (
    "no Figure 2: that needs the corruptions null, random or adversarial of a table, with "
    "residual or lrp[preset=paper-tabular] (suite paper-sql)"
)
NO_TABLE_1 = (
    "no Table 1: that needs labels of MVTec's bottles, hazelnuts or transistors, with residual or "
    "lrp[preset=paper-image] in L1 or L2 (suite paper-images)"
)


def paper(store: AnyStore, keys: Collection[str] | None = None) -> Paper:
    """Return a store beside the paper; RequestError where it has neither table nor figure.

    Parameters
    ----------
    store
        Where the records are.
    keys
        Which cells; without them, all that have a record.
    """
    records, complaints = store.records()
    wanted = [record for record in records if keys is None or record.cell.key in keys]
    found = of_records(store, wanted, complaints)
    if not found.parts:
        why = "; ".join(found.lacking)
        raise RequestError(f"{store.root} has nothing to show beside the paper: {why}")
    return found


def of_records(store: AnyStore, records: Sequence[Record], complaints: list[str]) -> Paper:
    """Return records beside the paper; what cannot be read is added to the complaints."""
    ordered = sorted(records, key=boards.by_name)
    table = boards.read_table(store, ordered, None, complaints)
    curves, damages = list(_figure_2(table)), list(_table_1(table))
    lacking = [NO_FIGURE_2] * (not curves) + [NO_TABLE_1] * (not damages)
    return Paper(f"Beside {TITLE}", [*curves, *damages], [*lacking, *complaints])


def _figure_2(table: Table) -> Iterator[Part]:
    """Yield what a store has of Section 4.1."""
    for block in filter(_has_curves, scored.of_corruptions(table)):
        yield figure2.part(block)
        yield costs.part(block)
        yield claims.of_figure_2(block)
        yield settings.of_figure_2(block)


def _has_curves(block: Block) -> bool:
    known = figure2.metrics(block.table).values()
    rows = [key for key, role in figure2.rows(block).values() if role == "explainer"]
    return any(block.has([k], m, [name]) for k in rows for m in known for name in block.groups)


def _table_1(table: Table) -> Iterator[Part]:
    """Yield what a store has of Section 4.2."""
    blocks = [block for block in scored.of_damages(table) if any(table1.keys(block))]
    metric = table1.metric(blocks)
    found = table1.damages(blocks)
    if metric is None or not found:
        return
    yield from table1.parts(found, metric)
    yield claims.of_table_1(found, metric)
    own = [settings.of_table_1(block) for block in dict.fromkeys(d.block for d in found)]
    yield from {tuple(map(tuple, part.lines)): part for part in reversed(own)}.values()
