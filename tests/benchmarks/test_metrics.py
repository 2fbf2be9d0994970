"""Metrics of one sample against sorting the same attributions once, and those of many pixels
against scikit-learn and in memory: ratios in one run.
"""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from aexbench import metrics
from aexbench.metrics.pixel_ap import pixel_ap
from tests.benchmarks.turns import ratio
from tests.metrics.test_laws import NAMES

SAMPLES, FEATURES = 20_000, 40


# Measured on two cores: 2.3 to 3.7, and at most half a second for 100,000 samples; a noisy machine
# gets a margin.
@pytest.mark.parametrize("name", NAMES)
def test_cost_in_sorts(name):
    rng = np.random.default_rng(0)
    attributions = rng.normal(size=(SAMPLES, FEATURES)).round(1)  # some are tied
    truth = rng.random(attributions.shape) < 0.1
    truth[:, 0] = True
    metric = metrics.create(name)
    by_time = metrics.describe(name.partition("[")[0]).declaration.columns
    given = (attributions[..., None], truth[..., None]) if by_time else (attributions, truth)
    times = ratio(
        lambda: metric.score(*given),
        lambda: np.argsort(attributions, axis=1, kind="stable"),
        rounds=7,
    )
    print(f"\n{name} of {SAMPLES:,} samples / sorting their {FEATURES} features: {times:.1f}")
    assert times <= 8


def pixels(count: int, decimals: int) -> tuple[np.ndarray, np.ndarray]:
    """Return attributions and truth of one long sample, single precision as explainers return."""
    rng = np.random.default_rng(0)
    truth = rng.random((1, count), dtype=np.float32) < 0.1
    values = rng.standard_normal(truth.shape, dtype=np.float32)
    values += truth
    return np.round(values, decimals, out=values), truth


# Measured on two busy cores: 5 to 9 times as fast.
@pytest.mark.slow
@pytest.mark.parametrize("decimals", [2, 9])
def test_exact_average_precision_of_ten_million_pixels_is_that_of_scikit_learn(decimals):
    values, truth = pixels(10_000_000, decimals)
    flat = values.ravel(), truth.ravel()
    theirs = average_precision_score(flat[1], flat[0])
    assert pixel_ap(values, truth) == pytest.approx(theirs, abs=1e-9)
    times = ratio(
        lambda: average_precision_score(flat[1], flat[0]),
        lambda: pixel_ap(values, truth),
        rounds=1,
    )
    print(f"\nscikit-learn / exact AP of ten million pixels: {times:.1f}")
    assert times >= 2


# Measured on two busy cores: 6 s, and 12 MiB beside the pixels.
@pytest.mark.slow
def test_a_hundred_million_pixels_under_a_thousand_thresholds_need_little_memory():
    values, truth = pixels(100_000_000, 9)
    begun = time.perf_counter()
    tracemalloc.start()
    found = pixel_ap(values, truth, thresholds=1000)
    extra = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"\n100 million pixels: {time.perf_counter() - begun:.1f} s, {extra / 2**20:.0f} MiB")
    assert extra < 2**26
    assert found == pytest.approx(pixel_ap(values[:, :1_000_000], truth[:, :1_000_000]), abs=5e-3)
