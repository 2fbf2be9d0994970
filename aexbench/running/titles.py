"""Titles: what suites call their entries for people. A store's plans hold them by the keys of
components, so that no key of a cell depends on one, and a store may get its titles later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aexbench.components import Component
from aexbench.running.cells import Cell

if TYPE_CHECKING:
    from aexbench.running.packed import AnyStore
    from aexbench.running.store import Record

Titles = dict[str, dict[str, str]]  # by axis and component's key
AXES = {
    "datasets": "dataset",
    "detectors": "detector",
    "corruptions": "corruption",
    "explainers": "explainer",
}
"""Of cells, with what a cell calls its component there; metrics keep theirs in their entries."""


def grown(before: object, cells: Iterable[Cell]) -> Titles:
    """Return the titles of a plan: those of before, but of what is asked for now those of now."""
    found = read(before)
    for axis, part in _parts(cells):
        found[axis].pop(part.key, None)
        if part.title:
            found[axis][part.key] = part.title
    return {axis: own for axis, own in found.items() if own}


def read(value: object) -> Titles:
    """Return the titles that a plan holds; nothing of what is none."""
    known: Mapping[Any, Any] = value if isinstance(value, dict) else {}
    return {axis: _texts(known.get(axis)) for axis in AXES}


def _texts(value: object) -> dict[str, str]:
    items = value.items() if isinstance(value, dict) else ()
    return {key: title for key, title in items if isinstance(title, str) and title}


def _parts(cells: Iterable[Cell]) -> Iterator[tuple[str, Component]]:
    """Yield the components of cells with their axes, each object once."""
    seen = set()
    for cell in cells:
        for axis, name in AXES.items():
            part: Component = getattr(cell, name)
            if id(part) not in seen:
                seen.add(id(part))
                yield axis, part


def give(store: AnyStore, records: Sequence[Record]) -> None:
    """Give the components of records the titles that the store's plans have for them, and those
    of another store that share a component none; a title that would name two has the component's
    text beside it.
    """
    titles: Titles = {axis: {} for axis in AXES}
    for suite, _ in store.plans():
        for axis, own in read(suite.get("titles")).items():
            titles[axis].update(own)
    parts = [(axis, part, part.key) for axis, part in _parts(record.cell for record in records)]
    called = {(axis, key): titles[axis].get(key, part.text) for axis, part, key in parts}
    count = Counter((axis, title) for (axis, _), title in called.items())
    for axis, part, key in parts:
        title = titles[axis].get(key, "")
        twice = bool(title) and count[axis, title] > 1
        part.titled(f"{title} ({part.text})" if twice else title)
