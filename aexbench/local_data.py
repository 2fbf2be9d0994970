"""Where data that a user has fetched lies: a folder that is named, or the one that `AEXBENCH_DATA` names."""

from __future__ import annotations

import os
from pathlib import Path

from aexbench.errors import RequestError


def folder(root: Path | None, name: str, contains: str) -> Path:
    """Return the folder of a data set: `root`, or `name` in the folder that the environment variable names.

    Parameters
    ----------
    root
        What the user has given; a folder that holds the data set's folder will do as well.
    name
        The data set's own folder, as its publishers call it.
    contains
        What lies in it, by which it is known.

    Raises
    ------
    RequestError
        If it is not there: says what to do.
    """
    places = [root] if root is not None else [Path(value) for value in [os.environ.get("AEXBENCH_DATA")] if value]
    for place in [candidate for start in places for candidate in (start, start / name)]:
        if (place / contains).exists():
            return place
    where = f"{root} holds no {contains}" if root is not None else f"{name} is not here"
    raise RequestError(f"{where}: give root=FOLDER, or set AEXBENCH_DATA to a folder that holds {name}")
