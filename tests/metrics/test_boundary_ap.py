from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score

from aexbench.metrics.boundary_ap import boundary_ap, counted, without_each
from aexbench.metrics.pixel_ap import pixel_ap
from tests.metrics import pixel_ap_twin, plane_twins

SHAPE = (2, 5, 6)
VALUES = hnp.arrays(np.float64, SHAPE, elements=st.integers(-3, 3).map(float))
TRUTH = hnp.arrays(np.bool_, SHAPE).filter(lambda truth: truth.any(axis=(1, 2)).all())
DISTANCES = st.integers(0, 3)


@given(TRUTH, DISTANCES)
@settings(deadline=None, max_examples=40)
def test_what_counts_is_what_lies_further_from_the_border(truth, distance):
    found = counted(truth, distance).reshape(SHAPE)
    np.testing.assert_array_equal(found, plane_twins.counted(truth, distance))


@given(VALUES, TRUTH, DISTANCES)
@settings(deadline=None, max_examples=40)
def test_is_the_average_precision_of_what_counts(attributions, truth, distance):
    kept = plane_twins.counted(truth, distance)
    expected = pixel_ap_twin.exact(attributions[kept], truth[kept])
    assert boundary_ap(attributions, truth, distance=distance) == pytest.approx(expected)


def square(low: int = 5, high: int = 15) -> np.ndarray:
    truth = np.zeros((1, 1, 20, 20), dtype=bool)
    truth[..., low:high, low:high] = True
    return truth


def test_the_border_by_hand():
    kept = counted(square(), 2)[0, 0]
    assert kept[7:13, 7:13].all()
    assert kept[5:15, 5:15].sum() == 6 * 6
    assert (~kept & ~square()[0, 0]).sum() == 4 * 10 * 2 + 4  # √2, not √5, at a corner
    assert counted(square(), 0).all()


def test_where_nobody_says_otherwise_the_distance_is_two_pixels():
    values = np.random.default_rng(0).random((1, 1, 20, 20))
    given_two = boundary_ap(values, square(), distance=2)
    assert boundary_ap(values, square()) == given_two
    assert len({given_two, *(boundary_ap(values, square(), distance=d) for d in (1, 3))}) == 3


def test_a_halo_around_the_damage_costs_nothing():
    truth, wide = square(), square(4, 16).astype(float)
    assert pixel_ap(wide, truth) == pytest.approx(100 / 144)
    assert boundary_ap(wide, truth, distance=2) == 1.0
    assert boundary_ap(square(1, 19).astype(float), truth, distance=2) < 1


def test_scratches_keep_their_pixels_and_wide_damages_lose_their_border():
    truth = square()
    truth[..., 1, 2:18] = True
    kept = counted(truth, 2)
    assert kept[..., 1, 2:18].all()
    assert not kept[..., 5, 5:15].any()
    assert not kept[..., 0, 2:18].any()  # beside the scratch
    assert boundary_ap(truth, truth) == 1.0


def test_an_edge_of_the_image_is_no_border():
    assert counted(square(0, 20), 3).all()
    assert counted(square(0, 10), 2)[0, 0, 0, :8].all()


def test_rows_have_no_border():
    rng = np.random.default_rng(0)
    truth, values = rng.random((5, 8)) < 0.4, rng.integers(5, size=(5, 8))
    assert boundary_ap(values, truth, distance=3) == pixel_ap(values, truth)


def test_channels_and_samples_are_planes_of_their_own():
    rng = np.random.default_rng(0)
    truth, values = rng.random((2, 3, 9, 9)) < 0.1, rng.random((2, 3, 9, 9))
    apart = boundary_ap(values.reshape(6, 9, 9), truth.reshape(6, 9, 9))
    assert boundary_ap(values, truth) == apart


def test_scikit_learn_has_the_same_of_what_counts():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(1, 1, 20, 20)).round(1) + square()
    kept = counted(square(), 2)
    theirs = average_precision_score(square()[kept], values[kept])
    assert boundary_ap(values, square()) == pytest.approx(theirs, abs=1e-12)


def test_chance_is_the_share_of_true_pixels_that_count():
    kept = counted(square(), 2)
    chance = boundary_ap(np.zeros(square().shape), square())
    assert chance == pytest.approx(square()[kept].mean())
    assert chance < square().mean()


@given(VALUES, TRUTH, DISTANCES)
@settings(deadline=None, max_examples=40)
def test_without_each_is_the_metric_of_the_others(attributions, truth, distance):
    found = without_each(attributions, truth, distance=distance)
    for left_out, value in enumerate(found):
        others = np.arange(2) != left_out
        expected = boundary_ap(attributions[others], truth[others], distance=distance)
        assert value == pytest.approx(expected)


@pytest.mark.parametrize(
    ("attributions", "truth", "message"),
    [
        (np.ones((1, 2, 3)), np.ones((1, 3, 2)), "must have one shape"),
        ([[[np.nan, 1.0]]], [[[0, 1]]], "not finite"),
        ([[[2.0, 1.0]]], [[[0, 0]]], "nothing is true"),
    ],
)
def test_what_cannot_be_scored_is_an_error(attributions, truth, message):
    with pytest.raises(ValueError, match=message):
        boundary_ap(attributions, truth)
