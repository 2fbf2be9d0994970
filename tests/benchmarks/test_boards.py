"""What `status`, `leaderboard` and `score` cost on a store of ten thousand cells, beside what they
cannot do without: every record read, and parsed by `json.loads`. Ratios in one run, medians.

Commands run in this process, once before they count: what their imports take does not depend on the
store. `score` leaves out the waiting for the disk, which is a matter of the disk.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable

import numpy as np
import pytest

from aexbench.cli import app
from aexbench.running.store import Store
from tests.benchmarks import stores
from tests.explainers.memory import AnonymousMemory

ROUNDS = 3
TRIES = 3  # on a busy machine; measured on a quiet one: 2.3 and 7


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return stores.large(tmp_path_factory.mktemp("large") / "store")


def run(*command: object) -> None:
    """Run a command to its end."""
    assert not app([str(word) for word in command], standalone_mode=False)


def ratio(store: Store, call: Callable[[], None]) -> float:
    """Return how many times the reading and parsing of a store's records a call takes."""
    folder, times = store.root / "cells", np.empty((ROUNDS, 2))
    call()
    for row in times:
        start = time.perf_counter()
        for path in sorted(folder.glob("*.json")):
            json.loads(path.read_bytes())
        middle = time.perf_counter()
        call()
        row[:] = middle - start, time.perf_counter() - middle
    reading, seconds = np.median(times, axis=0)
    print(f"\n{seconds:.1f} s, {seconds / reading:.1f} times the reading of the records")
    return float(seconds / reading)


@pytest.mark.slow
@pytest.mark.parametrize(("command", "most"), [("status", 3), ("leaderboard", 10)])
def test_a_look_at_a_store_costs_a_few_times_the_reading_of_its_records(store, command, most):
    assert len(store.keys()) > 10_000
    tries = (ratio(store, lambda: run(command, store.root)) for _ in range(TRIES))
    assert any(found <= most for found in tries)


@pytest.mark.slow
def test_scoring_costs_a_few_times_the_reading_of_the_records(store, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    with AnonymousMemory() as seen:
        assert ratio(store, lambda: run("score", store.root)) <= 20  # nothing is lacking
        tops = iter(range(4, 10))
        another = ratio(store, lambda: run("score", store.root, "-m", f"recall[top={next(tops)}]"))
    print(f"one metric more: {another:.1f} times; {seen.added / 1e6:.0f} MB")
    assert another <= 40  # wanted: 20
    assert seen.added < 500e6
