"""Plans grow: what a call asks for is added to what its suite has asked for before.

A cell of before goes out of the plan where the same words now mean another one (its data, detector
or anomalies have changed, or the version of a component was raised), and where it was never run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aexbench.files import DamagedFileError
from aexbench.running.cells import Cell
from aexbench.running.store import Store


def write_grown(store: Store, suite: Mapping[str, Any], cells: Sequence[Cell]) -> None:
    """Write the plan of a suite: these cells, and those of before that still mean what they did."""
    before, metrics = _before(store, str(suite["name"]))
    asked = {cell.key for cell in cells}
    own = {str(cell): cell.key for cell in cells}
    sources = {_source(cell): cell.anomaly_key for cell in cells}
    old = [record.cell for key in before if key not in asked and (record := store.record(key))]
    still = [
        cell
        for cell in old
        if str(cell) not in own and sources.get(_source(cell), cell.anomaly_key) == cell.anomaly_key
    ]
    given = suite.get("metrics", [])
    merged = [*given, *(metric for metric in metrics if metric not in given)]
    store.write_plan({**suite, "metrics": merged}, [*still, *cells])


def _before(store: Store, name: str) -> tuple[Iterable[str], list[Any]]:
    """Return the keys and the metrics of a suite's plan; none where there is none that can be
    read.
    """
    try:
        for suite, cells in store.plans():
            if suite["name"] == name:
                return list(cells), list(suite.get("metrics", []))
    except DamagedFileError:
        pass
    return [], []


def _source(cell: Cell) -> tuple[str, str, str, int, int]:
    """Return the words for what a cell explains."""
    texts = (cell.dataset.text, cell.detector.text, cell.corruption.text)
    return (*texts, cell.detector_seed, cell.anomaly_seed)
