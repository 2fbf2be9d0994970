"""What is said to have been tried is what published boards have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import aexbench
from aexbench.board.leaderboard import leaderboard
from aexbench.paper import tried
from aexbench.running import matrix
from aexbench.running.packed import open_store

RESULTS = Path(__file__).parents[3] / "results"


def ahead(name: str) -> int:
    """Return on how many networks LRP has more than the residual, in the mean over damages."""
    frame = aexbench.open(RESULTS / name).frame
    own = frame[(frame.metric == "pixel-ap[thresholds=1000]") & (frame.control == "none")]
    means = own.groupby(["explainer", "seed"]).score.mean().unstack("seed")
    lrp, residual = "lrp[loss=l1,preset=paper-image]", "residual[loss=l1]"
    return int((means.loc[lrp] > means.loc[residual]).sum())


def test_how_often_lrp_was_ahead_on_bottles():
    assert (ahead("paper-images"), ahead("paper-images-1000")) == (3, 1)
    assert "in each of three networks, with a tenth in one of three" in tried.TABLE_1


@pytest.mark.parametrize(
    "name", ["paper-regime", "paper-sql", "paper-images", "paper-images-1000", "image-training"]
)
def test_nowhere_was_lrp_above_its_floors(name):
    rows = [row for row in leaderboard(open_store(RESULTS / name)).rows if row.gain]
    own = [row for row in rows if row.explainer.startswith("lrp[")]
    assert own
    assert not any(row.gain.above for row in own)


def test_the_suites_vary_what_is_said():
    for text in (tried.FIGURE_2, tried.TABLE_1):
        for name in re.findall(r"(?:paper|image)-[a-z]+", text):
            assert matrix.asked(name).name == name
    detectors = [str(entry) for entry in matrix.asked("image-training").detectors]
    for what in ("'epochs': 60", "'start': 'glorot'", "'l1': 1e-07"):
        assert any(what in text for text in detectors)
    assert any("contrast" in str(entry) for entry in matrix.asked("image-training").explainers)
    widths = {str(entry["widths"]) for entry in matrix.asked("paper-regime").detectors}
    assert len(widths) == 3
