"""What pages cost, beside the reading of what they show: a ratio in one run."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

import aexbench
from aexbench.publishing import publish
from aexbench.running import planning
from aexbench.running.store import Store
from aexbench.running.workspace import Workspace
from tests.benchmarks.test_engine import SUITE

LEAST = 10_000
AXES: dict[str, Any] = {
    "name": "pages",
    "datasets": ["wine", "breast-cancer", "digits", "linear-autoencoder"],
    "corruptions": ["null", "random", "adversarial", "swap", "inward"],
    "explainers": [f"residual[nsamples={n + 50}]" for n in range(22)],
    "seeds": 23,
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of ten thousand cells, all of which have come to the same."""
    folder = tmp_path_factory.mktemp("pages")
    one = SUITE | {"explainers": ["residual"]}
    aexbench.run(one, folder / "one")
    suite = planning.from_values(SUITE | AXES, "pages")
    made, first = Store(folder / "store", create=True), Store(folder / "one")
    cells = planning.plan(suite, Workspace(first).kind)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)  # nobody needs it after a crash
        made.write_plan(suite.model_dump(), cells)
        _fill(made, first, cells)
    return made.root


def _fill(made: Store, first: Store, cells: list[Any]) -> None:
    record = next(r for r in first.records()[0] if r.role == "explainer")
    for cell in cells:
        role = planning.role(cell.explainer)
        made.write_record(record.model_copy(update={"cell": cell, "role": role}))
        keys = {"attributions": cell.key, "scores": cell.key, "anomalies": cell.anomaly_key}
        for name, key in keys.items():
            own = record.cell.anomaly_key if name == "anomalies" else record.cell.key
            if not made.path(name, key).exists():
                made.path(name, key).hardlink_to(first.path(name, own))


@pytest.mark.slow
def test_pages_cost_a_few_times_the_reading_of_the_records(store, tmp_path):
    pytest.importorskip("vl_convert")
    times = []
    paths = sorted((store / "cells").glob("*.json"))
    for number in range(2):
        start = time.process_time()
        for path in paths:
            json.loads(path.read_bytes())
        middle = time.process_time()
        publish([store], tmp_path / str(number))
        times.append((middle - start, time.process_time() - middle))
    reading, publishing = (min(values) for values in zip(*times, strict=True))
    ratio = publishing / reading
    print(
        f"\npages of {len(paths):,} cells: {publishing:.1f} s, {ratio:.1f} times the reading and "
        "parsing of their records"
    )
    assert len(paths) >= LEAST
    assert ratio < 30
