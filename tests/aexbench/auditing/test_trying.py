"""Trying explainers: what they cost, what the budget allows, and what is named as not tried."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import aexbench
from aexbench.auditing import trying
from aexbench.auditing.rows import as_dataset
from aexbench.auditing.trying import COUNT, FEW, SETS, Cost, Shared, Trying, shared_out
from aexbench.errors import RequestError
from aexbench.given import calibrated
from aexbench.running import matrix, planning
from aexbench.running.alarms import later
from aexbench.running.sources import Given
from aexbench.running.store import Store
from aexbench.running.workspace import Workspace

from .conftest import audited, split, with_incidents


def test_constants():
    assert (COUNT, FEW, trying.LABELLED, trying.PROBES) == (100, 20, 300, (2, 12))
    assert (trying.LEAST_ALARMS, trying.TWINS, SETS) == (10, 1, 4)


# costs


@given(st.floats(0, 100), st.floats(0, 100))
def test_costs_are_the_line_through_both_probes(start, each):
    found = Cost.of(start + 2 * each, start + 12 * each)
    assert found.start == pytest.approx(start, abs=1e-6)
    assert found.each == pytest.approx(each, abs=1e-6)


def test_what_the_first_probe_took_longer_is_no_cost_of_a_set():
    assert Cost.of(5.0, 0.5) == Cost(0.5, 0.0)  # five seconds of an import


def test_a_steeper_line_than_two_probes_can_show_starts_at_zero():
    assert Cost.of(0.0, 12.0) == Cost(0.0, 1.2)


def test_seconds_are_of_each_set_and_each_sample():
    assert Cost(2.0, 0.5).seconds([20, 20, 7]) == 3 * 2.0 + 47 * 0.5


costs_of = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=2),
    st.builds(Cost, st.floats(0, 3), st.floats(0, 0.5)),
    max_size=8,
)


def takes(cost: Cost, count: int, kinds: int, labelled: int) -> float:
    """By the definition: on the detector, loss-ablated, and on two twins."""
    own = kinds * (cost.start + count * cost.each)
    return 4 * (own + (cost.start + labelled * cost.each if labelled else 0.0))


@given(costs_of, st.integers(1, 8), st.floats(0, 2000), st.sampled_from([0, 5, 300]))
def test_what_is_shared_out_is_within_the_budget_and_nobody_is_lost(costs, kinds, budget, labelled):
    shared = shared_out(costs, kinds, budget, labelled)
    assert sorted([*shared.whole, *shared.few, *shared.left_out]) == sorted(costs)
    spent = sum(takes(costs[n], 100, kinds, labelled) for n in shared.whole)
    spent += sum(takes(costs[n], 20, kinds, labelled) for n in shared.few)
    assert spent <= budget * (1 + 1e-9)


@given(costs_of, st.integers(1, 8), st.floats(0, 2000), st.sampled_from([0, 5, 300]))
def test_cheaper_ones_come_first(costs, kinds, budget, labelled):
    """Who costs less in everything has no less than another."""
    shared = shared_out(costs, kinds, budget, labelled)
    place = dict.fromkeys(shared.whole, 0) | dict.fromkeys(shared.few, 1)
    for cheap in costs:
        for dear in costs:
            less = costs[cheap].start < costs[dear].start and costs[cheap].each < costs[dear].each
            assert not less or place.get(cheap, 2) <= place.get(dear, 2)


@given(costs_of, st.integers(1, 8), st.floats(0, 1000), st.floats(0, 1000))
def test_more_budget_leaves_fewer_out_of_everything(costs, kinds, budget, more):
    fewer = shared_out(costs, kinds, budget).whole
    assert list(shared_out(costs, kinds, budget + more).whole)[: len(fewer)] == list(fewer)


def test_the_reason_says_what_it_would_take():
    said = shared_out({"dear": Cost(0.0, 1.0)}, kinds=2, budget=100.0).left_out["dear"]
    assert said == (
        "20 anomalies of each kind would take 160 s, and 100 s of the budget of 100 s are left"
    )


def test_labelled_samples_cost_too():
    costs = {"a": Cost(0.0, 0.01)}
    assert shared_out(costs, 1, 10.0).whole == ["a"]
    assert shared_out(costs, 1, 10.0, labelled=300).left_out.keys() == {"a"}  # 4 · 3.2 s
    assert shared_out(costs, 1, 13.0, labelled=300).few == ["a"]


# kinds


def made(detector, dataset, tmp_path, **options) -> Trying:
    """What an audit tries by the suite of the package."""
    own = calibrated(detector, dataset)
    source = Given(dataset, own)
    workspace = Workspace(Store(tmp_path / "store", create=True), "cpu", source=source)
    suite = planning.load("audit")
    return Trying(workspace, source.rows, source.network, dataset, own, suite, 60.0, **options)


def test_kinds_from_alarms_come_in_the_alarms_sizes_and_are_matched(sound, labelled, tmp_path):
    found = made(sound, labelled, tmp_path)
    from_alarms = [one for one in found.kinds if one.parameters.get("donor") == "alarm"]
    sizes = trying.typical_sizes(
        found.detector,
        trying.alarms.beyond_chance(found.detector, labelled),
        labelled.train.mean(axis=0),
    )
    assert [one.parameters["size"] for one in from_alarms] == sizes
    assert [one.text for one in found.matched] == [one.text for one in from_alarms]
    assert len(found.kinds) == len(found.suite.corruptions) - 1 + len(sizes)


def alarms_of(detector, dataset, count: int):
    """Return a data set whose earlier test half raises so many alarms."""
    test = np.tile(dataset.train[:1], (60, 1))
    test[:count] += np.eye(test.shape[1])[0] * 3
    return replace(dataset, test=test, test_labels=None, test_truth=None, rows={})


@pytest.mark.parametrize(("count", "borrowed"), [(11, False), (12, True)])
def test_fewer_than_ten_alarms_are_nothing_to_borrow_from(sound, rows, tmp_path, count, borrowed):
    """Of the thirty rows of the earlier half, normal ones raise one and a half."""
    found = made(sound, alarms_of(sound, split(rows), count), tmp_path)
    donors = {one.parameters.get("donor") for one in found.kinds}
    assert ("alarm" in donors) == borrowed
    (donor,) = {one.parameters.get("donor") for one in found.matched}
    assert donor == ("alarm" if borrowed else "normal")


def test_labels_are_those_of_the_later_half(sound, labelled, rows, tmp_path):
    found = made(sound, labelled, tmp_path)
    assert found.labels.text == "labels[count=300,half=later]"
    assert found.counted(found.labels, 20) is found.labels
    assert made(sound, split(rows), tmp_path / "other").labels is None


def test_labels_of_rows_alone_name_no_features(sound, rows):
    labels = np.zeros(len(rows), dtype=bool)
    labels[::9] = True
    dataset = as_dataset(sound, rows, labels)
    assert dataset.test_truth is None
    assert dataset.test_labels.sum() == labels.sum()


def test_few_anomalies_are_the_first_of_many(done, sound, labelled, tmp_path):
    found = made(sound, labelled, tmp_path)
    kind = found.kinds[-1]
    sets = [
        found.workspace.anomalies(found.cells([found.counted(kind, n)], n, [one])[0])
        for n in (100, 20)
        for one in [found.explainers["residual"]]
    ]
    many, few = sets
    assert np.array_equal(many.x[: len(few.x)], few.x)


# rows


def test_rows_are_cut_in_their_order_labelled_ones_for_the_test(sound, rows):
    labels = np.zeros(100, dtype=bool)
    labels[[0, 50]] = True
    found = as_dataset(sound, rows[:100], labels)
    normal = np.delete(np.arange(100), [0, 50])
    assert np.array_equal(found.train, rows[normal[:58]])
    assert np.array_equal(found.validation, rows[normal[58:78]])
    assert np.array_equal(
        found.test, rows[[0, 50, *normal[78:]]][np.argsort([0, 50, *normal[78:]])]
    )
    assert np.flatnonzero(found.test_labels).tolist() == [0, 1]


def test_with_a_background_normal_rows_are_halved(sound, rows):
    found = as_dataset(sound, rows[:100], background=rows[100:150])
    assert np.array_equal(found.train, rows[100:150])
    assert (len(found.validation), len(found.test)) == (50, 50)
    assert found.test_labels is None


def test_labels_of_another_shape_are_refused(sound, rows):
    with pytest.raises(RequestError, match=r"labels are of rows \(100,\) or of their features"):
        as_dataset(sound, rows[:100], np.zeros(99, dtype=bool))


# running


def test_a_second_call_runs_nothing(done, sound, labelled, monkeypatch):
    first, store = done
    ran = []
    usual = matrix.carry_out

    def counting(*given, **options):
        found = usual(*given, **options)
        ran.append(found.ran)
        return found

    monkeypatch.setattr(trying, "carry_out", counting)
    again = audited(sound, labelled, store, budget=60)
    assert sum(ran) == 0
    assert len(ran) > 3
    assert again.json() == first.json()


def test_dear_explainers_meet_the_first_few_and_it_is_said(sound, labelled, tmp_path, monkeypatch):
    monkeypatch.setattr(trying, "shared_out", lambda *given: Shared([], ["repair"], {}))
    found = audited(sound, labelled, tmp_path / "store")
    assert found.evidence.left_out == {"repair": "tried on 20 anomalies of each kind"}
    for kind in found.evidence.kinds:
        assert kind.tried["repair"].few
        assert kind.tried["repair"].units <= 20 < kind.tried["residual"].units
    labels = found.evidence.labels.tried
    assert not labels["repair"].few
    assert labels["repair"].units == labels["residual"].units


def test_what_is_shared_out_are_the_candidates_and_all_they_meet(
    sound, labelled, tmp_path, monkeypatch
):
    asked = []

    def share(costs, kinds, budget, labelled):
        asked.append((sorted(costs), kinds, budget, labelled))
        return Shared([], [], {})

    monkeypatch.setattr(trying, "shared_out", share)
    found = audited(sound, labelled, tmp_path / "store", budget=7)
    units = sum(labelled.test_truth[later(labelled)].any(axis=1))
    expected = ["repair", "residual[form=standardised]"]
    assert asked == [(expected, len(found.evidence.kinds), 7, units)]


slept: list[int] = []


def slow(detector, x):
    slept.append(len(x))
    time.sleep(0.01 * len(x))
    return detector.error_map(x)


def test_one_beyond_the_budget_is_named_and_meets_nothing_but_probes(sound, rows, tmp_path):
    """Twenty of each kind take .01 · 20 · 12 s at least."""
    slept.clear()
    found = audited(sound, split(rows), tmp_path / "store", explainers=[slow], budget=0.5)
    assert "20 anomalies of each kind would take" in found.evidence.left_out["slow"]
    assert "slow" not in found.evidence.kinds[0].tried
    assert found.evidence.costs["slow"] >= 0.01
    assert max(slept) <= 12


def test_without_a_budget_the_default_stands_alone(sound, rows, tmp_path):
    found = audited(sound, split(rows), tmp_path / "store", budget=0)
    assert found.explainer == "residual"
    assert [one.explainer for one in found.evidence.kinds[0].explainers] == ["residual"]


def breaks(detector, x):
    raise RuntimeError("no such thing")


def later_breaks(detector, x):
    if len(x) > 12:
        raise RuntimeError("too many")
    return detector.error_map(x)


@pytest.mark.filterwarnings("ignore")
def test_what_fails_is_named_with_its_reason(sound, rows, tmp_path):
    found = audited(
        sound, split(rows), tmp_path / "store", explainers=[breaks, later_breaks], budget=60
    )
    assert "no such thing" in found.evidence.left_out["breaks"]
    said = found.evidence.left_out["later-breaks"]
    assert said.startswith("failed on ")
    assert "too many" in said
    assert "later-breaks: failed on" in " ".join(found.text(300).split())
    assert "residual" in found.evidence.kinds[0].tried


def test_the_callers_data_and_detector_stay_as_they_are(sound, rows, tmp_path):
    data = split(rows)
    own = aexbench.Detector(sound.model, features=replace(data.features, low=-9.0, high=9.0))
    before = data.features
    audited(own, data, tmp_path / "store", budget=0)
    assert data.features is before
    assert own.scale is None
    assert own.features.low == -9.0


def test_images_have_another_way():
    x = np.zeros((20, 1, 4, 4), dtype=np.float32)
    images = aexbench.Dataset(x, x, x, aexbench.Features())
    with pytest.raises(RequestError, match="audit knows rows of features"):
        aexbench.audit(aexbench.Detector(torch.nn.Identity()), images)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"detector": torch.nn.Linear(2, 2)}, r"aexbench.Detector.of\(model\)"),
        ({"budget": -1}, "budget is seconds"),
        ({"budget": float("nan")}, "budget is seconds"),
        ({"labels": np.zeros(400)}, "a Dataset has labels and training rows of its own"),
        ({"background": np.zeros((4, 10))}, "a Dataset has labels and training rows of its own"),
    ],
)
def test_bad_requests(sound, rows, given, said):
    with pytest.raises(RequestError, match=said):
        aexbench.audit(**({"detector": sound, "data": split(rows)} | given))


def test_with_incidents_is_what_it_says(rows):
    data = with_incidents(rows)
    assert data.test_truth.any(axis=1).sum() == data.test_labels.sum() == 24
