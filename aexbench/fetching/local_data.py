"""Where data that a user has fetched lies: a folder that is named, the one that `AEXBENCH_DATA`
names, the user's own.

`aexbench data get` puts what it fetches into the data folder, and data sets find it there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from aexbench.errors import AbsentError


def places() -> list[Path]:
    """Return where data sets are looked for: the folder that `AEXBENCH_DATA` names, and the user's
    data folder.
    """
    import platformdirs

    named = os.environ.get("AEXBENCH_DATA")
    own = Path(platformdirs.user_data_dir("aexbench", appauthor=False))
    return [Path(named).expanduser(), own] if named else [own]


def data_folder() -> Path:
    """Return where `aexbench data get` puts what it fetches: the first of the places."""
    return places()[0]


def find(starts: Iterable[Path], names: Iterable[str], contains: str) -> Path | None:
    """Return the first folder that holds `contains`: a start itself, or one of these
    names in it.
    """
    candidates = (
        candidate for start in starts for candidate in (start, *(start / name for name in names))
    )
    return next((candidate for candidate in candidates if (candidate / contains).exists()), None)


def folder(
    root: Path | None, names: str | Sequence[str], contains: str, get: str = "", page: str = ""
) -> Path:
    """Return the folder of a data set: `root`, or one of `names` in one of the places where data
    sets are looked for.

    Parameters
    ----------
    root
        What the user has given; a folder that holds the data set's folder will do as well.
    names
        The data set's own folder, as its publishers call it, and what others call it.
    contains
        What lies in it, by which it is known.
    get
        The name by which `aexbench data get` fetches it, if it can.
    page
        Where its publishers have it, if people must fetch it.

    Raises
    ------
    AbsentError
        If it is not there: says what to do.
    """
    own, *others = [names] if isinstance(names, str) else names
    found = find([root] if root is not None else places(), [own, *others], contains)
    if found is not None:
        return found
    where = f"{root} holds no {contains}" if root is not None else f"{own} is not here"
    fetch = f", or fetch it: aexbench data get {get}" if get else ""
    published = f"; it is published at {page}" if page else ""
    raise AbsentError(
        f"{where}: give root=FOLDER, or set AEXBENCH_DATA to a folder that holds "
        f"{own}{fetch}{published}"
    )
