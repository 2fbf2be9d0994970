"""`aexbench leaderboard`, `validity`, `gallery`: what people look at."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aexbench.cli.shared import Plugins, StoreFolder, console, load_plugins, say
from aexbench.errors import RequestError, tell, unknown
from aexbench.garbage import uncollected

if TYPE_CHECKING:
    from aexbench.running.packed import AnyStore

app = typer.Typer()
FORMATS = (
    "table, markdown, csv, groups (CSV, by group), json or latex; paper or paper-markdown: beside "
    "the paper's Table 1, Figure 2 and claims."
)
PAPER = ("paper", "paper-markdown")


@app.command()
@uncollected()
def leaderboard(
    store: StoreFolder,
    format: Annotated[str, typer.Option(help=FORMATS)] = "table",
    metric: Annotated[str | None, typer.Option("--metric", "-m", help="Rank by this one.")] = None,
    by: Annotated[
        str | None, typer.Option(help="Split groups by alarm, gain, deviation or feature.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also cells that no suite asks for any more.")
    ] = False,
    plugin: Plugins = None,
) -> None:
    """Rank the explainers of a store, beside their floors."""
    from aexbench.board import leaderboard as boards
    from aexbench.board import rendering
    from aexbench.running.packed import open_store

    if format not in ("table", *PAPER, *rendering.FORMATS):
        raise unknown("format", format, ["table", *PAPER, *rendering.FORMATS])
    load_plugins(plugin)
    opened = open_store(store)
    planned = opened.planned()
    shown = None if everything or not planned else planned
    if format in PAPER:
        if metric is not None or by is not None:
            raise RequestError(f"{format} has the paper's metrics: leave out --metric and --by")
        _show_paper(opened, shown, format)
        return
    board = boards.leaderboard(opened, metric, shown, by)
    if hidden := len(set(opened.keys()) - planned.keys()) if shown else 0:
        what = "1 cell" if hidden == 1 else f"{hidden} cells"
        said = f"{what} that no suite asks for any more: --all shows, prune removes"
        board = replace(board, notes=[*board.notes, said])
    if format == "table":
        console().print(rendering.as_rich(board))
    else:
        sys.stdout.write(rendering.FORMATS[format](board))


def _show_paper(store: AnyStore, keys: Collection[str] | None, format: str) -> None:
    """Print a store beside the paper."""
    from aexbench.paper import paper, rendering

    found = paper.paper(store, keys)
    if format == "paper":
        console().print(rendering.Shown(found))
    else:
        sys.stdout.write(rendering.as_markdown(found))


@app.command()
def validity(
    store: StoreFolder,
    metric: Annotated[
        str | None, typer.Option("--metric", "-m", help="By this one; by each, if left out.")
    ] = None,
    dataset: Annotated[
        list[str] | None, typer.Option("--dataset", "-d", help="On these data sets alone.")
    ] = None,
    format: Annotated[str, typer.Option(help="table, markdown or json.")] = "table",
    plugin: Plugins = None,
) -> None:
    """Show what ranking by corruptions has been seen to predict of the ranking by labels."""
    from aexbench.board import cards
    from aexbench.board import leaderboard as boards
    from aexbench.running.packed import open_store

    if format not in ("table", *cards.FORMATS):
        raise unknown("format", format, ["table", *cards.FORMATS])
    load_plugins(plugin)
    opened = open_store(store)
    found, complaints = boards.cards(opened, metric, opened.planned() or None, dataset)
    for complaint in complaints:
        tell(complaint)
    if format == "table":
        console().print(cards.as_rich(found))
    else:
        sys.stdout.write(cards.FORMATS[format](found))


@app.command()
def gallery(
    store: StoreFolder,
    to: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("gallery"),
    explainer: Annotated[
        list[str] | None, typer.Option("--explainer", "-e", help="A column of the pictures.")
    ] = None,
    per_label: Annotated[int, typer.Option(min=1, help="Samples of each kind of damage.")] = 3,
) -> None:
    """Draw what explainers point at: heat maps of images, bars of rows, with the truth marked."""
    from aexbench.board import gallery as galleries
    from aexbench.running.packed import open_store

    for path in galleries.gallery(open_store(store), to, explainer or [], per_label):
        say(str(path))


@app.command()
def pack(
    store: StoreFolder,
    to: Annotated[Path, typer.Option(help="The folder to write into.")],
    anomalies: Annotated[
        bool,
        typer.Option("--anomalies", help="Also what others need to add to the board, in a zip."),
    ] = False,
) -> None:
    """Write a finished store as a few files, with its board: to publish, or to keep in git."""
    from aexbench.merging import archive
    from aexbench.running import packed

    for path in archive.write(packed.open_store(store), to) if anomalies else ():
        say(str(path))
    for path in packed.pack(packed.open_store(store), to):
        say(str(path))
    write_board(to)


def write_board(folder: Path) -> None:
    """Write the board of a packed store beside it, and say where."""
    from aexbench.board import leaderboard as boards
    from aexbench.board import rendering
    from aexbench.files import write_bytes
    from aexbench.running import packed

    board = boards.leaderboard(packed.open_store(folder))
    for name, render in (("board.md", rendering.as_markdown), ("board.json", rendering.as_json)):
        write_bytes(folder / name, render(board).encode())
        say(str(folder / name))
