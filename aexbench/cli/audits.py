"""`aexbench audit`: which explainer to trust on a detector that somebody has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from aexbench.cli.answers import (
    Data,
    Loss,
    Model,
    Output,
    Trust,
    data_set,
    is_own,
    which_output,
)
from aexbench.cli.shared import Plugins, console, load_plugins, say
from aexbench.errors import RequestError, short

NAME = "aexbench-audit"  # of the files that an audit is written to
UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}

app = typer.Typer()


@app.command()
def audit(
    model: Model,
    data: Data,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A line for each row of DATA: columns called like features, 0 or 1, or one column "
            "that says which rows are anomalous; unit names their incidents.",
        ),
    ] = None,
    budget: Annotated[str, typer.Option(help="For the explainers: 90s, 5m, 1h.")] = "5m",
    explainer: Annotated[
        list[str] | None,
        typer.Option("--explainer", "-e", help="One more that is tried; repeatable."),
    ] = None,
    to: Annotated[
        Path, typer.Option(metavar="DIR", help=f"Where {NAME}.json and {NAME}.html go.")
    ] = Path("."),
    store: Annotated[
        Path | None, typer.Option(help="What was measured; in aexbench-results if left out.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Cells that run at once.")] = 1,
    trust: Trust = False,
    loss: Loss = None,
    output: Output = None,
    plugin: Plugins = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Say which explainer to trust on a detector of yours, how sure that is, and what it costs.

    Exit codes: 0, or 1 where the detector is not worth explaining.
    """
    seconds, own = budget_seconds(budget), is_own(model, loss, output, trust)
    load_plugins(plugin)
    from aexbench.auditing import named

    options = {"loss": loss, "output": which_output(output)}
    given = tuple((name, value) for name, value in options.items() if value is not None)
    rows = data_set(data, scaled=own, labels=labels)
    asked = named.Asked(
        model, rows, seconds, trust, given, tuple(explainer or ()), jobs, store, quiet
    )
    found = named.audit_own(asked) if own else named.audit_named(asked)
    console().print(found.rich(console().width))
    paths = [found.save(to / f"{NAME}{ending}") for ending in (".json", ".html")]
    print()
    say(f"written: {', '.join(map(str, paths))}")
    raise typer.Exit(0 if found.explainer else 1)


def budget_seconds(text: str) -> float:
    """Return a time in seconds.

    >>> budget_seconds("90"), budget_seconds("5m"), budget_seconds("1.5h")
    (90.0, 300.0, 5400.0)
    """
    match = re.fullmatch(r"\s*([0-9]{1,9}(?:\.[0-9]+)?)\s*([smh]?)\s*", text)
    if match is None:
        raise RequestError(f"budget is a time such as 90s, 5m or 1h, not {short(text)}")
    return float(match[1]) * UNITS[match[2]]
