"""What is known of a component: of one that is registered here what it says, of another one what
its records hold.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aexbench import families
from aexbench.components import Component
from aexbench.descriptions import Shown, shown
from aexbench.publishing.grids import Column, Grid, Line, words
from aexbench.registry import Registry
from aexbench.running.references import references

REFERENCES = "references"
NAMES = ("parameter", "here", "usually", "values", "what it does")


@dataclass(frozen=True)
class Known:
    """A component's parts for readers; `registered` is whether it is known here."""

    registered: bool
    text: Sequence[str]
    declared: Mapping[str, str]
    source: str
    example: str
    versions: Sequence[str]
    parameters: Grid | None


def known(family: str, components: Sequence[Component]) -> Known:
    """Return what is known of components of one name and text, of whatever version."""
    first = components[0]
    found = _described(family, first.name)
    versions = sorted({component.version for component in components})
    grid = _parameters(first.parameters, found)
    if found is None:
        said = ["This aexbench does not know it: here is what the results hold."]
        return Known(False, said, {}, "", "", versions, grid)
    paragraphs = [" ".join(part.split()) for part in found.text.split("\n\n")]
    return Known(True, paragraphs, found.declared, found.source, found.example, versions, grid)


def _described(family: str, name: str) -> Shown | None:
    own: Registry[Any, Any] = families.FAMILIES[family]
    for registry in (own, references) if family == "explainers" else (own,):
        if name in registry.names():
            return shown(registry.describe(name))
    return None


def _parameters(values: Mapping[str, Any], found: Shown | None) -> Grid | None:
    """Return the table of parameters: what they are here, and what is known of them."""
    settings = {one.written.partition("=")[0]: one for one in (found.settings if found else ())}
    names = dict.fromkeys([*(name for name in settings if name in values), *values])
    if not names:
        return None
    lines = []
    for name in names:
        said = settings.get(name)
        beside = ["", "", ""]
        if said is not None:
            beside = [said.written.partition("=")[2], said.kind, said.text]
        lines.append(Line(words([name, in_json(values[name]), *beside])))
    columns = [Column(name, words=True) for name in NAMES]
    return Grid("Parameters", columns, lines)


def in_json(value: object) -> str:
    """Return a value as suites write it; a text as it is."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def by_text(components: Iterable[Component]) -> dict[str, list[Component]]:
    """Return different components by their texts."""
    found: dict[str, dict[str, Component]] = {}
    for component in components:
        found.setdefault(component.text, {}).setdefault(component.key, component)
    return {text: list(own.values()) for text, own in found.items()}
