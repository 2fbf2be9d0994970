"""The suites of merged stores: plans of one name become one, of all their cells and metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aexbench.merging.reading import Result, Source
from aexbench.running import titles
from aexbench.running.planning import AXES
from aexbench.running.plans import untitled, without_folders

UNPLANNED = "others"  # the suite of cells of stores that have no plan
Plan = dict[str, Any]


def united(sources: Sequence[Source], results: Iterable[Result]) -> list[Plan]:
    """Return the plans of a merged store: suites, and the keys that their cells have there."""
    moved: dict[tuple[str, str], str] = {}
    for result in results:
        moved[str(result.root), result.home.record.cell.key] = result.record.cell.key
    found: dict[str, Plan] = {}
    for source in sources:
        for suite, cells in source.plans or [_whole(source)]:
            keys = [moved.get((str(source.root), key), key) for key in cells]
            plan = {"suite": without_folders(suite), "cells": keys}
            name = suite["name"]
            found[name] = _joined(found[name], plan) if name in found else plan
    return list(found.values())


def _whole(source: Source) -> tuple[dict[str, Any], list[str]]:
    """Return a plan of everything in a store that has none."""
    return {"name": UNPLANNED}, [result.home.record.cell.key for result in source.results]


def _joined(one: Plan, other: Plan) -> Plan:
    cells = list(dict.fromkeys([*one["cells"], *other["cells"]]))
    return {"suite": _suites(one["suite"], other["suite"]), "cells": cells}


def _suites(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return what two stores say of a suite: all entries of its axes, both notes and titles, and of
    the rest what the first says.
    """
    axes = {name: _entries(one, other, name) for name in AXES if name in one or name in other}
    notes = dict.fromkeys(str(suite["notes"]) for suite in (one, other) if suite.get("notes"))
    said: dict[str, Any] = {"notes": "\n".join(notes)} if notes else {}
    if found := titles.joined(one.get("titles"), other.get("titles")):
        said["titles"] = found
    return {**other, **one, **axes, **said}


def _entries(one: Mapping[str, Any], other: Mapping[str, Any], axis: str) -> list[Any]:
    """Return the entries of both, each once, with a title where either has one."""
    own, more = (suite.get(axis) for suite in (one, other))
    found = list(own) if isinstance(own, list) else []
    known = [untitled(entry) for entry in found]
    for entry in more if isinstance(more, list) else []:
        if untitled(entry) not in known:
            found.append(entry)
        elif not titles.of_entry(found[place := known.index(untitled(entry))]):
            found[place] = entry
    return found
