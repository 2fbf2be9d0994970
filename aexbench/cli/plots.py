"""`aexbench plot`: a store as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aexbench.cli.shared import Plugins, StoreFolder, load_plugins, say

app = typer.Typer()

Kind = Annotated[
    str, typer.Argument(metavar="KIND", help="curves, groups, pareto, ranks or ledger.")
]


@app.command()
def plot(
    kind: Kind,
    store: StoreFolder,
    to: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A name in .svg or .png; KIND.svg, if left out."),
    ] = None,
    metric: Annotated[str | None, typer.Option("--metric", "-m", help="Draw this one.")] = None,
    section: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Sections whose heading holds it, such as labels."),
    ] = None,
    explainer: Annotated[
        list[str] | None, typer.Option("--explainer", "-e", help="These, beside the floors.")
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Groups whose name holds it.")
    ] = None,
    dark: Annotated[bool, typer.Option("--dark", help="On a dark ground.")] = False,
    plugin: Plugins = None,
) -> None:
    """Draw a store: recall curves, scores by group, quality against time, ranks, or lrp's ledger.

    What is unlike stands in parts of its own: labels, corruptions, causes, symptoms.
    """
    from aexbench.errors import unknown
    from aexbench.plotting import drawing, kinds
    from aexbench.plotting.choosing import Wanted
    from aexbench.running.packed import open_store

    if kind not in kinds.KINDS:
        raise unknown("kind of plot", kind, kinds.KINDS)
    path = to or Path(f"{kind}.svg")
    drawing.check_name(path)
    load_plugins(plugin)
    opened = open_store(store)
    wanted = Wanted(metric, section, tuple(explainer or ()), only)
    chart = kinds.plot(opened, kind, wanted, opened.planned() or None, dark)
    say(str(drawing.save(chart, path)))
