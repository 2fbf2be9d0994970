"""The published quickstart as pages, a store whose names are hostile, and one of images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

import aexbench
from aexbench.components import Component
from aexbench.publishing import publish
from aexbench.running import packed
from aexbench.running.packed import Packed, ScoreTable
from aexbench.running.store import Record
from tests.aexbench.conftest import SMALL

RESULTS = Path(aexbench.__file__).parents[1] / "results"
SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(1)>'
FORMULA = '=HYPERLINK("http://evil.example","x")'
TRAVERSAL = "../../../../tmp/evil"
HUGE = "x" * 100_000
HOSTILE = {
    "residual": SCRIPT,
    "repair": TRAVERSAL,
    "lrp[preset=paper-tabular]": FORMULA,
    "deviation": HUGE,
    "digits": IMAGE,
    "random": "]]></svg>{{ 7 * 7 }}\x1b[2J\u202e",
}  # names by those of the quickstart


@pytest.fixture(scope="session")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quickstart's pages."""
    pytest.importorskip("vl_convert")
    folder = tmp_path_factory.mktemp("pages") / "quickstart"
    publish([RESULTS / "quickstart"], folder)
    return folder


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of a quickstart whose names are others' ill will."""
    pytest.importorskip("vl_convert")
    folder = tmp_path_factory.mktemp("hostile")
    store = renamed(Packed(RESULTS / "quickstart"), folder / "store", HOSTILE)
    publish([store], folder / "pages")
    return folder / "pages"


def renamed(store: Packed, to: Path, names: Mapping[str, str]) -> Path:
    """Write a packed store whose components have other names, two seeds of it."""
    found = [record for record in store.records()[0] if record.cell.anomaly_seed < 2]
    table = ScoreTable.of(store, found)
    other = [_renamed(record, names) for record in found]
    pairs = list(zip(found, other, strict=True))
    values = {two.cell.key: table.values[one.cell.key] for one, two in pairs}
    sets = {two.cell.anomaly_key: table.sets[one.cell.anomaly_key] for one, two in pairs}
    suite = {"name": SCRIPT, "description": IMAGE, "notes": f"{SCRIPT} & <b>", "metrics": []}
    plan = {"suite": suite, "cells": [record.cell.key for record in other]}
    packed.write(to, other, ScoreTable(table.metrics, values, sets), [plan])
    return to


def _renamed(record: Record, names: Mapping[str, str]) -> Record:
    parts = {
        family: _called(getattr(record.cell, family), names) for family in ("dataset", "explainer")
    }
    provenance = {**record.provenance, "hardware": {"cpu": SCRIPT}, "commit": IMAGE}
    cell = record.cell.model_copy(update=parts)
    again = json.loads(record.model_copy(update={"provenance": provenance}).model_dump_json())
    return Record.model_validate({**again, "cell": cell.model_dump(mode="json")})


def _called(component: Component, names: Mapping[str, str]) -> Component:
    name = names.get(component.text)
    if name is None:
        return component
    values = {"name": name, "parameters": {name[:50]: name}, "version": name[:50], "text": name}
    return Component(**values)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small store of tables with all that it holds."""
    folder = tmp_path_factory.mktemp("ran")
    (folder / "small.toml").write_text(SMALL + "seeds = 2\n")
    aexbench.run(folder / "small.toml", store=folder / "store")
    return folder / "store"


SQUARES = '''
import numpy as np
from aexbench import Dataset, Features, datasets

@datasets.register("squares", version=1, images=True, licence="MIT")
def squares(*, seed: int = 0):
    """Grey images with a bright square as damage."""
    rng = np.random.default_rng(seed)
    grey = rng.random((90, 1, 1, 1)) * 0.5 + 0.2 + 0.02 * rng.random((90, 1, 16, 16))
    x = np.clip(grey, 0, 1).astype(np.float32)
    truth = np.zeros(x[60:].shape, bool)
    truth[:20, :, 4:8, 6:10] = True
    x[60:][truth] = 1.0
    kinds = np.array(["print"] * 10 + ["hole"] * 10 + ["good"] * 10)
    labels = truth.any(axis=(1, 2, 3))
    net = "conv-transpose[channels=[4, 4],epochs=20,learning_rate=0.02]"
    return Dataset(
        x[:40], x[40:60], x[60:], Features(), labels, truth, net, test_kinds=kinds
    )
'''


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A small store of images with all that it holds."""
    plugin = tmp_path / "squares.py"
    plugin.write_text(SQUARES)
    suite = {
        "name": "pictures",
        "datasets": ["squares"],
        "corruptions": ["labels"],
        "explainers": ["residual", "saliency"],
        "metrics": ["pixel-ap"],
        "controls": False,
    }
    aexbench.run(suite, store=tmp_path / "images", plugins=[plugin], in_process=True)
    return tmp_path / "images"
