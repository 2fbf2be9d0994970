"""Laws that every metric of one sample obeys, whatever it asks."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aexbench import metrics

NAMES = [
    "average-precision",
    "effort",
    "effort[until=all]",
    "hit-rate",
    "hit-rate[percent=150]",
    "ndcg",
    "recall",
    "recall[top=3]",
    "recall[top=truth]",
    "reciprocal-rank",
]
COLUMNS = 5
TIED = hnp.arrays(np.float64, (4, COLUMNS), elements=st.integers(-3, 3).map(float))
TRUTH = hnp.arrays(np.bool_, (4, COLUMNS)).filter(lambda truth: truth.any(axis=1).all())
ORDERS = np.array(list(permutations(range(COLUMNS))), dtype=np.float64)  # every map without ties
ROUNDING = 1e-12

each_metric = pytest.mark.parametrize("name", NAMES)


def score(name, attributions, truth):
    return metrics.create(name).score(attributions, truth)


def sign(name):
    """1 where higher is better, −1 where lower is."""
    return 1 if metrics.describe(name.partition("[")[0]).declaration.higher_is_better else -1


def test_no_metric_of_one_sample_is_left_out():
    known = [metrics.describe(name) for name in metrics.names()]
    ours = [one for one in known if one.target.__module__.startswith("aexbench.metrics.")]
    alone = {one.name for one in ours if not one.declaration.pooled}
    assert {name.partition("[")[0] for name in NAMES} == alone


@each_metric
@given(attributions=TIED, truth=TRUTH, order=st.permutations(range(COLUMNS)))
@settings(deadline=None)
def test_the_order_of_features_does_not_matter(name, attributions, truth, order):
    np.testing.assert_array_equal(
        score(name, attributions[:, order], truth[:, order]), score(name, attributions, truth)
    )


@each_metric
@given(attributions=TIED, truth=TRUTH)
@settings(deadline=None)
def test_only_the_order_of_attributions_matters(name, attributions, truth):
    expected = score(name, attributions, truth)
    for changed in (attributions**3 - 20, np.exp(attributions), 1e-300 * attributions):
        np.testing.assert_array_equal(score(name, changed, truth), expected)


@each_metric
@given(attributions=TIED, truth=TRUTH)
@settings(deadline=None)
def test_a_sample_scores_alone_what_it_scores_in_a_batch(name, attributions, truth):
    alone = [score(name, attributions[[n]], truth[[n]])[0] for n in range(len(truth))]
    np.testing.assert_array_equal(score(name, attributions, truth), alone)


@each_metric
@given(truth=TRUTH)
@settings(max_examples=20, deadline=None)
def test_a_constant_map_scores_exactly_the_mean_over_all_orders(name, truth):
    chance = score(name, np.full(truth.shape, 0.3), truth)
    every = [score(name, ORDERS, np.tile(true, (len(ORDERS), 1))).mean() for true in truth]
    np.testing.assert_allclose(chance, every, atol=ROUNDING)


@each_metric
@given(truth=TRUTH)
@settings(max_examples=20, deadline=None)
def test_the_truth_scores_the_best_that_any_order_can(name, truth):
    ceiling = score(name, truth.astype(float), truth)
    every = [score(name, ORDERS, np.tile(true, (len(ORDERS), 1))) for true in truth]
    best = sign(name) * np.max(sign(name) * np.array(every), axis=1)
    np.testing.assert_allclose(ceiling, best, atol=ROUNDING)


@each_metric
@given(attributions=TIED, truth=TRUTH)
@settings(deadline=None)
def test_a_true_feature_that_rises_makes_no_score_worse(name, attributions, truth):
    raised = attributions + 2 * truth * (np.arange(COLUMNS) == truth.argmax(axis=1)[:, None])
    gain = sign(name) * (score(name, raised, truth) - score(name, attributions, truth))
    assert (gain >= -ROUNDING).all()
