"""Carry published records over to the keys of raised versions: `python -m tests.carry_over NAME…`

Only where the raise changes none of their figures, as where it concerns other parameters: whoever
calls this says so.
"""

from __future__ import annotations

import sys
from pathlib import Path

from aexbench.running import packed, planning
from aexbench.running.cells import Cell
from aexbench.running.packed import Packed

RESULTS = Path(__file__).parents[1] / "results"
COUNTED = ("version", "text")  # of a component; what it is stands in the rest


def carry_over(name: str) -> int:
    """Give the packed records of a suite the cells that are planned today; return their number."""
    root = RESULTS / name
    store, table = Packed(root), packed.ScoreTable.read(root / packed.SCORES)
    records, complaints = store.records()
    if complaints:
        raise SystemExit(complaints[0])
    planned = {_bare(cell): cell for cell in planning.plan(planning.load(name))}
    new = {record.cell.key: planned[_bare(record.cell)] for record in records}
    sets = {record.cell.anomaly_key: new[record.cell.key].anomaly_key for record in records}
    table.values = {new[key].key: values for key, values in table.values.items()}
    table.sets = {sets[key]: values for key, values in table.sets.items()}
    ((suite, cells),) = store.plans()
    plan = [{"suite": suite, "cells": [new[key].key for key in cells]}]
    moved = [record.model_copy(update={"cell": new[record.cell.key]}) for record in records]
    moved.sort(key=lambda record: record.cell.key)
    packed.write(root, moved, table, plan)
    return len(moved)


def _bare(cell: Cell) -> str:
    """Return what a cell is apart from the versions of its components."""
    return cell.model_copy(
        update={
            name: getattr(cell, name).model_copy(update=dict.fromkeys(COUNTED, ""))
            for name in packed.COMPONENTS
        }
    ).model_dump_json()


if __name__ == "__main__":
    for suite_name in sys.argv[1:]:
        print(f"{suite_name}: {carry_over(suite_name)} records")
