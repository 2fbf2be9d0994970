from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aexbench.metrics.pixel_roc_auc import pixel_roc_auc
from aexbench.metrics.pro import pro, without_each
from aexbench.metrics.tools.planes import planes, regions
from tests.metrics import pro_twin

LIMITS = st.sampled_from([0.05, 0.3, 0.5, 1.0])
SHAPE = (2, 3, 4)
LOOSE = st.permutations(range(24)).map(lambda order: np.reshape(order, SHAPE) - 12.0)
TRUTH = hnp.arrays(np.bool_, SHAPE).filter(lambda truth: truth.any() and not truth.all())
FEW = (1, 2, 3)


@given(LOOSE, TRUTH, LIMITS)
@settings(deadline=None)
def test_equals_its_definition_threshold_by_threshold(attributions, truth, limit):
    expected = pro_twin.pro(attributions, truth, limit)
    assert pro(attributions, truth, limit=limit) == pytest.approx(expected, abs=1e-12)


@given(
    hnp.arrays(np.float64, FEW, elements=st.integers(-1, 1).map(float)),
    hnp.arrays(np.bool_, FEW).filter(lambda truth: truth.any() and not truth.all()),
    LIMITS,
)
@settings(max_examples=30, deadline=None)
def test_ties_cost_what_every_order_of_them_costs_on_average(attributions, truth, limit):
    expected = pro_twin.expected(attributions, truth, limit)
    assert pro(attributions, truth, limit=limit) == pytest.approx(expected, abs=1e-12)


@given(hnp.arrays(np.float64, SHAPE, elements=st.integers(-2, 2).map(float)), TRUTH)
@settings(deadline=None)
def test_to_the_end_ties_are_straight_lines_of_the_curve(attributions, truth):
    expected = pro_twin.pro(attributions, truth, limit=1.0)
    assert pro(attributions, truth, limit=1.0) == pytest.approx(expected, abs=1e-12)


def test_a_limit_among_tied_pixels_is_near_the_straight_line():
    rng = np.random.default_rng(0)
    truth = rng.random((2, 20, 20)) < 0.1
    attributions = rng.integers(4, size=truth.shape) + truth
    line = pro_twin.pro(attributions.astype(float), truth, 0.3)
    assert abs(pro(attributions, truth) - line) <= 1 / (0.3 * np.sum(~truth))


LARGE, SMALL, FALSE = (0, 1), 4, (2, 3, 5, 6, 7, 8, 9, 10, 11, 12)
LINE = np.isin(np.arange(13), [*LARGE, SMALL]).reshape(1, 1, 13)  # each false pixel's rate is .1


@pytest.mark.parametrize(
    ("first", "limit", "expected"),
    [
        ([*LARGE, SMALL], 0.3, 1.0),  # before any false alarm
        # The small region at once, half of the large one at .1, the rest of it at .2.
        ([SMALL, 5, 0, 6, 1], 0.3, (0.5 + 0.75 + 1) / 3),
        # The large region at once, the small one at .3: too late.
        ([*LARGE, 5, 6, 7, SMALL], 0.3, 0.5),
        ([*LARGE, 5, 6, 7, SMALL], 1.0, (0.3 * 0.5 + 0.7) / 1),
        # One false alarm comes before everything.
        ([5, *LARGE, SMALL], 0.3, 0.2 / 0.3),
        ([5, *LARGE, SMALL], 1.0, 0.9),
        ([5, *LARGE, SMALL], 0.15, 0.05 / 0.15),
        ([5, *LARGE, SMALL], 0.05, 0.0),
        (FALSE, 1.0, 0.0),
    ],
)
def test_small_cases_by_hand(first, limit, expected):
    values = -np.arange(13.0)
    values[list(first)] = 100 - np.arange(len(first))
    found = pro(values.reshape(1, 1, 13), LINE, limit=limit)
    assert found == pytest.approx(expected, abs=1e-12)
    assert pro_twin.pro(values.reshape(1, 1, 13), LINE, limit) == pytest.approx(expected, abs=1e-12)


def test_where_nobody_says_otherwise_the_limit_is_that_of_the_authors():
    values = -np.arange(13.0).reshape(1, 1, 13)
    assert pro(values, LINE) == pro(values, LINE, limit=0.3) != pro(values, LINE, limit=0.31)


