"""Corruptions that a distance from the mean does not find: mirror, inward, swap; and several
features at once.
"""

from __future__ import annotations

import copy
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch

from aexbench import Detector, Features, RequestError, SkipError, corruptions
from aexbench.corruptions import group
from aexbench.corruptions.tools import correlations
from aexbench.single_feature import CLEAN_ABOVE, Gate, Proposal
from tests.conftest import mlp

SIZES = {
    "mirror": {1},
    "inward": {1},
    "swap": {1},
    "group": {3},
    "group[choice=correlated,size=2]": {2},
    "group[choice=half,size=2]": {2},
    "group[size=log-uniform]": {1, 2, 3, 4},
    "group[size=log-uniform,choice=half,donor=normal]": {1, 2, 3, 4},
}


def generated(name, detector, rows, **given):
    return corruptions.create(name).generate(
        detector, rows, **{"count": 30, "threshold": 0.1, "seed": 2, **given}
    )


@pytest.mark.parametrize("name", SIZES)
def test_the_truth_is_what_differs_and_draws_do_not_depend_on_rounds(
    name, detector, linear_rows, monkeypatch
):
    rows = linear_rows[300:]
    made = generated(name, detector, rows)
    assert len(made) == 30
    changed = made.x != made.clean
    assert not (changed & ~made.truth).any()
    assert changed.any(axis=1).all()
    assert set(made.truth.sum(axis=1).tolist()) == SIZES[name]
    monkeypatch.setattr("aexbench.single_feature.ROUND_BYTES", 1)
    few = generated(name, detector, rows, count=5)
    np.testing.assert_allclose(few.x, made.x[:5], rtol=1e-12)
    np.testing.assert_array_equal(few.truth, made.truth[:5])


def test_swapped_values_are_values_of_the_same_column(detector, linear_rows):
    rows = linear_rows[300:]
    made = generated("swap", detector, rows)
    for x, mask in zip(made.x, made.truth, strict=True):
        (column,) = np.flatnonzero(mask)
        assert np.isclose(rows[:, column], x[column]).any()


def test_inward_values_were_unusual_and_are_usual(detector, linear_rows):
    rows = linear_rows[300:].astype(np.float64)
    made = generated("inward", detector, linear_rows[300:])
    z_before, z_after = (np.abs(x - rows.mean(0)) / rows.std(0) for x in (made.clean, made.x))
    assert (z_before[made.truth] > 0.67).all()
    assert (z_after[made.truth] <= 0.67 + 1e-6).all()


def test_mirrored_values_have_the_opposite_rank(detector, linear_rows):
    rows = linear_rows[300:]
    made = generated("mirror", detector, rows)
    for before, after, mask in zip(made.clean, made.x, made.truth, strict=True):
        column = np.sort(rows[:, mask].ravel())
        rank, other = (np.abs(column - value[mask]).argmin() for value in (before, after))
        assert abs(rank + other - (len(column) - 1)) <= 1


def test_correlated_features_go_together():
    rng = np.random.default_rng(0)
    hidden = rng.random((400, 3))
    rows = np.concatenate([hidden, hidden + 0.01 * rng.random((400, 3))], axis=1).astype(np.float32)
    detector = Detector(mlp((6, 3, 6), ("tanh", "identity")).float()).calibrate(rows)
    made = corruptions.create("group[choice=correlated,size=2]").generate(
        detector, rows, count=40, threshold=0.0
    )
    first = made.truth[:, :3]
    np.testing.assert_array_equal(first, made.truth[:, 3:])


def test_groups_of_columns_are_features_of_a_group():
    rows = np.random.default_rng(0).random((100, 6)).astype(np.float32)
    features = Features(groups=(0, 0, 1, 1, 2, 3))
    detector = Detector(mlp((6, 3, 6), ("tanh", "identity")).float(), "l2", features).calibrate(
        rows
    )
    made = corruptions.create("group[size=2]").generate(detector, rows, count=30, threshold=0.0)
    assert (features.any_groups(made.truth).sum(axis=1) == 2).all()
    assert (made.truth[:, 0] == made.truth[:, 1]).all()
    with pytest.raises(RequestError, match="these data have 4 features"):
        corruptions.create("group[size=5]").generate(detector, rows)


