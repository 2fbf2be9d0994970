"""`aexbench run`, `status`, `score`: cells are run, looked at, and scored again."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aexbench.cli.shared import Plugins, StoreFolder, console, load_plugins, print_reasons, say
from aexbench.errors import RequestError, tell
from aexbench.garbage import uncollected
from aexbench.texts import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aexbench.components import Component
    from aexbench.results import Results
    from aexbench.running.cells import Cell

app = typer.Typer()


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
    metric: Annotated[
        list[str] | None, typer.Option("--metric", "-m", help="Replaces the suite's; repeatable.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="A trained model in the place of the suite's detectors: module.py:factory"
            "[weights=FILE], a .pt2 archive, a .onnx file.",
        ),
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="The model's file may run code when it is read.")
    ] = False,
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
        typer.Option(metavar="WHICH", help="Run again: failed, timeout, …, all, times, or 'lrp*'."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Cells that run at once.")] = 1,
    timeout: Annotated[
        float | None, typer.Option(metavar="S", help="Seconds an explainer may take for a cell.")
    ] = None,
    memory: Annotated[
        float | None, typer.Option(metavar="GB", help="Memory its process may hold.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Run cells on a Dask cluster.")
    ] = None,
    in_process: Annotated[
        bool, typer.Option("--in-process", help="Run cells in this process, for a debugger.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say which cells would run, and run none.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress; warnings and errors still.")
    ] = False,
) -> None:
    """Run a suite's matrix, or go on with it: finished cells are not run again."""
    from aexbench.running import matrix
    from aexbench.running.stopping import StoppedError

    load_plugins(plugin, timeout)
    axes = {"explainers": explainer, "datasets": dataset, "corruptions": corruption}
    axes |= {"metrics": metric}
    wanted = matrix.asked(suite, **axes, seeds=seeds, controls=controls, model=model)
    folder = store or matrix.RESULTS / wanted.folder
    if dry_run:
        matrix.check_device(device)
        cells, todo, seconds = matrix.left(wanted, folder, rerun or [], jobs, trust)
        for cell in todo:
            say(str(cell))
        say(f"{len(todo)} of {len(cells)} cells would run, into {folder}")
        say(_expected(seconds, jobs))
        return
    start = time.monotonic()
    try:
        results = matrix.run(
            wanted,
            folder,
            trust=trust,
            device=device,
            rerun=rerun or (),
            jobs=jobs,
            timeout=timeout,
            memory=memory,
            scheduler=scheduler,
            in_process=in_process,
            quiet=quiet,
        )
    except StoppedError as stopped:
        say(str(stopped).replace("The same call", "The same command"))
        raise typer.Exit(128 + stopped.number) from None
    _finish(results, time.monotonic() - start)


def _expected(seconds: float | None, jobs: int) -> str:
    """Return how long a run would take, in words."""
    from aexbench.running.estimate import in_words

    if seconds is None:
        return "How long that takes is not known: the store has no records of such cells."
    at_once = f" with {jobs} at once" if jobs > 1 else ""
    about = f"That would take about {in_words(seconds)}{at_once}, as such cells took before"
    return f"{about}; timing comes on top."


@app.command()
@uncollected()
def status(store: StoreFolder, plugin: Plugins = None) -> None:
    """Show the cells by state, with reasons, and whether their scores are as they should be."""
    from aexbench.running import staleness, titles
    from aexbench.running.packed import Packed, open_store
    from aexbench.running.provenance import other_sources
    from aexbench.running.store import STATES

    load_plugins(plugin)
    opened = open_store(store)
    records, complaints = opened.records()
    stale = [] if isinstance(opened, Packed) else staleness.lacking(opened, records)
    done = {record.cell.key for record in records}
    waiting = [key for key in opened.planned() if key not in done]
    counts = Counter(record.state for record in records)
    for state in STATES:
        if counts[state] or state == "ok":
            say(f"{state:>14}  {counts[state]}")
    say(f"{'not yet run':>14}  {len(waiting)}")
    print_reasons(records, titles.of(opened, records))
    if stale:
        again = f"aexbench score {shlex.quote(str(store))}"
        say(
            f"scores of {counted(len(stale), 'cell')} are stale or lost: {again} derives them again"
        )
    others = other_sources(records)
    if others:
        say(f"made by other source of the same version: {', '.join(others)}")
    for complaint in complaints:
        tell(f"error: {complaint}")
    whole = counts["ok"] == len(records) and not complaints and not waiting and not stale
    raise typer.Exit(0 if whole else 1)


