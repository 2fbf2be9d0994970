"""Metrics of one sample against sorting the same attributions once: ratios in one run."""

from __future__ import annotations

import numpy as np
import pytest

from aexbench import metrics
from tests.benchmarks.test_lrp import alternating
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
    ratio = alternating(
        lambda: metric.score(attributions, truth),
        lambda: np.argsort(attributions, axis=1, kind="stable"),
        rounds=7,
    )
    print(f"\n{name} of {SAMPLES:,} samples / sorting their {FEATURES} features: {ratio:.1f}")
    assert ratio <= 8
