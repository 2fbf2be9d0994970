"""A small store that tests may damage."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import aexbench
from aexbench import files
from aexbench.running import planning
from aexbench.running.store import Store, file_info
from tests.aexbench.conftest import Cli, Outcome

SUITE = """
name = "faults"
datasets = ["wine"]
detectors = ["mlp[widths=[6, 3],epochs=10,learning_rate=0.02,batch_size=16]"]
corruptions = ["random[threshold=0.2,count=12]"]
explainers = ["residual", "saliency"]
controls = false
"""


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished store of two cells, with a metric that no suite names, beside its suite."""
    home = tmp_path_factory.mktemp("faults")
    (home / "faults.toml").write_text(SUITE)
    suite = str(home / "faults.toml")
    aexbench.run(suite, home / "store", in_process=True)
    metrics = ["recall[top=1]", "recall[top=3]", "recall[top=5]"]
    values = planning.load(suite).model_dump() | {"metrics": metrics}
    aexbench.run(values, home / "store", in_process=True)
    return home


@pytest.fixture
def store(finished: Path, tmp_path: Path) -> Store:
    """A copy to be damaged."""
    shutil.copytree(finished / "store", tmp_path / "store")
    shutil.copy(finished / "faults.toml", tmp_path)
    return Store(tmp_path / "store")


@pytest.fixture
def go_on(store: Store, aexbench_cli: Cli) -> Callable[..., Outcome]:
    """Run the suite again, perhaps with more."""
    suite = store.root.parent / "faults.toml"
    return lambda *more: aexbench_cli("run", suite, "--store", store.root, "--in-process", *more)


def bear(path: Path) -> None:
    """Let the records of the store bear the checksum of a sidecar as it is now."""
    for record in (path.parents[1] / "cells").iterdir():
        values = json.loads(record.read_text())
        if path.parent.name == "anomalies" or record.stem == path.stem:
            values["files"][path.parent.name] = file_info(path).model_dump()
            files.write_json(record, values)
