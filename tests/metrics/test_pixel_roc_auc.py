from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import roc_auc_score

from aexbench import metrics
from aexbench.metrics.pixel_roc_auc import pixel_roc_auc, without_each

TIED = hnp.arrays(np.float64, (3, 2, 2), elements=st.integers(-2, 2).map(float))
TRUTH = hnp.arrays(np.bool_, (3, 2, 2)).filter(
    lambda truth: truth.any((1, 2)).all() and not truth.all((1, 2)).any()
)


def pairs_in_order(attributions: np.ndarray, truth: np.ndarray) -> float:
    """The share of pairs of a true and a false pixel in right order; a tied pair counts a half."""
    scores = []
    for one in attributions[truth]:
        for other in attributions[~truth]:
            scores.append(1.0 if one > other else 0.5 if one == other else 0.0)
    return sum(scores) / len(scores)


@given(TIED, TRUTH)
@settings(deadline=None)
def test_is_the_share_of_pairs_in_order(attributions, truth):
    assert pixel_roc_auc(attributions, truth) == pytest.approx(pairs_in_order(attributions, truth))


@pytest.mark.parametrize("decimals", [0, 1, 9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scikit_learn_has_the_same_with_ties_and_without(decimals, dtype):
    rng = np.random.default_rng(0)
    truth = rng.random((5, 40, 50)) < 0.1
    values = (rng.normal(size=truth.shape) + truth).round(decimals).astype(dtype)
    theirs = roc_auc_score(truth.ravel(), values.ravel())
    assert pixel_roc_auc(values, truth) == pytest.approx(theirs, abs=1e-12)


@given(TIED, TRUTH)
@settings(deadline=None)
def test_without_each_is_the_metric_of_the_others(attributions, truth):
    found = without_each(attributions, truth)
    for left_out, value in enumerate(found):
        others = np.arange(3) != left_out
        assert value == pytest.approx(pixel_roc_auc(attributions[others], truth[others]))


def test_pools_samples_whose_maps_lie_apart():
    values, truth = np.array([[0.1, 0.9], [10.1, 10.9]]), np.array([[0, 1], [0, 1]])
    assert pixel_roc_auc(values, truth) == 0.75
    assert metrics.create("roc-auc").score(values, truth).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("attributions", "truth", "message"),
    [
        (np.ones((2, 3)), np.ones((3, 2)), "must have one shape"),
        ([[np.inf, 1.0]], [[0, 1]], "not finite"),
        ([[2.0, 1.0]], [[0, 0]], "nothing is true"),
        ([[2.0, 1.0]], [[1, 1]], "everything is true"),
    ],
)
def test_what_cannot_be_scored_is_an_error(attributions, truth, message):
    with pytest.raises(ValueError, match=message):
        pixel_roc_auc(attributions, truth)
