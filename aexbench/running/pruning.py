"""What a store holds that no suite asks for any more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from aexbench.errors import RequestError
from aexbench.running.store import FOLDERS, Store

OF_CELLS = ("cells", "attributions", "scores", "timings")  # records last to be trusted, first to go


def obsolete(store: Store) -> list[Path]:
    """Return the files of cells that no plan asks for, the anomalies and weights that none of the
    others needs, and damaged files that were set aside; records first.

    Raises
    ------
    RequestError
        If no plan says what is asked for.
    """
    planned = set(store.planned())
    if not planned:
        raise RequestError(f"{store.root} has no plan: nothing says which of its cells are wanted")
    found = [path for folder in OF_CELLS for path in _others(store, folder, planned)]
    records = [store.record(key) for key in planned]
    if None not in records:  # of a cell that is still to run nobody knows what it needs
        cells = [record.cell for record in records if record is not None]
        needed = {
            "anomalies": {cell.anomaly_key for cell in cells},
            "detectors": {cell.detector_key for cell in cells},
        }
        found += [path for folder, keys in needed.items() for path in _others(store, folder, keys)]
    return found + [path for folder in FOLDERS for path in _folder(store, folder, "*.damaged")]


def _others(store: Store, folder: str, keys: set[str]) -> Iterator[Path]:
    """Yield the files of a folder that bear none of some keys."""
    ending = store.path(folder, "x").suffix
    yield from (path for path in _folder(store, folder, f"*{ending}") if path.stem not in keys)


def _folder(store: Store, folder: str, pattern: str) -> list[Path]:
    return sorted(store.path(folder, "x").parent.glob(pattern))