def test_a_group_may_be_of_all_features():
    x, mask = torch.rand(3, 3), torch.eye(3, dtype=torch.bool)
    given = {"clean": x.numpy(), "size": 3}
    made = group.group(Detector(torch.nn.Identity()), x, mask, np.random.default_rng(0), **given)
    assert made.mask.all()


def of_masks(mask_of):
    """Return a corruption that changes what is made of the masks that it is given."""

    def propose(detector, x, mask, rng):
        own = mask_of(mask)
        return Proposal(torch.where(own, x + 0.5, x), {}, own)

    family = corruptions.register.__self__
    return family.make(family.adapt(propose), (), {})


def all_but_one(mask):
    own = mask.clone()
    own[-1] = ~mask[-1]
    return own


@pytest.mark.parametrize("mask_of", [torch.zeros_like, torch.logical_not, all_but_one])
def test_a_mask_without_the_chosen_feature_is_an_error(mask_of, detector, linear_rows):
    with pytest.raises(ValueError, match="must meet the feature"):
        of_masks(mask_of).generate(detector, linear_rows[300:], threshold=0.0)


def test_a_mask_may_hold_a_part_of_the_chosen_feature(detector, linear_rows):
    grouped = replace(detector, features=Features(groups=(0, 0, 1, 1, 2, 2, 3, 3)))
    first = torch.tensor([True, False] * 4)
    made = of_masks(lambda mask: mask & first).generate(
        grouped, linear_rows[300:], count=20, threshold=0.0
    )
    assert set(np.flatnonzero(made.truth.any(axis=0)).tolist()) == {0, 2, 4, 6}
    assert (made.truth.sum(axis=1) == 1).all()


def test_categories_go_together_though_their_columns_add_up_to_one():
    rng = np.random.default_rng(0)
    kind = rng.integers(3, size=300)
    rows = np.concatenate([np.eye(3)[kind], rng.random((300, 2)), np.eye(3)[kind]], axis=1).astype(
        np.float32
    )
    features = Features(groups=(0, 0, 0, 1, 2, 3, 3, 3))
    detector = Detector(mlp((8, 3, 8), ("tanh", "identity")).float(), "l2", features).calibrate(
        rows
    )
    made = corruptions.create("group[choice=correlated,size=2]").generate(
        detector, rows, count=40, threshold=0.0
    )
    truth = features.any_groups(made.truth)
    assert truth[:, 0].any()
    np.testing.assert_array_equal(truth[:, 0], truth[:, 3])


def test_correlations_are_the_greatest_of_two_features_columns(monkeypatch):
    rng = np.random.default_rng(1)
    rows = rng.random((50, 7)) @ rng.random((7, 7))
    rows[:, 4] = 0.1  # whose mean in floating point is another number
    groups, wanted = np.array([0, 2, 1, 0, 3, 2, 2]), np.array([0, 2, 3])
    monkeypatch.setattr(correlations, "BLOCK", 2)
    with np.errstate(invalid="ignore"):
        columns = np.nan_to_num(np.abs(np.corrcoef(rows.T)))
    columns[4] = columns[:, 4] = 0
    slow = [
        [columns[np.ix_(groups == one, groups == other)].max() for other in range(4)]
        for one in wanted
    ]
    np.testing.assert_allclose(correlations.correlations(rows, wanted, groups), slow, atol=1e-12)


def test_correlations_of_images_need_no_matrix_of_all_columns():
    images = np.random.default_rng(0).random((20, 1, 64, 64)).astype(np.float32)
    tracemalloc.start()
    try:
        found = correlations.correlations(images, np.array([3, 99]), np.arange(4096))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found[1, 99] == pytest.approx(1)
    assert peak < 8 * 4096**2 / 10


