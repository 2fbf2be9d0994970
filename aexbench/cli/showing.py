"""`aexbench show NAME`: all that is known of a component or a suite."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aexbench.cli.listing import describe
from aexbench.cli.shared import Plugins, load_plugins, wrapped
from aexbench.errors import unknown
from aexbench.texts import plain_lines

if TYPE_CHECKING:
    from aexbench.descriptions import Setting
    from aexbench.registry import Plugin
    from aexbench.running.planning import Suite

app = typer.Typer()


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Of any family, or of a suite.")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    plugin: Plugins = None,
) -> None:
    """Show a component or a suite: what it does, parameters, source, an example."""
    from aexbench import families, specs
    from aexbench.running import planning

    load_plugins(plugin)
    base, _ = specs.parse(name)
    registries = families.FAMILIES.values()
    found = [family.describe(base) for family in registries if base in family.names()]
    suites = [planning.load(base)] if base in planning.bundled() else []
    if not found and not suites:
        known = {one for family in registries for one in family.names()}
        raise unknown("name", base, known.union(planning.bundled()))
    if as_json:
        print(json.dumps([*map(_as_json, found), *map(_suite_as_json, suites)], indent=1))
        return
    for component in found:
        _show(component)
    for suite in suites:
        _show_suite(suite)


def _as_json(plugin: Plugin[Any]) -> dict[str, Any]:
    return {"family": plugin.family} | describe(plugin) | {"docstring": plugin.target.__doc__}


def _suite_as_json(suite: Suite) -> dict[str, Any]:
    return {"family": "suite"} | suite.model_dump()


def _show(plugin: Plugin[Any]) -> None:
    from aexbench.descriptions import shown

    parts = shown(plugin)
    typer.secho("\n".join(wrapped(parts.title)), bold=True)
    _paragraphs(parts.text)
    _heading("parameters" if parts.settings else "")
    for setting in parts.settings:
        _show_setting(setting)
    _heading("declared")
    for word, text in parts.declared.items():
        _tell(f"{word}: {text}")
    _section("source", parts.source)
    _section("example", parts.example)
    if parts.code:
        typer.echo()
        for line in plain_lines(parts.code).split("\n"):
            typer.echo("\n".join(wrapped(line.lstrip(), f"  {_indent(line)}", "      ")))
    typer.echo()


def _indent(line: str) -> str:
    return " " * (len(line) - len(line.lstrip()))


def _show_setting(setting: Setting) -> None:
    _tell(f"{setting.written}   ({setting.kind})")
    for line in wrapped(setting.text, " " * 6, " " * 6):
        typer.secho(line, dim=True)


def _show_suite(suite: Suite) -> None:
    """Print a suite: what it is for, its parameters and axes, and how it is run."""
    from aexbench import specs

    typer.secho(f"{suite.name}, a suite", bold=True)
    _paragraphs(f"{suite.description}\n\n{suite.notes}")
    _heading("parameters" if suite.parameters else "")
    for name, value in suite.parameters.items():
        _tell(f"{name}={specs.literal(value)}   ({type(value).__name__})")
    for axis in ("datasets", "detectors", "corruptions", "explainers", "metrics"):
        _heading(axis)
        for entry in getattr(suite, axis):
            _tell(entry if isinstance(entry, str) else json.dumps(entry, ensure_ascii=False))
    _section("seeds", ", ".join(map(str, suite.seed_list)))
    _section("example", f"aexbench run {suite.name}")
    typer.echo()


def _paragraphs(text: str) -> None:
    """Print paragraphs, each in lines as wide as the terminal; lists keep their lines."""
    for paragraph in filter(None, map(str.strip, text.split("\n\n"))):
        for line in _lines(paragraph):
            typer.echo("\n".join(wrapped(line, "  ", "  ")))
        typer.echo()


def _lines(paragraph: str) -> list[str]:
    """Return a paragraph as one line, or the items of a list, one each."""
    lines: list[str] = []
    for line in paragraph.split("\n"):
        new = not lines or line.lstrip().startswith(("- ", "| ", ">>> "))
        if new:
            lines.append(line)
        else:
            lines[-1] += f" {line.strip()}"
    return lines


def _section(title: str, text: str) -> None:
    if text:
        _heading(title)
        _tell(text)


def _heading(title: str) -> None:
    if title:
        typer.secho(f"  {title}", bold=True)


def _tell(text: str) -> None:
    for line in wrapped(text, "    ", "      "):
        typer.echo(line)
