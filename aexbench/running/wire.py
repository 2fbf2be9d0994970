"""Cells on their way to another process: what is registered travels by its name.

A plugin is found again in the registry of the other process, and must be the same one there.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable
from typing import Any, NamedTuple

from aexbench.errors import RequestError
from aexbench.families import FAMILIES
from aexbench.registry import Plugin, Registry
from aexbench.running import references
from aexbench.running.cells import Cell

REGISTRIES: tuple[Registry[Any, Any], ...] = (
    *FAMILIES.values(),
    references.references,
    references.labels,
)


class Name(NamedTuple):
    """What a plugin is known by."""

    family: str
    name: str
    digest: str

    def __str__(self) -> str:
        return f"{self.family} {self.name}"


def name_of(plugin: Plugin[Any]) -> Name:
    """Return what a plugin is known by."""
    return Name(plugin.family, plugin.name, plugin.digest)


def found(name: Name) -> Plugin[Any] | None:
    """Return the plugin that is known by a name in this process, or None."""
    for registry in REGISTRIES:
        if registry.family == name.family and name.name in registry.names():
            plugin = registry.describe(name.name)
            return plugin if name_of(plugin) == name else None
    return None


def names_of(cells: Iterable[Cell]) -> set[Name]:
    """Return what the plugins of cells are known by."""
    parts = (part for cell in cells for part in cell.parts.values())
    plugins = {id(part._plugin): part._plugin for part in parts if part._plugin is not None}
    return {name_of(plugin) for plugin in plugins.values()}


class _Pickler(pickle.Pickler):
    def persistent_id(self, value: object) -> Name | None:
        return name_of(value) if isinstance(value, Plugin) else None


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, name: Any) -> Plugin[Any]:
        plugin = found(Name(*name))
        if plugin is None:
            raise RequestError(f"{Name(*name)} is not known in this process")
        return plugin


def dumps(value: object) -> bytes:
    """Return cells, or what holds some, as bytes for another process of this program."""
    file = io.BytesIO()
    _Pickler(file).dump(value)
    return file.getvalue()


def loads(content: bytes) -> Any:
    """Return what `dumps` was given; RequestError where a plugin is not known here."""
    return _Unpickler(io.BytesIO(content)).load()
