"""The command line. Imports what a command needs when it runs, so that `--help` answers at once.

Exit codes: 0 all cells ok, 1 some cells not ok, 2 the request was wrong.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aexbench.cli import data as data_command
from aexbench.errors import RequestError, SkipError, plain, unknown

if TYPE_CHECKING:
    from aexbench.running.planning import Suite
    from aexbench.running.store import Record, Store

app = typer.Typer(
    name="aexbench",
    help="Which explainer of an autoencoder's anomalies can be trusted, on which data, "
    "at what cost?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)
app.add_typer(data_command.app)

Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugin", metavar="FILE", help="A Python file that registers components."),
]
StoreFolder = Annotated[
    Path, typer.Argument(metavar="STORE", help="The folder that `aexbench run` wrote.")
]


def main() -> None:
    """Run the command line; a wrong request is one line on the error stream, and exit code 2."""
    warnings.showwarning = _show_warning
    try:
        app()
    except (RequestError, SkipError) as error:
        print(f"error: {plain(str(error))}", file=sys.stderr)
        sys.exit(2)
    except PermissionError as error:
        print(f"error: no permission: {error.filename}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        sys.stderr.close()
        sys.exit(1)


@app.callback()
def _options() -> None:
    """Which explainer of an autoencoder's anomalies can be trusted, on which data, at what cost?"""


@app.command()
def run(
    suite: Annotated[str, typer.Argument(help="A suite's name, or a TOML file.")] = "quickstart",
    explainer: Annotated[
        list[str] | None,
        typer.Option("--explainer", "-e", help="Replaces the suite's; repeatable."),
    ] = None,
    dataset: Annotated[
        list[str] | None, typer.Option("--dataset", "-d", help="Replaces the suite's; repeatable.")
    ] = None,
    corruption: Annotated[
        list[str] | None,
        typer.Option("--corruption", "-c", help="Replaces the suite's; repeatable."),
    ] = None,
    plugin: Plugins = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds 0 … N−1.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    store: Annotated[
        Path | None, typer.Option(help="Where results go; aexbench-results/SUITE if left out.")
    ] = None,
    controls: Annotated[
        bool, typer.Option("--controls/--no-controls", help="Untrained twins, floors, references.")
    ] = True,
    rerun: Annotated[
        list[str] | None,
        typer.Option(metavar="STATE", help="Run cells in this state again: failed, skipped, …"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say which cells would run, and run none.")
    ] = False,
) -> None:
    """Run a suite's matrix, or go on with it: finished cells are not run again."""
    from aexbench import families
    from aexbench.running import planning

    for path in plugin or []:
        families.load_plugin(path)
    wanted = _with_options(
        planning.load(suite),
        explainers=explainer,
        datasets=dataset,
        corruptions=corruption,
        seeds=seeds,
        controls=None if controls else False,
    )
    _run(
        wanted,
        store or Path("aexbench-results") / wanted.name,
        device,
        _states(rerun or []),
        dry_run,
    )


@app.command()
def status(store: StoreFolder) -> None:
    """Show the cells by state, with reasons."""
    from aexbench.running.store import STATES, Store

    opened = Store(store)
    records, complaints = opened.records()
    done = {record.cell.key for record in records}
    waiting = [key for key in opened.planned() if key not in done]
    counts = Counter(record.state for record in records)
    for state in STATES:
        if counts[state] or state == "ok":
            print(f"{state:>14}  {counts[state]}")
    print(f"{'not yet run':>14}  {len(waiting)}")
    _print_reasons(records)
    for complaint in complaints:
        print(f"error: {plain(complaint)}", file=sys.stderr)
    raise typer.Exit(0 if counts["ok"] == len(records) and not complaints and not waiting else 1)


@app.command()
def score(
    store: StoreFolder,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", "-m", help="Such as recall[top=5]; the suites' if left out."),
    ] = None,
    plugin: Plugins = None,
) -> None:
    """Derive scores again from stored attributions; no explainer runs."""
    from aexbench import families
    from aexbench.running import execution
    from aexbench.running.cells import component
    from aexbench.running.store import Store

    for path in plugin or []:
        families.load_plugin(path)
    opened = Store(store)
    planned = [entry for suite, _ in opened.plans() for entry in suite.get("metrics", [])]
    entries = metric or planned or ["recall[top=1]", "recall[top=3]"]
    metrics = list(
        {
            made.text: made for made in (component(families.metrics, entry) for entry in entries)
        }.values()
    )
    records, complaints = opened.records()
    if complaints:
        raise RequestError(complaints[0])
    execution.rescore(opened, records, metrics)
    ok = sum(record.state == "ok" for record in records)
    print(f"{ok} cells scored by {', '.join(made.text for made in metrics)}")
    print(f"Next: aexbench leaderboard {store}")


