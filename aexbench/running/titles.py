"""Titles: what suites call their entries for people. A store's plans hold them by the keys of
components, so that no key of a cell depends on one, and a store may get its titles later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aexbench.components import TITLE, Component, is_title
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


def joined(one: object, other: object) -> Titles:
    """Return the titles of two plans; those of the first, where both have one."""
    first, second = read(one), read(other)
    found = {axis: {**second[axis], **first[axis]} for axis in AXES}
    return {axis: own for axis, own in found.items() if own}


def read(value: object) -> Titles:
    """Return the titles that a plan holds; nothing of what is none."""
    known: Mapping[Any, Any] = value if isinstance(value, dict) else {}
    return {axis: _texts(known.get(axis)) for axis in AXES}


def _texts(value: object) -> dict[str, str]:
    items = value.items() if isinstance(value, dict) else ()
    return {key: title for key, title in items if is_title(title)}


def of_entry(entry: object) -> str:
    """Return the title of an entry in a plan; nothing where it has none, or what is none."""
    title = entry.get(TITLE) if isinstance(entry, dict) else None
    return str(title) if is_title(title) else ""


def _parts(cells: Iterable[Cell]) -> Iterator[tuple[str, Component]]:
    """Yield the components of cells with their axes, each object once for each axis."""
    seen = set()
    for cell in cells:
        for axis, name in AXES.items():
            part: Component = getattr(cell, name)
            if (axis, id(part)) not in seen:
                seen.add((axis, id(part)))
                yield axis, part


@dataclass(frozen=True)
class Seen:
    """What people see of the components of records: their titles, by what cells call a component
    and its key, or else their texts.
    """

    titles: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def title(self, name: str, part: Component) -> str:
        """Return the title of a component that cells call `name`; nothing where it has none."""
        return self.titles.get((name, part.key), "")

    def of(self, name: str, part: Component) -> str:
        """Return what people see of a component that cells call `name`."""
        return self.title(name, part) or part.text

    def cell(self, cell: Cell) -> str:
        """Return what people see of a cell."""
        return cell.words(self.of)


def of(store: AnyStore, records: Sequence[Record]) -> Seen:
    """Return what people see of the components of records, by the titles that the store's plans
    have for them; a title that would name two has the component's text beside it.
    """
    titles: Titles = {axis: {} for axis in AXES}
    for suite, _ in store.plans():
        for axis, own in read(suite.get("titles")).items():
            titles[axis].update(own)
    parts = {(axis, part.key): part for axis, part in _parts(r.cell for r in records)}
    # versions of one component may share a title: tables number them, as they number its text
    called = {
        (axis, titles[axis].get(key, part.text), part.text) for (axis, key), part in parts.items()
    }
    count = Counter((axis, title) for axis, title, _ in called)
    found = {}
    for (axis, key), part in parts.items():
        if title := titles[axis].get(key):
            twice = count[axis, title] > 1
            found[AXES[axis], key] = f"{title} ({part.text})" if twice else title
    return Seen(found)
