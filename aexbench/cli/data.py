"""`aexbench data list|get NAME|anomalies SOURCE`: which data sets are here, which can be fetched,
under which licence; and the anomalies of published boards.
"""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aexbench.cli.shared import say
from aexbench.errors import RequestError, plain, tell
from aexbench.texts import counted

if TYPE_CHECKING:
    from aexbench.fetching.downloads import Download, Progress
    from aexbench.registry import Plugin

EVERY_S = 5.0  # between plain lines

app = typer.Typer(
    name="data", help="Data sets: what is here, what can be fetched.", no_args_is_help=True
)

Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugin", metavar="FILE", help="A Python file that registers data sets."),
]


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    plugin: Plugins = None,
) -> None:
    """List the data sets: embedded, here, to be fetched, by hand or your own; size and licence."""
    from aexbench.fetching import local_data

    rows = [_describe(found) for found in _data_sets(plugin)]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    _print_table(rows)
    print()
    say(f"Fetch one: aexbench data get NAME   (into {local_data.data_folder()})")


@app.command("get")
def get(
    name: Annotated[str, typer.Argument(help="Such as smd, or 'openml[table=diabetes]'.")],
    plugin: Plugins = None,
) -> None:
    """Fetch a data set into the data folder; a download that was interrupted goes on where it
    stopped.
    """
    from aexbench import families, specs
    from aexbench.fetching import downloads

    _data_sets(plugin)
    base, given = specs.parse(name)
    found = families.datasets.describe(base)
    download: Download | None = found.declaration.download
    if download is None:
        _say_why_not(found)
        return
    if given or "url" not in download:
        found.validate(given)
    size = downloads.readable(download["size"]) if download["size"] else "size not known before"
    say(f"{base}: {size}; licence: {found.declaration.licence}; {download['page']}")
    try:
        _get(name, found, download)
    except downloads.DownloadError as error:
        tell(f"error: {error}")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        tell("stopped. The same command goes on from here.")
        raise typer.Exit(1) from None


@app.command("anomalies")
def anomalies(
    source: Annotated[
        str, typer.Argument(help="The folder or address of a board's anomalies.json.")
    ],
    to: Annotated[Path, typer.Option(help="The store that they are put into.")],
) -> None:
    """Fetch the anomalies and weights of a published board into a store: a run into it explains
    what the board explains.
    """
    from aexbench.fetching.downloads import DownloadError
    from aexbench.merging.taking import take

    try:
        with _progress() as progress:
            count = take(source, to, progress)
    except DownloadError as error:
        tell(f"error: {error}")
        raise typer.Exit(1) from None
    say(f"{counted(count, 'anomaly set')} and the weights that they are of are in {to}")
    say(f"Next: aexbench run SUITE -e mine --plugin mine.py --store {shlex.quote(str(to))}")


def _get(name: str, plugin: Plugin[Any], download: Download) -> None:
    """Fetch a data set and say where it is, and what to type next."""
    from aexbench import families
    from aexbench.fetching import downloads

    if "url" not in download:
        with downloads.fetching():
            families.datasets.create(name)
        say(f"{name} is here now.")
    else:
        with _progress() as progress:
            fetched = downloads.fetch(download, progress)
        if not fetched.known:
            say(
                "Its checksum was not known; the next time it must be the same: SHA-256 "
                f"{fetched.sha256}"
            )
        say(f"{plugin.name} is here: {fetched.folder}")
    say(f"Next: aexbench run -d '{name}'")


def _data_sets(plugin_files: list[Path] | None) -> list[Plugin[Any]]:
    from aexbench import families

    for path in plugin_files or []:
        families.load_plugin(path)
    return [families.datasets.describe(name) for name in families.datasets.names()]


def _say_why_not(plugin: Plugin[Any]) -> None:
    if _needs(plugin):
        raise RequestError(
            f"{plugin.name} is for data of your own: write {plugin.name}[{_needs(plugin)[0]}=...]"
        )
    say(f"{plugin.name} needs no download. Next: aexbench run -d {plugin.name}")


def _needs(plugin: Plugin[Any]) -> list[str]:
    """Return the parameters without which the data set cannot be made: those that
    name your data.
    """
    from aexbench.signatures import REQUIRED

    return [
        parameter.name for parameter in plugin.parameters.values() if parameter.default is REQUIRED
    ]


def _describe(plugin: Plugin[Any]) -> dict[str, Any]:
    """Return what the list says of a data set; `size` in bytes: on this disk if it is here, else of
    the download.
    """
    from aexbench.fetching import downloads

    download: Download | None = plugin.declaration.download
    folder = downloads.find(download) if download else None
    size = _size(folder) if folder else download["size"] if download else 0
    described = {
        "name": plugin.name,
        "state": "here" if folder else _absent(plugin),
        "size": size or None,
        "licence": plugin.declaration.licence,
    }
    place = {"folder": str(folder)} if folder else {}
    return (
        described
        | place
        | {"summary": plugin.summary}
        | ({"download": download} if download else {})
    )


def _absent(plugin: Plugin[Any]) -> str:
    """Return how one gets at data that are not on this disk."""
    download: Download | None = plugin.declaration.download
    if download is not None:
        return "by hand" if download.get("by_hand") else "to be fetched"
    return "your own" if _needs(plugin) else "embedded"


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from aexbench.fetching.downloads import readable

    table = Table(box=None, pad_edge=False)
    for title in ("data set", "state", "size", "licence"):
        table.add_column(
            title, justify="right" if title == "size" else "left", no_wrap=title == "size"
        )
    for row in rows:
        size = readable(row["size"]) if row["size"] else "–"
        table.add_row(escape(plain(row["name"])), row["state"], size, escape(plain(row["licence"])))
    Console(highlight=False).print(table)


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show a bar on a terminal, and plain lines elsewhere; both on the error stream."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(bar_width=20),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, progress.TaskID] = {}

        def show(text: str, done: int, total: int) -> None:
            if text not in tasks:
                tasks[text] = bars.add_task(text, total=None)
            bars.update(tasks[text], completed=done, total=total or None)

        yield show


def _lines() -> Progress:
    from aexbench.fetching.downloads import readable

    last = time.monotonic()

    def show(text: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY_S:
            last = time.monotonic()
            whole = f" of {readable(total)}" if total else ""
            tell(f"{text}: {readable(done)}{whole}")

    return show
