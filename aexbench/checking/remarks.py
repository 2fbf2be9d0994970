"""What an author may want to know beside the rules: no failures, but what others will miss."""

from __future__ import annotations

from typing import Any, NamedTuple

from aexbench.declarations import DatasetDeclaration
from aexbench.docstrings import described
from aexbench.registry import Plugin
from aexbench.signatures import Parameter


class Remark(NamedTuple):
    """What is missing, and the line that adds it."""

    text: str
    line: str


def remarks(plugin: Plugin[Any]) -> list[Remark]:
    """Return what a component does not say of itself.

    Examples
    --------
    >>> from aexbench import families
    >>> remarks(families.metrics.describe("recall"))
    []
    """
    own = [p for p in plugin.parameters.values() if p.part_of is None]
    return [*_declared(plugin), *_documented(plugin, own), *_typed(own)]


def _declared(plugin: Plugin[Any]) -> list[Remark]:
    found = []
    if plugin.declaration.version is None:
        text = "no version: results are known by the source, so that every edit renames them"
        found.append(Remark(text, f'register("{plugin.name}", …, version=1)'))
    unstated = DatasetDeclaration.licence
    if getattr(plugin.declaration, "licence", "") == unstated:
        found.append(
            Remark("no licence of the data", f'register("{plugin.name}", …, licence="CC BY 4.0")')
        )
    return found


def _documented(plugin: Plugin[Any], own: list[Parameter]) -> list[Remark]:
    if not plugin.summary:
        return [Remark("no docstring: lists show its first sentence", '"""Return …."""')]
    known = described(plugin.target.__doc__)
    silent = [p.name for p in own if p.name not in known]
    if not silent:
        return []
    text = f"nothing is said of {', '.join(silent)}"
    return [Remark(text, f'a section "Parameters" in the docstring: {silent[0]}, what it does')]


def _typed(own: list[Parameter]) -> list[Remark]:
    """Return a remark on parameters whose values nobody can check."""
    free = [p.name for p in own if p.annotation is Any]
    if not free:
        return []
    return [Remark(f"no type of {', '.join(free)}: values are not checked", f"{free[0]}: int")]
