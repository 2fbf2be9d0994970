"""Claims about Table 1, on tables whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from aexbench.board.alike import CONTROLS
from aexbench.board.table import Group, Kind, Part, Place, Table
from aexbench.paper import claims, table1
from aexbench.paper.published import CORRUPTIONS, QUOTES, TABLE_1
from aexbench.paper.scored import Block
from aexbench.paper.table1 import Damage
from aexbench.paper.verdicts import above
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
    found = [
        Damage(name, d, blocks[name], TABLE_1[name, d], name) for name, d in TABLE_1 if name in gaps
    ]
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


def test_one_object_by_two_detectors_is_no_average():
    own = {name: block(name, 0.1, 0.01) for name in OBJECTS}
    found = [Damage(name, d, own[name], paper, name) for (name, d), paper in TABLE_1.items()]
    other = block("bottle", -0.5, 0.01)
    other = Block(other.table, KIND, "bottle, another", "bottle", other.groups)
    twice = [Damage("bottle", d, other, TABLE_1["bottle", d], "bottle") for d in other.groups]
    part = claims.of_table_1([*found, *twice], METRIC)
    lines = [(claim, where, verdict) for claim, where, verdict, _ in part.lines]
    assert (*MEAN, "cannot be said") in lines
    above = "Table 1: LRP is above the residual"
    assert [v for c, w, v in lines if (c, w) == (above, "bottle")] == ["supported", "not supported"]
    assert not [line for line in _table([*found, *twice]) if line[0] == "Overall"]
    assert [line for line in _table(found) if line[0] == "Overall"]


def _table(found: list[Damage]) -> list[list[str]]:
    return [list(line) for line in next(table1.parts(found, METRIC)).lines]


CURVE = "recall[top=1]"
RECIPE = Kind("recipe", "corruptions", "cause")
LRP = "lrp[preset=paper-tabular]"


def curves(
    rows: dict[tuple[str, str], float], units: int = 50, lacks: tuple[str, str] | None = None
) -> claims.Curves:
    """Return rows whose recall is the same at each of two seeds; one lacks a corruption."""
    table = Table()
    table.metrics[CURVE] = MetricInfo(title="recall")
    for corruption in CORRUPTIONS:
        group = f"data / {corruption}"
        table.groups[group] = Group(group, "data", RECIPE, "data", corruption, Place("data"))
        for key, value in rows.items():
            if key == lacks and corruption == "adversarial":
                continue
            hits = (np.arange(units) < round(value * units)).astype(float)
            parts = {seed: [Part({CURVE: hits}, np.arange(units))] for seed in (0, 1)}
            table.cells.setdefault(key, {})[group] = parts
    made = Block(table, RECIPE, "data", "data", {c: f"data / {c}" for c in CORRUPTIONS})
    made.__dict__["explainers"] = {}
    made.__dict__["records"] = []
    return claims.Curves(made, CURVE)


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let rows be called as the paper's curves; `deviation` is the only floor."""
    monkeypatch.setattr(claims.Curves, "key", lambda self, name: (name, "none"))
    monkeypatch.setattr(Block, "roles", lambda self, role: ["deviation"])
    monkeypatch.setattr(Block, "target", "recipe")


@pytest.mark.usefixtures("called")
@pytest.mark.parametrize(
    ("value", "units", "verdict"),
    [
        (0.54, 50, "cannot be said"),  # two seeds that agree by chance
        (1.0, 1000, "supported"),
        (0.0, 1000, "not supported"),
        (1.0, 19, "cannot be said"),
    ],
)
def test_seeds_that_agree_are_no_surer_than_their_units(value, units, verdict):
    found = curves({("LRP", "none"): value}, units)
    assert found.level("LRP", "null", above).verdict == verdict


@pytest.mark.usefixtures("called")
def test_units_that_all_agree_count_as_if_one_more_had_not():
    found = curves({("LRP", "none"): 1.0, ("KernelSHAP", "none"): 0.8}, 50)
    level = found.block.level(("LRP", "none"), CURVE, "null")
    assert level.variance == pytest.approx(1 / 101 / 100)
    pair = found.block.difference((("LRP", "none"), ("KernelSHAP", "none")), CURVE, CORRUPTIONS)
    one = (100 * 0.2 * 0.8 + 1) / 101 / 100
    assert pair.variance == pytest.approx(3 * one / 9)


@pytest.mark.usefixtures("called")
def test_lrp_is_above_every_floor_only_where_all_of_them_are_here():
    controls = {("LRP", control): 0.1 for control in CONTROLS}
    rows = {("LRP", "none"): 0.9, ("deviation", "none"): 0.2, **controls}
    assert curves(rows, 1000).over_floors().verdict == "supported"
    lacking = curves(rows, 1000, lacks=("LRP", next(iter(CONTROLS)))).over_floors()
    assert lacking.verdict == "cannot be said"
    assert "is not here on all three corruptions" in lacking.evidence
    low = curves({**rows, ("deviation", "none"): 1.0}, 1000).over_floors()
    assert low.verdict == "not supported"
    assert low.evidence.startswith("LRP − deviation -0.10 [")
