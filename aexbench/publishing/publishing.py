"""From stores to a folder of pages: read each once, say what is in it, write all or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from aexbench.publishing import data, pages, pictures, reading, writing
from aexbench.publishing.links import links
from aexbench.publishing.reading import Reading

DATA = "data"


def publish(stores: Sequence[Path], to: Path) -> Path:
    """Write stores as a folder of pages, and return the first one.

    Parameters
    ----------
    stores
        Folders that `aexbench run` or `pack` wrote. Each has a board of its own: nothing is merged.
    to
        A new or empty folder, or one of an earlier publication.

    Raises
    ------
    RequestError
        If a folder is no store, a store has nothing to rank, or `to` holds anything else.
    """
    writing.check(to)
    readings = [reading.read(store, number) for number, store in enumerate(stores, start=1)]
    return writing.write(to, dict(_contents(readings)))


def _contents(readings: Sequence[Reading]) -> Iterator[tuple[str, bytes]]:
    """Yield all files, by their names in the folder."""
    found = links(readings)
    drawn = pictures.pictures(readings, found)
    yield from drawn.files.items()
    listed: dict[str, list[tuple[str, int]]] = {}
    for one in readings:
        listed[one.slug] = []
        for name, content in data.files(one):
            path = f"{DATA}/{one.slug}/{name}"
            listed[one.slug].append((path, len(content)))
            yield path, content
    yield from pages.pages(readings, found, drawn, listed)