@app.command()
def score(
    store: StoreFolder,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", "-m", help="Such as recall[top=5]; the suites' if left out."),
    ] = None,
    plugin: Plugins = None,
) -> None:
    """Derive the scores that are lacking or stale from stored attributions; no explainer runs. What
    cannot be scored is named, and the rest is scored.
    """
    from aexbench import families
    from aexbench.components import component
    from aexbench.running import execution, likeness
    from aexbench.running.packed import Packed, open_store

    load_plugins(plugin)
    opened = open_store(store)
    asked = [suite.get(k, []) for suite, _ in opened.plans() for k in ("metrics", "curve")]
    planned = [entry for entries in asked for entry in entries]
    entries = metric or planned or ["recall[top=1]", "recall[top=3]"]
    named = [component(families.metrics, entry) for entry in entries]
    metrics = list({made.text: made for made in named}.values())
    records, complaints = opened.records()
    if isinstance(opened, Packed):
        raise opened.lacks("attributions")
    for made in metrics if metric else ():
        _check_asked(made, [record.cell for record in records])
    unscored = execution.rescore(opened, records, metrics)
    uncompared = set(likeness.derive(opened, records)) - set(unscored)
    ok = sum(record.state == "ok" for record in records) - len(unscored)
    for complaint in (*complaints, *unscored, *sorted(uncompared)):
        tell(f"error: {complaint}")
    say(f"{counted(ok, 'cell')} scored by {', '.join(made.text for made in metrics)}")
    say(f"Next: aexbench leaderboard {shlex.quote(str(store))}")
    raise typer.Exit(1 if complaints or unscored or uncompared else 0)


def _check_asked(metric: Component, cells: Sequence[Cell]) -> None:
    """Raise RequestError for a metric that asks the model where no cell holds what it asks."""
    from aexbench.running.probing import fits, probe_of

    if probe_of(metric) is not None and not any(fits(metric, cell) for cell in cells):
        raise RequestError(
            f"{metric.text} asks the model, and no explainer runs here: name it among the metrics "
            "of a suite, and run that"
        )


@app.command()
def prune(
    store: StoreFolder,
    yes: Annotated[bool, typer.Option("--yes", help="Remove them.")] = False,
) -> None:
    """Say what no suite asks for any more, and remove it with --yes."""
    from aexbench.running.packed import Packed, open_store
    from aexbench.running.pruning import obsolete

    opened = open_store(store)
    if isinstance(opened, Packed):
        raise RequestError(f"{store} is packed, and holds only what its suites ask for")
    paths = obsolete(opened)
    cells = [opened.record(path.stem) for path in paths if path.parent.name == "cells"]
    for text in sorted(str(record.cell) for record in cells if record is not None):
        say(text)
    size = sum(path.stat().st_size for path in paths) / 1e6
    say(f"cells that no suite asks for: {len(cells)}; files: {len(paths)}, {size:.1f} MB")
    if not yes and paths:
        say(f"Next: aexbench prune {shlex.quote(str(store))} --yes   # removes them")
    for path in paths if yes else ():
        path.unlink()


def _finish(results: Results, seconds: float) -> None:
    """Print the board, how long it took, what is not ok, and what to type next."""
    from aexbench.board import rendering
    from aexbench.results import Results
    from aexbench.running import titles
    from aexbench.running.estimate import in_words

    store = results.store.root
    ok = sum(record.state == "ok" for record in results.records)
    if ok:
        shown = Results(results.store, metrics=results.metrics)  # with what was asked before
        console().print(rendering.as_rich(shown.board()))
    before = len(results) - results.ran
    from_before = f", {before} of them from before" if before else ""
    took = f"{results.ran} run in {in_words(seconds)}" if results.ran else "nothing was left to run"
    print()
    say(f"{ok} of {len(results)} cells ok{from_before}; {took}; records in {store}")
    print_reasons(results.records, titles.of(results.store, results.records))
    folder = shlex.quote(str(store))
    say(f"Next: aexbench {f'leaderboard {folder} --format markdown' if ok else f'status {folder}'}")
    own = "aexbench run -d 'file[path=rows.csv,label=is_anomaly]'"
    say(f"      {own}   # the same on a table of your own")
    raise typer.Exit(0 if results.complete else 1)