def test_of_wide_samples_some_are_enough(monkeypatch):
    monkeypatch.setattr(correlations, "SAMPLE_BYTES", 8 * 5 * 10)
    rows = np.random.default_rng(0).random((95, 5))
    rows[:, 0] = np.exp(np.arange(95) / 20)
    some = np.exp(np.arange(0, 95, 10) / 20)  # from the first to the last
    found = correlations._standardised(rows)
    np.testing.assert_allclose(found[:, 0], (some - some.mean()) / some.std())


def proposed(rows, first, count=1, **given) -> Proposal:
    """Return what group proposes for copies of the first row, beginning with one feature."""
    x = torch.as_tensor(rows[:1]).repeat(count, 1)
    mask = torch.arange(rows.shape[1]) == first
    given = {"clean": rows, **given}
    detector = Detector(torch.nn.Identity())
    return group.group(detector, x, mask.expand(x.shape), np.random.default_rng(0), **given)


def test_sizes_are_log_uniform_up_to_half_of_the_features():
    rows = np.random.default_rng(0).random((3, 21)).astype(np.float32)
    sizes = proposed(rows, 4, 20_000, size="log-uniform").mask.sum(dim=1).numpy()
    share = np.bincount(sizes, minlength=12) / len(sizes)
    wanted = [np.log((s + 1) / s) / np.log(11) for s in range(1, 11)]
    np.testing.assert_allclose(share[1:11], wanted, atol=0.01)
    assert share[11] == 0


def test_a_group_may_be_one_of_two_features():
    assert proposed(np.eye(2, dtype=np.float32), 1, 9, size="log-uniform").mask.sum() == 9


def test_half_of_the_groups_are_of_correlated_features():
    hidden = np.random.default_rng(0).random((50, 10))
    rows = np.concatenate([hidden, hidden], axis=1).astype(np.float32)
    mask = proposed(rows, 3, 4000, size=2, choice="half").mask
    assert float(mask[:, 13].double().mean()) == pytest.approx(0.5 + 0.5 / 19, abs=0.03)


@pytest.mark.parametrize("donor", ["normal", "alarm"])
def test_the_values_of_a_group_come_from_one_donor(donor):
    rng = np.random.default_rng(0)
    rows, alarms = (rng.random((5, 6)).astype(np.float32) for _ in range(2))
    made = proposed(rows, 0, 500, size=3, donor=donor, alarms=alarms)
    donors = {"normal": rows, "alarm": alarms}[donor]
    known = [
        [bool((x[m] == d[m]).all()) for d in donors]
        for x, m in zip(made.x.numpy(), made.mask.numpy(), strict=True)
    ]
    used = np.array(known).sum(axis=0)
    assert np.array(known).any(axis=1).all()
    assert (used > 50).all()


def test_who_lends_says_nothing_of_how_many_features_change():
    rows = np.random.default_rng(0).random((30, 10)).astype(np.float32)
    made = proposed(rows, 0, 3000, size="log-uniform", donor="normal")
    donor = (made.x.numpy()[:, :1] == rows[:, 0]).argmax(axis=1)
    other = donor > 0  # the row itself lends nothing
    found = np.corrcoef(donor[other], made.mask.sum(dim=1).numpy()[other])[0, 1]
    assert abs(found) < 0.1


def test_what_the_donor_has_too_is_no_truth():
    rows = np.array([[0, 0, 0, 0], [1, 0, 1, 0]], dtype=np.float32)
    made = proposed(rows, 0, 400, size=3, donor="normal")
    moved = made.x[:, 0] == 1  # the other half were given their own values
    assert not made.mask[:, [1, 3]].any()
    assert made.mask[:, 0].all()
    assert made.mask[moved, 2].any()
    assert not made.mask[~moved, 2].any()
    assert torch.equal(made.x[:, 2] == 1, made.mask[:, 2])


