"""Laws that every metric with truth obeys: those of one sample, then those that pool."""

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
    "pointing-game",
    "recall",
    "recall[top=3]",
    "recall[top=truth]",
    "reciprocal-rank",
    "relevance-mass",
    "relevance-rank",
    "roc-auc",
    "step-precision",
    "step-precision[top=3]",
    "step-precision[top=truth]",
    "step-roc-auc",
]
POOLED = [
    "boundary-ap",
    "pixel-ap",
    "pixel-ap[thresholds=9]",
    "pixel-roc-auc",
    "pro",
    "pro[limit=1]",
]
COLUMNS = 5
TIED = hnp.arrays(np.float64, (4, COLUMNS), elements=st.integers(-3, 3).map(float))
TRUTH = hnp.arrays(np.bool_, (4, COLUMNS)).filter(lambda truth: truth.any(axis=1).all())
ORDERS = np.array(list(permutations(range(COLUMNS))), dtype=np.float64)  # every map without ties
ROUNDING = 1e-12

each_metric = pytest.mark.parametrize("name", NAMES)
each_pooled = pytest.mark.parametrize("name", POOLED)


def score(name, attributions, truth):
    if metrics.describe(name.partition("[")[0]).declaration.columns:  # steps of one channel each
        attributions, truth = attributions[..., None], truth[..., None]
    return metrics.create(name).score(attributions, truth)


def sign(name):
    """1 where higher is better, −1 where lower is."""
    return 1 if metrics.describe(name.partition("[")[0]).declaration.higher_is_better else -1


def by_rank(names):
    """Those whose figures only the order of attributions decides."""
    return [name for name in names if name not in ("relevance-mass", "pixel-ap[thresholds=9]")]


@pytest.mark.parametrize(("names", "pooled"), [(NAMES, False), (POOLED, True)])
def test_no_metric_is_left_out(names, pooled):
    known = [metrics.describe(name) for name in metrics.names()]
    ours = [one for one in known if one.target.__module__.startswith("aexbench.metrics.")]
    ours = [one for one in ours if not (one.declaration.truthless or hasattr(one.target, "probe"))]
    wanted = {one.name for one in ours if one.declaration.pooled == pooled}
    assert {name.partition("[")[0] for name in names} == wanted


@each_metric
@given(attributions=TIED, truth=TRUTH, order=st.permutations(range(COLUMNS)))
@settings(deadline=None)
def test_the_order_of_features_does_not_matter(name, attributions, truth, order):
    np.testing.assert_array_equal(
        score(name, attributions[:, order], truth[:, order]), score(name, attributions, truth)
    )


@pytest.mark.parametrize("name", by_rank(NAMES))
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
    if name == "relevance-mass":  # whose false features of an order have relevance too
        best = np.ones(len(truth))
    np.testing.assert_allclose(ceiling, best, atol=ROUNDING)


@each_metric
@given(attributions=TIED, truth=TRUTH)
@settings(deadline=None)
def test_a_true_feature_that_rises_makes_no_score_worse(name, attributions, truth):
    raised = attributions + 2 * truth * (np.arange(COLUMNS) == truth.argmax(axis=1)[:, None])
    gain = sign(name) * (score(name, raised, truth) - score(name, attributions, truth))
    assert (gain >= -ROUNDING).all()


PART = TRUTH.filter(lambda truth: not truth.all())  # something is false, too
LITTLE = hnp.arrays(np.bool_, (1, COLUMNS)).filter(lambda true: true.any() and not true.all())


@each_pooled
@given(
    attributions=TIED,
    truth=PART,
    columns=st.permutations(range(COLUMNS)),
    samples=st.permutations(range(4)),
)
@settings(deadline=None)
def test_no_order_matters_where_samples_are_pooled(name, attributions, truth, columns, samples):
    expected = score(name, attributions, truth)
    for moved in (np.ix_(range(4), columns), np.ix_(samples, range(COLUMNS))):
        found = score(name, attributions[moved], truth[moved])
        np.testing.assert_allclose(found, expected, atol=ROUNDING)


@pytest.mark.parametrize("name", by_rank(POOLED))
@given(attributions=TIED, truth=PART)
@settings(deadline=None)
def test_only_the_order_of_pooled_attributions_matters(name, attributions, truth):
    expected = score(name, attributions, truth)
    for changed in (attributions**3 - 20, np.exp(attributions), 1e-300 * attributions):
        assert score(name, changed, truth) == expected


@pytest.mark.parametrize("name", ["pixel-roc-auc", "pro", "pro[limit=1]"])
@given(truth=LITTLE)
@settings(max_examples=20, deadline=None)
def test_a_constant_pooled_map_scores_exactly_the_mean_over_all_orders(name, truth):
    every = [score(name, order[None], truth) for order in ORDERS]
    np.testing.assert_allclose(score(name, np.zeros(truth.shape), truth), np.mean(every))


@pytest.mark.parametrize("name", [name for name in POOLED if name.endswith(("ap", "9]"))])
def test_a_constant_pooled_map_has_the_average_precision_of_many_random_columns(name):
    """Of n in random order it is greater by about ln n / n, which vanishes: as scikit-learn's."""
    rng = np.random.default_rng(0)
    truth = rng.random((5, 40_000)) < 0.1
    every = [score(name, rng.random(truth.shape), truth) for _ in range(4)]
    assert score(name, np.full(truth.shape, 0.3), truth) == pytest.approx(np.mean(every), abs=2e-3)
    assert score(name, np.full(truth.shape, 0.3), truth) == pytest.approx(truth.mean())


@each_pooled
@given(truth=LITTLE)
@settings(max_examples=20, deadline=None)
def test_the_truth_scores_one_and_no_order_more(name, truth):
    every = [score(name, order[None], truth) for order in ORDERS]
    assert score(name, truth.astype(float), truth) == pytest.approx(1)
    assert all(-ROUNDING <= found <= 1 + ROUNDING for found in every)


# Average precision as scikit-learn has it does not obey: a tie with a false column can cost more.
@pytest.mark.parametrize("name", ["pixel-roc-auc", "pro", "pro[limit=1]"])
@given(attributions=TIED, truth=PART)
@settings(deadline=None)
def test_a_true_pooled_column_that_rises_makes_no_score_worse(name, attributions, truth):
    raised = attributions.copy()
    raised[tuple(np.argwhere(truth)[0])] += 2
    assert score(name, raised, truth) >= score(name, attributions, truth) - ROUNDING