@app.command()
def leaderboard(
    store: StoreFolder,
    format: Annotated[str, typer.Option(help="table, markdown, csv, json or latex.")] = "table",
    metric: Annotated[str | None, typer.Option("--metric", "-m", help="Rank by this one.")] = None,
    by: Annotated[
        str | None, typer.Option(help="Split groups by gain, deviation or feature.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also cells that no suite asks for any more.")
    ] = False,
) -> None:
    """Rank the explainers of a store, beside their floors."""
    from aexbench.board import leaderboard as boards
    from aexbench.board import rendering
    from aexbench.running.store import Store

    if format not in ("table", *rendering.FORMATS):
        raise unknown("format", format, ["table", *rendering.FORMATS])
    opened = Store(store)
    planned = opened.planned()
    board = boards.leaderboard(opened, metric, None if everything or not planned else planned, by)
    if format == "table":
        _console().print(rendering.as_rich(board))
    else:
        sys.stdout.write(rendering.FORMATS[format](board))


@app.command()
def gallery(
    store: StoreFolder,
    to: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("gallery"),
    explainer: Annotated[
        list[str] | None, typer.Option("--explainer", "-e", help="A column of the pictures.")
    ] = None,
    per_label: Annotated[int, typer.Option(min=1, help="Samples of each kind of damage.")] = 3,
) -> None:
    """Draw heat maps of a store of images, with the true damage outlined."""
    from aexbench.board import gallery as galleries
    from aexbench.running.store import Store

    for path in galleries.gallery(Store(store), to, explainer or [], per_label):
        print(path)


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
    from aexbench.autoencoders import autoencoders
    from aexbench.running import planning

    for path in plugin or []:
        families.load_plugin(path)
    registries = {**families.FAMILIES, "autoencoders": autoencoders}
    if family is not None and family not in (*registries, "suites"):
        raise unknown("family", family, [*registries, "suites"])
    listing: dict[str, list[dict[str, Any]]] = {
        name: [_describe(registry.describe(n)) for n in registry.names()]
        for name, registry in registries.items()
        if family in (None, name)
    }
    if family in (None, "suites"):
        suites = [planning.load(name) for name in planning.bundled()]
        listing["suites"] = [
            {"name": s.name, "summary": s.description, "parameters": {}} for s in suites
        ]
    if as_json:
        print(json.dumps(listing if family is None else listing[family], indent=1))
        return
    for name, rows in listing.items():
        _print_listing(name, rows)


def _run(suite: Suite, folder: Path, device: str, rerun: frozenset[Any], dry_run: bool) -> None:
    from aexbench.cli.progress import progress
    from aexbench.running import execution, planning
    from aexbench.running.store import Store

    _check_device(device)
    cells, metrics = planning.plan(suite), planning.metric_components(suite)
    if dry_run:
        exists = (folder / "cells").is_dir()
        todo = execution.pending(cells, Store(folder), rerun) if exists else cells
        for cell in todo:
            print(cell)
        print(f"{len(todo)} of {len(cells)} cells would run, into {folder}")
        return
    store = Store(folder, create=True)
    todo = execution.pending(cells, store, rerun)
    try:
        with progress(len(todo)) as show:
            workspace = execution.Workspace(store, device, show.say)
            execution.preflight(todo, workspace)
            store.write_plan(suite.model_dump(mode="json"), cells)
            for _ in execution.run(todo, metrics, workspace):
                show.advance()
    except KeyboardInterrupt:
        left = len(execution.pending(cells, store))
        print(
            f"stopped; {len(cells) - left} of {len(cells)} cells are finished. The same command "
            "goes on from here."
        )
        raise typer.Exit(1) from None
    execution.rescore(store, _lacking(store, cells, metrics), metrics)
    _finish(store, [cell.key for cell in cells], ran=len(todo))


