"""Claims about Table 1, on tables whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from aexbench.board.table import Group, Kind, Part, Place, Table
from aexbench.paper import claims, table1
from aexbench.paper.published import QUOTES, TABLE_1
from aexbench.paper.scored import Block
from aexbench.paper.table1 import Damage
from aexbench.running.scoring import MetricInfo

METRIC, UNITS = "pixel-ap", 30
KIND = Kind("network", "labels", "symptom")
OBJECTS = ("transistor", "bottle", "hazelnut")


@pytest.fixture(autouse=True)
def _named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let rows be called as the paper's columns, so that no record is needed."""
    keys = [(name, "none") for name in ("residual l1", "residual l2", "lrp l1", "lrp l2")]
    monkeypatch.setattr(table1, "keys", lambda block: keys)


def block(name: str, gap: float, noise: float) -> Block:
    """Return an object on which LRP has so much more than the residual, in both losses."""
    rng, table = np.random.default_rng(0), Table()
    table.metrics[METRIC] = MetricInfo(title="AP", pooled=True)
    own = [damage for found, damage in TABLE_1 if found == name]
    for damage in own:
        group = f"{name} / labels / {damage}"
        place = Place(name, label=damage)
        table.groups[group] = Group(group, name, KIND, name, "labels", place)
        for row in ("residual", "lrp"):
            scores = 0.4 + gap * (row == "lrp") + noise * rng.normal(size=UNITS)
            part = Part({METRIC: scores}, np.arange(UNITS))
            for loss in ("l1", "l2"):
                table.cells.setdefault((f"{row} {loss}", "none"), {})[group] = {0: [part]}
    return Block(table, KIND, name, name, {d: f"{name} / labels / {d}" for d in own})


def verdicts(gaps: dict[str, float], noise: float = 0.01) -> dict[tuple[str, str], str]:
    """Return what is said of objects, by claim and where it is asked."""
    blocks = {name: block(name, gap, noise) for name, gap in gaps.items()}
    found = [Damage(name, d, blocks[name], TABLE_1[name, d]) for name, d in TABLE_1 if name in gaps]
    part = claims.of_table_1(found, METRIC)
    return {(claim, where): verdict for claim, where, verdict, _ in part.lines}


MEAN = (f"“{QUOTES['higher']}”", "all")


@pytest.mark.parametrize(
    ("gap", "noise", "verdict"),
    [
        (0.1, 0.01, "supported"),
        (-0.1, 0.01, "not supported"),
        (0.0, 0.01, "cannot be said"),
        (0.01, 1.0, "cannot be said"),
    ],
)
def test_lrp_is_higher_on_average_where_it_surely_is(gap, noise, verdict):
    assert verdicts(dict.fromkeys(OBJECTS, gap), noise)[MEAN] == verdict


def test_the_average_is_over_damages_and_not_over_objects():
    gaps = {"transistor": 0.1, "bottle": -0.06, "hazelnut": -0.06}  # 4, 3 and 3 damages
    assert verdicts(gaps)[MEAN] == "supported"
    assert verdicts({**gaps, "transistor": 0.05})[MEAN] == "not supported"


def test_each_object_is_asked_for_the_papers_direction():
    found = verdicts(dict.fromkeys(OBJECTS, 0.1))
    assert found["Table 1: LRP is above the residual", "transistor"] == "supported"
    assert found["Table 1: LRP is above the residual", "bottle"] == "supported"
    assert found["Table 1: LRP is below the residual", "hazelnut"] == "not supported"


def test_two_objects_are_no_average():
    assert verdicts({"bottle": 0.1, "hazelnut": 0.1})[MEAN] == "cannot be said"


def test_what_has_no_figure_cannot_be_said():
    found = verdicts({"bottle": 0.1})
    assert found[f"“{QUOTES['focus']}”", ""] == "cannot be said"
