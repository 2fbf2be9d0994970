from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score

from aexbench import metrics
from aexbench.metrics.pixel_ap import CHUNK, pixel_ap, without_each
from tests.metrics import pixel_ap_twin

MAPS = hnp.arrays(np.float64, (2, 3, 4), elements=st.integers(-8, 8).map(lambda i: i / 4))
TRUTH = hnp.arrays(np.bool_, (2, 3, 4)).filter(np.any)


@given(MAPS, TRUTH)
@settings(deadline=None)
def test_exact_equals_the_sum_over_distinct_values(attributions, truth):
    assert pixel_ap(attributions, truth) == pytest.approx(pixel_ap_twin.exact(attributions, truth))


@given(MAPS, TRUTH, st.integers(2, 40))
@settings(deadline=None)
def test_protocol_equals_the_papers_thresholds_one_by_one(attributions, truth, thresholds):
    expected = pixel_ap_twin.protocol(attributions, truth, thresholds)
    assert pixel_ap(attributions, truth, thresholds=thresholds) == pytest.approx(expected)


@pytest.mark.parametrize("thresholds", ["exact", 1000])
def test_constant_map_has_the_chance_level(thresholds):
    truth = np.arange(1000) % 10 == 0
    assert pixel_ap(np.full(1000, 0.3), truth, thresholds=thresholds) == pytest.approx(0.1)


@pytest.mark.parametrize("thresholds", ["exact", 1000])
def test_truth_as_map_is_perfect(thresholds):
    truth = np.arange(1000) % 10 == 0
    assert pixel_ap(truth.astype(float), truth, thresholds=thresholds) == 1.0


def test_protocol_comes_near_the_exact_value():
    rng = np.random.default_rng(0)
    truth = rng.random((4, 64, 64)) < 0.1
    attributions = rng.random(truth.shape) + 0.5 * truth
    assert pixel_ap(attributions, truth, thresholds=1000) == pytest.approx(
        pixel_ap(attributions, truth), abs=2e-3
    )


def test_made_by_name_pools_all_samples():
    metric = metrics.create("pixel-ap", thresholds=1000)
    assert isinstance(metric.score([[0.0, 1.0], [2.0, 3.0]], [[0, 1], [0, 1]]), float)
    with pytest.raises(ValueError, match="nothing is true"):
        metric.score([[0.0, 1.0]], [[0, 0]])


@given(
    hnp.arrays(np.float64, (4, 6), elements=st.integers(-8, 8).map(lambda i: i / 4)),
    st.sampled_from(["exact", 2, 9]),
)
@settings(deadline=None)
def test_without_each_is_the_metric_of_the_others(attributions, thresholds):
    truth = np.tile(np.arange(6) < 2, (4, 1))
    found = without_each(attributions, truth, thresholds=thresholds)
    for left_out, value in enumerate(found):
        others = np.arange(4) != left_out
        assert value == pytest.approx(
            pixel_ap(attributions[others], truth[others], thresholds=thresholds)
        )


@pytest.mark.parametrize("thresholds", ["exact", 9])
@pytest.mark.parametrize(
    ("attributions", "truth", "message"),
    [
        (np.ones((2, 3)), np.ones((3, 2)), "must have one shape"),
        ([[np.nan, 1.0]], [[0, 1]], "attributions are not finite"),
    ],
)
def test_what_cannot_be_scored_is_an_error(attributions, truth, message, thresholds):
    with pytest.raises(ValueError, match=message):
        pixel_ap(attributions, truth, thresholds=thresholds)


@pytest.mark.parametrize("decimals", [1, 9])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_scikit_learn_has_the_same_with_ties_and_without(decimals, dtype):
    rng = np.random.default_rng(0)
    truth = rng.random((5, 40, 50)) < 0.1
    values = (rng.normal(size=truth.shape) + truth).round(decimals).astype(dtype)
    theirs = average_precision_score(truth.ravel(), values.ravel().astype(np.float64))
    assert pixel_ap(values, truth) == pytest.approx(theirs, abs=1e-12)


def test_thresholds_are_those_of_double_precision_whatever_the_attributions_have():
    rng = np.random.default_rng(0)
    truth = rng.random((4, 500)) < 0.1
    levels = np.linspace(0, 1, 1000).astype(np.float32)  # beside thresholds, by their rounding
    single = levels[rng.integers(800, size=truth.shape) + 200 * truth]
    single[:, :2] = 0, 1
    for call in (pixel_ap, without_each):
        found = call(single, truth, thresholds=1000)
        np.testing.assert_array_equal(found, call(single.astype(float), truth, thresholds=1000))


def many(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((1, count), dtype=np.float32), rng.random((1, count), dtype=np.float32) < 0.1


def test_pixels_are_counted_chunk_by_chunk():
    values, truth = many(2 * CHUNK + 7)
    ordered, hits = np.sort(values[0]), np.sort(values[truth])
    grid = np.linspace(float(values.min()), float(values.max()), 5)
    marked = np.array([len(ordered), *(np.sum(ordered > level) for level in grid)])
    hit = np.array([len(hits), *(np.sum(hits > level) for level in grid)])
    area = np.sum((hit[:-1] - hit[1:]) / hit[0] * hit[:-1] / np.maximum(marked[:-1], 1))
    assert pixel_ap(values, truth, thresholds=5) == pytest.approx(area, abs=1e-12)


def extra_bytes(values: np.ndarray, truth: np.ndarray, thresholds: int) -> int:
    tracemalloc.start()
    try:
        pixel_ap(values, truth, thresholds=thresholds)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_grows_neither_with_pixels_nor_with_thresholds_times_pixels():
    few, more = many(2 * CHUNK), many(5 * CHUNK)
    allowed = extra_bytes(*few, thresholds=10)
    assert allowed < 40 * CHUNK  # what one chunk needs
    assert extra_bytes(*more, thresholds=10) <= 1.1 * allowed
    assert extra_bytes(*few, thresholds=1000) <= 1.1 * allowed
