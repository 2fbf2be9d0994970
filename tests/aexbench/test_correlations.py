"""Rank correlations: scipy's, and what is said of maps that have no order."""

from __future__ import annotations

import warnings

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr

from aexbench.correlations import centred_ranks, correlation, likeness

MAPS = arrays(np.float64, (3, 6), elements=st.integers(-3, 3).map(float))  # ties are common


@given(one=MAPS, other=MAPS)
def test_it_is_scipys_correlation_of_each_map_with_ties(one, other):
    with warnings.catch_warnings(action="ignore"):  # of maps that are the same everywhere
        slow = [spearmanr(a, b).statistic for a, b in zip(one, other, strict=True)]
    found = correlation(centred_ranks(one), centred_ranks(other))
    np.testing.assert_allclose(found, slow, atol=1e-12)
    assert np.nanmax(np.abs(found), initial=0) <= 1


def test_flat_maps_are_alike_and_unlike_all_others():
    flat, slope = np.ones(4), np.arange(4.0)
    assert likeness(flat, 2 * flat) == 1
    assert likeness(flat, slope) == likeness(slope, flat) == 0
    assert likeness(slope, slope**3) == 1
    assert likeness(slope, -slope) == -1