def _lacking(store: Store, cells: list[Any], metrics: list[Any]) -> list[Record]:
    """Return the finished records that lack a metric: the suite has gained it since
    they were run.
    """
    records = (store.record(cell.key) for cell in cells)
    wanted = {metric.text for metric in metrics}
    return [
        record
        for record in records
        if record is not None and record.state == "ok" and wanted - set(record.scores)
    ]


def _finish(store: Store, keys: list[str], ran: int) -> None:
    """Print the board, what is not ok, and what to type next."""
    from aexbench.board import leaderboard as boards
    from aexbench.board import rendering

    records = [record for key in keys if (record := store.record(key)) is not None]
    ok = sum(record.state == "ok" for record in records)
    if ok:
        _console().print(rendering.as_rich(boards.leaderboard(store, keys=set(keys))))
    before = f", {len(keys) - ran} of them from before" if ran < len(keys) else ""
    print(f"\n{ok} of {len(keys)} cells ok{before}; records in {store.root}")
    _print_reasons(records)
    first = (
        f"aexbench leaderboard {store.root} --format markdown"
        if ok
        else f"aexbench status {store.root}"
    )
    print(f"Next: {first}")
    print(
        "      aexbench run -d 'file[path=rows.csv,label=is_anomaly]'   # the same on a table of "
        "your own"
    )
    raise typer.Exit(0 if ok == len(keys) else 1)


def _with_options(suite: Suite, **options: Any) -> Suite:
    """Return the suite with those axes replaced that the command line names; its notes go with its
    own axes.
    """
    from aexbench.running import planning

    given = {name: value for name, value in options.items() if value not in (None, [])}
    if given.keys() & {"datasets", "corruptions"}:
        given["notes"] = ""
    return planning.from_values({**suite.model_dump(), **given}, suite.name)


def _states(names: list[str]) -> frozenset[Any]:
    from aexbench.running.store import STATES

    for name in names:
        if name not in STATES:
            raise unknown("state", name, STATES)
    return frozenset(names)


def _check_device(device: str) -> None:
    import torch

    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise unknown("device", device, ["cpu", "cuda"]) from None
    if kind not in ("cpu", "cuda"):
        raise unknown("device", device, ["cpu", "cuda"])
    if kind == "cuda" and not torch.cuda.is_available():
        raise RequestError("there is no CUDA device here: leave --device out, or use --device cpu")


def _print_reasons(records: list[Record]) -> None:
    """Print why cells are not ok, each reason once with its number of cells."""
    reasons = Counter((record.state, record.reason) for record in records if record.state != "ok")
    for (state, reason), count in reasons.most_common():
        example = next(str(r.cell) for r in records if (r.state, r.reason) == (state, reason))
        print(
            plain(
                f"{state}: {reason} ({count} {'cell' if count == 1 else 'cells'}, such as "
                f"{example})"
            )
        )


def _describe(plugin: Any) -> dict[str, Any]:
    from aexbench.registry import REQUIRED

    parameters = {
        p.name: {"type": p.type_name}
        | ({} if p.default is REQUIRED else {"default": _json(p.default)})
        for p in plugin.parameters.values()
    }
    declared = {
        name: value for name, value in plugin.declaration.items() if value and not callable(value)
    }
    described = {
        "name": plugin.name,
        "summary": plugin.summary,
        "source": plugin.source,
        "parameters": parameters,
    }
    return described | declared


def _json(value: Any) -> Any:
    if isinstance(value, list | tuple | set | frozenset):
        return [_json(item) for item in value]
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)


def _print_listing(family: str, rows: list[dict[str, Any]]) -> None:
    from rich.markup import escape
    from rich.padding import Padding

    console = _console()
    console.print(f"[bold]{family}[/bold]")
    for row in rows:
        console.print(f"  {escape(row['name'])}")
        console.print(Padding(escape(row["summary"]), (0, 0, 0, 6)), style="dim")
        settings = ", ".join(
            f"{name}={json.dumps(p['default'])}" if "default" in p else f"{name} (needed)"
            for name, p in row["parameters"].items()
        )
        if settings:
            console.print(Padding(escape(settings), (0, 0, 0, 6)), highlight=False)


def _console() -> Any:
    from rich.console import Console

    return Console(highlight=False)


def _show_warning(
    message: Any,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: Any = None,
) -> None:
    print(f"warning: {message}", file=sys.stderr)