def test_a_draw_whose_first_feature_stays_changes_nothing():
    rows = np.array([[0, 0, 0], [0, 1, 1]], dtype=np.float32)
    made = proposed(rows, 0, 50, size=3, donor="normal")
    assert torch.equal(made.x, torch.zeros(50, 3))
    assert torch.equal(made.mask, torch.tensor([True, False, False]).expand(50, 3))


def test_alarms_that_nobody_has_seen_lend_nothing():
    rows = np.eye(3, dtype=np.float32)
    for alarms in (None, rows[:0]):
        with pytest.raises(SkipError, match="no sample has raised an alarm"):
            proposed(rows, 0, donor="alarm", alarms=alarms)


def test_like_alarms_asks_for_the_95th_percentile_before_and_after(detector):
    gate = Gate.of(detector, "alarm", (8,), np.zeros((0, 8)))
    scale = detector.calibrated
    between = (scale.normal_95 + scale.normal_999) / 2
    before = np.array([scale.normal_95, between, scale.normal_95])
    after = np.array([between, between, scale.normal_95])
    said = ["", CLEAN_ABOVE, "score not above the threshold"]
    assert gate.reasons(before, after, np.ones((3, 8))).tolist() == said


def test_like_alarms_means_above_normal_and_not_far_above_what_is_seen(detector, linear_rows):
    rows, scale = linear_rows[300:], detector.calibrated
    free = generated("group[threshold=alarm]", detector, rows, threshold="alarm", count=80)
    errors = np.linspace(scale.normal_95, np.median(free.error), 41)
    upper = errors[36]  # nine of ten lie below
    alarms = rows[:41].copy()
    stand_in = copy.copy(detector)
    stand_in.error = lambda x: (
        torch.as_tensor(errors) if np.shape(x) == alarms.shape else detector.error(x)
    )
    made = generated("group", stand_in, rows, threshold="alarm", alarms=alarms, count=20)
    assert (detector.error(made.clean).numpy() <= scale.normal_95 + 1e-9).all()
    assert (made.error > scale.normal_95).all()
    assert (made.error <= upper).all()
    assert made.report["most_error"] == pytest.approx(upper)
    assert made.report["rejected"]["error above that of most alarms"] > 0
    assert (free.error > upper).any()
    assert "most_error" not in free.report


def test_matched_to_alarms_means_between_their_tenth_and_ninetieth_percentiles(
    detector, linear_rows
):
    rows, scale = linear_rows[300:], detector.calibrated
    free = generated("group", detector, rows, threshold="alarm", count=80)
    alarms = free.x[(free.error > np.quantile(free.error, 0.3))][:41].astype(np.float32)
    errors = sorted(detector.error(alarms).tolist())
    lower, upper = errors[4], errors[36]  # four of forty-one lie below, four above
    made = generated("group", detector, rows, threshold="alarms", alarms=alarms, count=30)
    assert len(made) == 30
    assert lower > scale.normal_95
    assert (made.error > lower).all()
    assert (made.error <= upper).all()
    assert (detector.error(made.clean).numpy() <= scale.normal_95 + 1e-9).all()
    assert (free.error < lower).any()
    assert made.error.min() < np.quantile(errors, 0.3)
    assert made.error.max() > np.quantile(errors, 0.7)
    assert made.report["most_error"] == pytest.approx(upper)


def test_matched_to_alarms_that_are_hardly_any_asks_for_an_alarm_still(detector, linear_rows):
    """The quantile of errors that were alarms on another scale may lie below the 95th percentile of
    normal ones.
    """
    scale = detector.calibrated
    gate = Gate.of(detector, "alarms", (8,), linear_rows[:40])
    assert gate.least_after == scale.normal_95
    none = Gate.of(detector, "alarms", (8,), linear_rows[:0])
    assert (none.least_after, none.most_after) == (scale.normal_95, np.inf)


def test_a_group_of_one_is_one_feature(detector, linear_rows):
    made = generated("group[size=1]", detector, linear_rows[300:])
    assert set(made.truth.sum(axis=1).tolist()) == {1}
    with pytest.raises(RequestError):
        corruptions.create("group[size=0]")
