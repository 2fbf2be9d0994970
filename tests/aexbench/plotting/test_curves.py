"""Curves are derived from stored attributions: recall at every m, by the board's own means."""

from __future__ import annotations

import numpy as np
import pytest

import aexbench
from aexbench import AnomalySet, Features, RequestError
from aexbench.plotting import curves, drawing, kinds
from aexbench.plotting.choosing import Wanted
from aexbench.plotting.curves import Curve
from aexbench.plotting.looks import DARK, DASHES, LIGHT
from tests.aexbench.plotting.conftest import RESULTS, row, section


def recall(values: np.ndarray, truth: np.ndarray, m: int) -> float:
    """Return the expected share of one sample's true features among the m highest, by counting."""
    hits = 0.0
    for feature in np.flatnonzero(truth):
        above = sum(values > values[feature])
        tied = sum(values == values[feature])
        hits += min(max((m - above) / tied, 0), 1)
    return hits / truth.sum()


@pytest.fixture(scope="module")
def found(ran) -> list[Curve]:
    board = ran.board()
    records = sorted(ran.records, key=kinds.boards.by_name)
    return curves.curves(ran.store, records, board.sections[0], list(board.sections[0].groups))


def test_a_curve_is_the_mean_over_seeds_of_the_mean_over_units(ran, found):
    means: dict[tuple[str, str], list[list[float]]] = {}
    for cell in ran.cells:
        if cell.control == "none":
            x, anomalies = ran.attributions(cell), ran.anomalies(cell)
            features = x.shape[1]
            samples = np.array([
                [recall(*pair, m) for m in range(1, features + 1)]
                for pair in zip(x, anomalies.truth, strict=True)
            ])  # fmt: skip
            units = [samples[anomalies.unit == u].mean(axis=0) for u in np.unique(anomalies.unit)]
            group = f"{cell.dataset.text} {cell.detector.text} / {cell.corruption.text}"
            means.setdefault((group, cell.explainer.text), []).append(np.mean(units, axis=0))
    drawn = {(curve.group, curve.explainer): curve.recall for curve in found}
    assert drawn.keys() == means.keys()
    for key, curve in drawn.items():
        assert list(curve) == list(range(1, 14))
        assert list(curve.values()) == pytest.approx(np.mean(means[key], axis=0).tolist())


def test_a_curve_goes_through_the_boards_scores(ran, found):
    at_3 = {r.explainer: r.by_group for r in ran.board("recall[top=3]").rows}
    at_1 = {r.explainer: r.by_group for r in ran.board("recall").rows}
    for curve in found:
        assert curve.recall[1] == pytest.approx(at_1[curve.explainer][curve.group][0])
        assert curve.recall[3] == pytest.approx(at_3[curve.explainer][curve.group][0])


def test_chance_has_m_of_all_features(found):
    (chance, *_) = (curve for curve in found if curve.explainer == "chance")
    assert chance.role == "reference"
    assert list(chance.recall.values()) == pytest.approx([m / 13 for m in range(1, 14)])


def test_few_features_have_every_m_and_many_have_some():
    assert curves.steps(64) == list(range(1, 65))
    found = curves.steps(65)
    assert (found[0], found[-1]) == (1, 65)
    assert 20 < len(found) <= 48
    assert found == sorted(set(found))


def test_pixels_have_no_curve():
    one = np.ones((1, 1001), bool)
    anomalies = AnomalySet(
        one.astype(np.float32), one, *[np.ones(1)] * 2, np.array(["a"]), np.arange(1), Features()
    )
    with pytest.raises(RequestError, match=r"1001 features.*1000 at most"):
        curves._features(anomalies)


def test_columns_of_one_group_are_one_feature():
    truth = np.ones((1, 3), bool)
    features = Features(("a", "b", "c"), groups=(0, 0, 1))
    anomalies = AnomalySet(
        truth.astype(np.float32), truth, *[np.ones(1)] * 2, np.array(["a"]), np.arange(1), features
    )
    assert curves._features(anomalies) == 2


def test_a_packed_store_says_what_it_lacks():
    packed = aexbench.open(RESULTS / "quickstart")
    with pytest.raises(RequestError, match=r"quickstart is packed and has no attributions.*take"):
        packed.plot("curves")


def test_the_first_six_explainers_are_told_apart():
    many = section(*(row(f"e{i}", 1 - i / 100) for i in range(8)), row("random", 0.1, "floor"))
    assert curves.leading(many, Wanted()) == ["e0", "e1", "e2", "e3", "e4", "e5"]
    assert curves.leading(many, Wanted(explainers=("e7",))) == ["e7"]
    with pytest.raises(RequestError, match="at most 6 curves"):
        curves.leading(many, Wanted(explainers=tuple(f"e{i}" for i in range(7))))


def test_thirteen_groups_are_not_drawn_at_once():
    groups = {f"g{i:02}": 20 for i in range(13)}
    with pytest.raises(RequestError, match=r"13 groups .* --only 'g00'"):
        curves.panels(section(row("a", 0.5), units=groups), Wanted())
    assert len(curves.panels(section(row("a", 0.5), units=groups), Wanted(only="g0"))) == 10


def test_lines_are_told_apart_by_dashes_too():
    assert len({str(dashes) for dashes in DASHES}) == len(DASHES)
    assert len(DASHES) == len(LIGHT.lines) == len(DARK.lines)
    drawn = [Curve("g", "a", "explainer", {1: 0.5}), Curve("g", "b", "explainer", {1: 0.4})]
    drawn += [Curve("g", "c", "explainer", {1: 0.1}), Curve("g", "random", "floor", {1: 0.2})]
    drawn += [Curve("g", "chance", "reference", {1: 0.1})]
    looks = curves._looks(drawn, ["a", "b"], LIGHT)
    assert list(looks) == ["a", "b", "other explainers", "random (floor)", "chance"]
    assert len({str(look) for look in looks.values()}) == len(looks)
    assert looks["random (floor)"][0] == looks["chance"][0] == LIGHT.soft
    in_front = {line["line"] for line in curves.data(drawn, ["a", "b"]) if line["front"]}
    assert in_front == {"explainer a", "explainer b"}


@pytest.mark.parametrize(
    ("last", "whole"), [(3, [1, 2, 3]), (8, list(range(1, 9))), (21, [1, 4, 7, 10, 13, 16, 19])]
)
def test_the_axis_of_m_names_whole_numbers_once(last, whole):
    axis = curves._features_axis(drawing.altair(), last).to_dict()["axis"]
    assert axis["values"] == whole
