"""Metrics of a curve are scored and stored, and no columns of a board."""

from __future__ import annotations

import aexbench
from aexbench.running.store import Store
from tests.aexbench.conftest import SMALL

CURVE = 'curve = ["recall[top=1]", "recall[top=2]", "recall[top=4]"]\n'


def test_a_curve_is_scored_and_has_no_column(aexbench_cli, tmp_path):
    path, store = tmp_path / "small.toml", tmp_path / "store"
    path.write_text(SMALL + CURVE + "controls = false\n")
    options = ("run", path, "-c", "random[count=9,threshold=0.2]", "--store", store)
    assert aexbench_cli(*options).code == 0
    (record, *_), _ = Store(store).records()
    scored = ["recall", "recall[top=3]", "recall[top=2]", "recall[top=4]"]
    assert list(record.scores) == scored
    board = aexbench.open(store).board()
    assert list(board.metrics) == ["recall", "recall[top=3]"]
    by_four = aexbench.open(store).board("recall[top=4]")
    assert list(by_four.metrics) == ["recall[top=4]", "recall", "recall[top=3]"]


def test_what_a_curve_lacks_is_derived_by_score(aexbench_cli, small, tmp_path):
    store = tmp_path / "store"
    options = ("run", small, "-c", "random[count=9,threshold=0.2]", "--no-controls")
    assert aexbench_cli(*options, "--store", store).code == 0
    (plan,) = (store / "plans").iterdir()
    plan.write_text(plan.read_text().replace('"curve": []', '"curve": ["recall[top=4]"]'))
    assert aexbench_cli("score", store).code == 0
    (record, *_), _ = Store(store).records()
    assert "recall[top=4]" in record.scores


def test_a_curve_that_is_none_is_a_damaged_plan(aexbench_cli, small, tmp_path):
    store = tmp_path / "store"
    options = ("run", small, "-c", "random[count=9,threshold=0.2]", "--no-controls")
    assert aexbench_cli(*options, "--store", store).code == 0
    (plan,) = (store / "plans").iterdir()
    whole = plan.read_text()
    for curve in ('"recall"', "[1]"):
        plan.write_text(whole.replace('"curve": []', f'"curve": {curve}'))
        assert "is damaged" in aexbench_cli("leaderboard", store).err
