"""Plans grow: what a call asks for is added to what its suite has asked for before.

A cell of before goes out of the plan where the same words now mean another one (its data, detector
or anomalies have changed, or the version of a component was raised), and where it was never run.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from aexbench import specs
from aexbench.components import TITLE
from aexbench.errors import RequestError
from aexbench.files import DamagedFileError
from aexbench.loading.places import parse
from aexbench.running import titles
from aexbench.running.cells import Cell
from aexbench.running.planning import AXES
from aexbench.running.store import Store
from aexbench.texts import pathless


def write_grown(store: Store, suite: Mapping[str, Any], cells: Sequence[Cell]) -> None:
    """Write the plan of a suite: these cells, and those of before that still mean what they did."""
    before, earlier = _before(store, str(suite["name"]))
    asked = {cell.key for cell in cells}
    own = {str(cell): cell.key for cell in cells}
    sources = {_source(cell): cell.anomaly_key for cell in cells}
    old = [record.cell for key in before if key not in asked and (record := store.record(key))]
    still = [
        cell
        for cell in old
        if str(cell) not in own and sources.get(_source(cell), cell.anomaly_key) == cell.anomaly_key
    ]
    plan = {**without_folders(suite), "metrics": _metrics(suite, earlier)}
    if found := titles.grown(earlier.get("titles"), cells):
        plan["titles"] = found
    store.write_plan(plan, [*still, *cells])


def _metrics(suite: Mapping[str, Any], earlier: Mapping[str, Any]) -> list[Any]:
    """Return the metrics of a suite and those of before, whatever these were called."""
    given = list(suite.get("metrics", []))
    known = [untitled(metric) for metric in given]
    others = [m for m in earlier.get("metrics", []) if untitled(m) not in known]
    return [*given, *others]


def untitled(entry: Any) -> Any:
    """Return an entry without what it is called; the name alone, where that is all there is.

    >>> untitled({"name": "recall", "top": 2, "title": "found"}), untitled({"name": "recall"})
    ({'name': 'recall', 'top': 2}, 'recall')
    """
    if not isinstance(entry, dict):
        return entry
    found = {key: value for key, value in entry.items() if key != TITLE}
    return found["name"] if found.keys() == {"name"} else found


def without_folders(suite: Mapping[str, Any]) -> dict[str, Any]:
    """Return a suite's values for others' eyes: its entries name files, and not where they lie."""
    found = {name: _named(value) if name in AXES else value for name, value in suite.items()}
    if isinstance(model := suite.get("model"), str):
        found["model"] = parse(model).pathless()
    return found


def _named(value: Any) -> Any:
    """Return an axis, an entry or a parameter with the last part of each path."""
    if isinstance(value, Mapping):
        return {key: _named(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_named(part) for part in value]
    if not isinstance(value, str):
        return value
    if os.path.isabs(value):
        return Path(value).name
    with suppress(RequestError):  # no name with brackets, or one that cannot be read
        name, parameters = specs.parse(value)
        named = _named(parameters)
        return value if named == parameters else specs.write(name, named)
    return pathless(value)


def _before(store: Store, name: str) -> tuple[Iterable[str], Mapping[str, Any]]:
    """Return the keys of a suite's plan and what it says of the suite; nothing where there is none
    that can be read.
    """
    try:
        for suite, cells in store.plans():
            if suite["name"] == name:
                return list(cells), suite
    except DamagedFileError:
        pass
    return [], {}


def _source(cell: Cell) -> tuple[str, str, str, str, int, int]:
    """Return the words for what a cell explains."""
    texts = (cell.dataset.text, cell.detector.text, cell.corruption.text, cell.lineage)
    return (*texts, cell.detector_seed, cell.anomaly_seed)
