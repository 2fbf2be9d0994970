"""One run, the same run in two halves, and a run of other weights."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import aexbench
from aexbench.board.leaderboard import Board, leaderboard
from aexbench.running import planning
from aexbench.running.packed import open_store, pack
from aexbench.running.store import Store

SUITE = {
    "name": "small",
    "notes": "A suite for tests.",
    "datasets": ["wine"],
    "detectors": ["mlp[widths=[6, 3],epochs=10,learning_rate=0.02,batch_size=16]"],
    "corruptions": ["random[threshold=0.2,count=12]", "null[threshold=0.1,count=8]"],
    "metrics": ["recall[top=1]", "recall[top=3]"],
    "seeds": 2,
    "twins": 1,
}
FIRST, SECOND = ["residual", "lrp"], ["saliency", "input-x-gradient"]
TIMES = ("latency_s", "samples_per_s", "prepare_s", "latency_spread", "hardware")


def run(store: Path, explainers: Sequence[str], **changed: Any) -> None:
    """Run the suite with some explainers."""
    aexbench.run(SUITE | {"explainers": explainers} | changed, store, in_process=True, quiet=True)


def with_other_weights(store: Path) -> None:
    """Put weights into a new store that training does not give: those of other seeds."""
    own, other = (
        {cell.detector_seed: cell.detector_key for cell in _cells(seeds)} for seeds in (2, [7, 8])
    )
    trained = store.with_name("trained")
    if not trained.exists():
        run(trained, ["residual"], seeds=[7, 8], controls=False)
    made = Store(store, create=True)
    for seed in own:
        weights = trained / "detectors" / f"{other[seed + 7]}.safetensors"
        shutil.copy(weights, made.path("detectors", own[seed]))


def _cells(seeds: object) -> list[Any]:
    suite = SUITE | {"explainers": ["residual"], "seeds": seeds}
    return planning.plan(planning.from_values(suite, "small"))


def timeless(board: Board) -> list[Any]:
    """Return what a board says, but for times."""
    unknown = dict.fromkeys(TIMES)
    sections = [
        dataclasses.replace(one, rows=[dataclasses.replace(row, **unknown) for row in one.rows])
        for one in board.sections
    ]
    notes = [note for note in board.notes if not note.startswith("timed on")]
    return [sections, board.title, board.metrics, board.detectors, notes]


def board(store: Path) -> Board:
    """Return the board of a store."""
    return leaderboard(open_store(store))


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of stores: `whole` and its halves `first` and `second`, `other` of other weights,
    and each of them packed.
    """
    home = tmp_path_factory.mktemp("merging")
    run(home / "whole", [*FIRST, *SECOND])
    run(home / "first", FIRST)
    run(home / "second", SECOND)
    with_other_weights(home / "other")
    run(home / "other", SECOND)
    for name in ("whole", "first", "second", "other"):
        pack(Store(home / name), home / f"{name} packed")
    return home


@pytest.fixture
def copied(stores: Path, tmp_path: Path) -> Path:
    """A copy of the folder, to be damaged."""
    return shutil.copytree(stores, tmp_path / "copied")
