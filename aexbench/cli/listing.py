"""`aexbench list`: what there is, with parameters and their defaults."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aexbench.cli.shared import Plugins, load_plugins, wrapped
from aexbench.errors import plain, unknown

if TYPE_CHECKING:
    from aexbench.registry import Plugin

app = typer.Typer()


@app.command("list")
def list_(
    family: Annotated[
        str | None,
        typer.Argument(help="explainers, datasets, corruptions, metrics, autoencoders or suites."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    plugin: Plugins = None,
) -> None:
    """List what there is, with parameters and their defaults."""
    from aexbench import families

    load_plugins(plugin)
    registries = families.FAMILIES
    if family is not None and family not in (*registries, "suites"):
        raise unknown("family", family, [*registries, "suites"])
    listing: dict[str, list[dict[str, Any]]] = {
        name: [describe(registry.describe(n)) for n in registry.names()]
        for name, registry in registries.items()
        if family in (None, name)
    }
    if family in (None, "suites"):
        listing["suites"] = _suites()
    if as_json:
        print(json.dumps(listing if family is None else listing[family], indent=1))
        return
    for name, rows in listing.items():
        _print_listing(name, rows)


def _suites() -> list[dict[str, Any]]:
    from aexbench.running import planning

    suites = [planning.load(name) for name in planning.bundled()]
    return [
        {
            "name": suite.name,
            "summary": suite.description,
            "parameters": {
                name: {"type": type(value).__name__, "default": value}
                for name, value in suite.parameters.items()
            },
        }
        for suite in suites
    ]


def describe(plugin: Plugin[Any]) -> dict[str, Any]:
    """Return what is known of a component, for programs."""
    from aexbench.signatures import REQUIRED

    parameters = {
        p.name: {"type": p.type_name}
        | ({} if p.default is REQUIRED else {"default": _json(p.default)})
        for p in plugin.parameters.values()
    }
    declared = {f.name: getattr(plugin.declaration, f.name) for f in fields(plugin.declaration)}
    shown = {k: value for k, value in declared.items() if value and not callable(value)}
    described = {
        "name": plugin.name,
        "summary": plugin.summary,
        "source": plugin.source,
        "parameters": parameters,
    }
    return described | {k: value for k, value in shown.items() if k not in parameters}


def _json(value: Any) -> Any:
    if isinstance(value, list | tuple | set | frozenset):
        return [_json(item) for item in value]
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)


def _print_listing(family: str, rows: list[dict[str, Any]]) -> None:
    """Print names, summaries and settings, as wide as the terminal."""
    typer.secho(family, bold=True)
    for row in rows:
        settings = ", ".join(
            f"{name}={json.dumps(p['default'])}" if "default" in p else f"{name} (needed)"
            for name, p in row["parameters"].items()
        )
        typer.echo(f"  {plain(row['name'])}")
        for text, dim in ((row["summary"], True), (settings, False)):
            for line in wrapped(text, " " * 6, " " * 6):
                typer.secho(line, dim=dim)
