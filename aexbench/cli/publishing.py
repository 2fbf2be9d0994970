"""`aexbench publish`: stores as a folder of pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aexbench.cli.shared import Plugins, load_plugins, say

app = typer.Typer()

Stores = Annotated[
    list[Path],
    typer.Argument(metavar="STORE...", help="Folders that `aexbench run` wrote, or packed ones."),
]


@app.command()
def publish(
    stores: Stores,
    to: Annotated[
        Path, typer.Option(metavar="DIR", help="A new folder, or one of an earlier publication.")
    ],
    plugin: Plugins = None,
) -> None:
    """Write stores as pages that a web server or a double click shows: a board for each store.

    The pages need no network and no JavaScript. The same stores give the same pages.
    """
    from aexbench.publishing import publish as published

    load_plugins(plugin)
    say(str(published(stores, to)))
