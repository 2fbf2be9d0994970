"""A store as pages need it: read once, its records and its board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aexbench.board import leaderboard as boards
from aexbench.board.leaderboard import Board
from aexbench.publishing.slugs import slug
from aexbench.running import titles
from aexbench.running.packed import AnyStore, open_store
from aexbench.running.plans import without_folders
from aexbench.running.store import Record
from aexbench.running.titles import Seen


@dataclass(frozen=True)
class Reading:
    """What a store holds.

    Attributes
    ----------
    name
        What its board is called.
    slug
        Its name in files and links, another one for each store.
    store
        For what is read later: attributions and anomalies of a few cells.
    records
        Those that its suites ask for; all, where it has no plan.
    board
        Made of these.
    suites
        What has been asked for, without folders.
    seen
        What the board shows of components, their titles.
    datasets
        The texts of data sets by what the board shows of them.
    """

    name: str
    slug: str
    store: AnyStore
    records: Sequence[Record]
    board: Board
    suites: Sequence[Mapping[str, Any]]
    seen: Seen
    datasets: Mapping[str, str]

    def dataset(self, shown: str) -> str:
        """Return the text of a data set by what the board shows of it."""
        return self.datasets.get(shown, shown)


def read(root: Path, number: int = 1) -> Reading:
    """Return what the `number`-th store holds; RequestError where nothing is there to rank."""
    store = open_store(root)
    plans = list(store.plans())
    planned = {key for _, cells in plans for key in cells}
    found, complaints = store.records()
    records = [record for record in found if not planned or record.cell.key in planned]
    board = boards.of_records(store, records, complaints)
    name = board.title or root.name
    suites = [without_folders(suite) for suite, _ in plans]
    seen = titles.of(store, records)
    datasets = {seen.of("dataset", r.cell.dataset): r.cell.dataset.text for r in records}
    return Reading(name, slug(f"{name} {number}"), store, records, board, suites, seen, datasets)