def test_chance_is_what_the_docstring_says():
    rng = np.random.default_rng(0)
    truth = rng.random((3, 20, 20)) < 0.1
    false, flat = np.sum(~truth), np.zeros(truth.shape)
    for limit in (0.3, 1.0):
        chance = pro(flat, truth, limit=limit)
        assert limit / 2 <= chance <= limit / 2 + 1 / (2 * false)
        random = [pro(rng.random(truth.shape), truth, limit=limit) for _ in range(400)]
        assert np.mean(random) == pytest.approx(chance, abs=4 * np.std(random) / 20)
    assert pro(truth, truth) == 1.0
    assert pro(-truth.astype(int), truth) == 0.0


def test_small_regions_count_as_much_as_large_ones():
    truth = np.zeros((1, 10, 10), dtype=bool)
    truth[0, :5, :5] = truth[0, 9, 9] = True
    small, large = np.zeros(truth.shape), truth.astype(float)
    small[0, 9, 9], large[0, 9, 9] = 1, 0
    chance = pro(np.zeros(truth.shape), truth)
    assert pro(small, truth) == pytest.approx((1 + chance) / 2)
    assert pro(large, truth) == pytest.approx((1 + chance) / 2)


def test_pixels_that_touch_at_a_corner_are_one_region_in_their_image_alone():
    truth = np.zeros((2, 1, 4, 4), dtype=bool)
    truth[0, 0, 0, 0] = truth[0, 0, 1, 1] = truth[0, 0, 3, 3] = truth[1, 0, 0, 0] = True
    assert regions(truth).max() == 3
    assert regions(np.ones((2, 3, 2, 2), dtype=bool)).max() == 6  # each channel has its own
    assert regions(planes(np.ones((2, 5), dtype=bool))).max() == 10


def test_rows_have_a_region_for_each_true_column():
    rng = np.random.default_rng(0)
    truth, values = rng.random((5, 8)) < 0.4, rng.integers(5, size=(5, 8))
    assert pro(values, truth, limit=1.0) == pytest.approx(pixel_roc_auc(values, truth))


@given(
    hnp.arrays(np.float64, (3, 2, 3), elements=st.integers(-2, 2).map(float)),
    hnp.arrays(np.bool_, (3, 2, 3)).filter(
        lambda truth: truth.any((1, 2)).all() and not truth.all((1, 2)).any()
    ),
    LIMITS,
)
@settings(deadline=None)
def test_without_each_is_the_metric_of_the_others(attributions, truth, limit):
    found = without_each(attributions, truth, limit=limit)
    for left_out, value in enumerate(found):
        others = np.arange(3) != left_out
        expected = pro(attributions[others], truth[others], limit=limit)
        assert value == pytest.approx(expected, abs=1e-12)


def test_channels_are_planes_of_their_own():
    rng = np.random.default_rng(0)
    truth, values = rng.random((2, 3, 4, 5)) < 0.3, rng.random((2, 3, 4, 5))
    apart = pro(values.reshape(6, 4, 5), truth.reshape(6, 4, 5))
    assert pro(values, truth) == pytest.approx(apart)


@pytest.mark.parametrize(
    ("attributions", "truth", "message"),
    [
        (np.ones((1, 2, 3)), np.ones((1, 3, 2)), "must have one shape"),
        ([[[np.nan, 1.0]]], [[[0, 1]]], "not finite"),
        ([[[2.0, 1.0]]], [[[0, 0]]], "nothing is true"),
        ([[[2.0, 1.0]]], [[[1, 1]]], "everything is true"),
    ],
)
def test_what_cannot_be_scored_is_an_error(attributions, truth, message):
    with pytest.raises(ValueError, match=message):
        pro(attributions, truth)


@pytest.mark.parametrize("truth", [[[1, 1, 1], [1, 0, 0]], [[0, 0, 0], [1, 0, 0]]])
def test_without_the_one_sample_that_is_false_or_true_nothing_is_defined(truth):
    attributions = np.arange(6.0).reshape(2, 3)
    with pytest.raises(ValueError, match="without one sample"):
        without_each(attributions, np.array(truth, dtype=bool))
