"""Metrics of many true features, against their definitions over every order of ties."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score

from aexbench import RequestError, metrics
from aexbench.metrics.average_precision import average_precision
from aexbench.metrics.effort import effort
from aexbench.metrics.hit_rate import hit_rate
from aexbench.metrics.ndcg import ndcg
from aexbench.metrics.recall import recall
from aexbench.metrics.reciprocal_rank import reciprocal_rank
from aexbench.metrics.relevance_rank import relevance_rank
from aexbench.metrics.roc_auc import roc_auc
from aexbench.metrics.tools.rankings import ranking
from tests.metrics import ranking_twins as twins
from tests.metrics.orders import expected

TIED = hnp.arrays(np.float64, (3, 6), elements=st.integers(-1, 1).map(float))
TRUTH = hnp.arrays(np.bool_, (3, 6)).filter(lambda truth: truth.any(axis=1).all())
DEFINITIONS = {
    "recall[top=truth]": twins.r_precision,
    "relevance-rank": twins.r_precision,
    "roc-auc": twins.pairs_in_order,
    "pointing-game": twins.first_is_true,
    "average-precision": twins.average_precision,
    "reciprocal-rank": twins.reciprocal_rank,
    "ndcg": twins.ndcg,
    "hit-rate[percent=100]": functools.partial(twins.hit_rate, percent=100),
    "hit-rate[percent=150]": functools.partial(twins.hit_rate, percent=150),
}


@pytest.mark.parametrize("name", DEFINITIONS)
@given(attributions=TIED, truth=TRUTH)
@settings(max_examples=40, deadline=None)
def test_equals_its_definition_over_every_order_of_ties(name, attributions, truth):
    found = metrics.create(name).score(attributions, truth)
    np.testing.assert_allclose(found, expected(DEFINITIONS[name], attributions, truth), atol=1e-12)


@pytest.mark.parametrize("until", ["first", "all"])
@given(attributions=TIED, truth=TRUTH)
@settings(max_examples=40, deadline=None)
def test_effort_is_how_many_are_looked_at_by_how_many_in_random_order(until, attributions, truth):
    looked_at = functools.partial(twins.looked_at, until=until)
    ours = expected(looked_at, attributions, truth)
    by_chance = expected(looked_at, np.zeros(truth.shape), truth)
    found = effort(attributions, truth, until=until)
    np.testing.assert_allclose(found, ours / by_chance, atol=1e-12)


def loose(samples: int = 50, features: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Return attributions without ties, and one to all of their features as the truth."""
    rng = np.random.default_rng(3)
    values = rng.permuted(np.tile(np.arange(features), (samples, 1)), axis=1).astype(float)
    count = rng.integers(1, features + 1, size=(samples, 1))
    return values, rng.random(values.shape).argsort(axis=1) < count


def test_without_ties_scikit_learn_has_the_same_average_precision():
    values, truth = loose()
    theirs = [average_precision_score(t, v) for t, v in zip(truth, values, strict=True)]
    np.testing.assert_allclose(average_precision(values, truth), theirs)


@pytest.mark.parametrize("step", [1, 4])
def test_scikit_learn_has_the_same_ndcg_with_ties_and_without(step):
    values, truth = loose()
    values //= step
    theirs = [ndcg_score([t], [v]) for t, v in zip(truth, values, strict=True)]
    np.testing.assert_allclose(ndcg(values, truth), theirs)


@pytest.mark.parametrize("step", [1, 4])
def test_scikit_learn_has_the_same_roc_auc_with_ties_and_without(step):
    values, truth = loose()
    values //= step
    some = ~truth.all(axis=1)
    theirs = [roc_auc_score(t, v) for t, v in zip(truth[some], values[some], strict=True)]
    np.testing.assert_allclose(roc_auc(values, truth)[some], theirs)


def test_roc_auc_of_nothing_but_true_features_is_that_of_chance():
    assert roc_auc([[0.3, 0.1]], [[1, 1]]) == [0.5]


def test_roc_auc_hardly_sees_the_head_of_the_list():
    truth = np.arange(1000)[None] == 50
    assert roc_auc(-np.arange(1000.0)[None], truth).round(2) == [0.95]


@pytest.mark.parametrize(
    ("true", "percent", "looked_at"),
    [(1, 100, 1), (1, 150, 1), (2, 150, 3), (3, 150, 4), (5, 150, 7), (5, 100, 5), (8, 150, 10)],
)
def test_hit_rate_rounds_down_and_ends_with_the_last_feature(true, percent, looked_at):
    """All but one of the true features stand in front; the other at the last rank that is looked
    at, or behind it.
    """
    values = -np.arange(10.0)
    for rank, hits in ((looked_at, true), (looked_at + 1, true - 1)):
        if rank <= 10:
            truth = np.arange(10) < true - 1
            truth[rank - 1] = True
            assert hit_rate([values], [truth], percent=percent) == pytest.approx(hits / true)


@given(TIED, TRUTH)
def test_hit_rate_at_100_is_recall_of_as_many_as_are_true(attributions, truth):
    np.testing.assert_array_equal(
        hit_rate(attributions, truth), recall(attributions, truth, top="truth")
    )


@given(TIED, TRUTH)
def test_relevance_rank_is_recall_of_as_many_as_are_true(attributions, truth):
    np.testing.assert_array_equal(
        relevance_rank(attributions, truth), recall(attributions, truth, top="truth")
    )


def test_effort_has_the_closed_forms_of_chance_and_of_the_best():
    features = 9
    for true in range(1, features + 1):
        truth = np.arange(features)[None] < true
        for until in ("first", "all"):
            assert effort(truth, truth, until=until) == pytest.approx((true + 1) / (features + 1))
            assert effort(truth * 0, truth, until=until) == pytest.approx(1)
        worst = (features - true + 1) * (true + 1) / (features + 1)
        assert effort(-truth.astype(int), truth) == pytest.approx(worst)


def test_chance_is_what_the_docstrings_say():
    for features in (2, 7, 40):
        truth = np.arange(features)[None] == 0
        harmonic = sum(1 / k for k in range(1, features + 1))
        for metric in (average_precision, reciprocal_rank):
            assert metric(truth * 0.0, truth) == pytest.approx(harmonic / features)
    for features, gain in ((10, 0.45), (40, 0.28)):
        assert ndcg(np.zeros((1, features)), np.arange(features)[None] == 0).round(2) == [gain]


def test_the_expected_reciprocal_is_not_that_of_the_expected_rank():
    found = reciprocal_rank([[0.0, 0.0, 0.0]], [[1, 0, 0]])
    assert found == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)


def test_a_ranking_says_what_stands_above_and_beside_each_rank():
    made = ranking([[0.5, 0.9, 0.5, 0.1]], [[1, 0, 0, 1]])
    assert (made.features, made.causes.tolist()) == (4, [2])
    assert made.above.tolist() == [[0, 1, 1, 3]]
    assert made.found.tolist() == [[0, 0, 0, 1]]
    assert made.tied.tolist() == [[1, 2, 2, 1]]
    assert made.true.tolist() == [[0, 1, 1, 1]]
    assert made.places.tolist() == [[1, 1, 2, 1]]
    assert made.hits().tolist() == [[0, 0.5, 1, 2]]
    assert made.hits_among(3).tolist() == [1]
    assert made.hits_among(9).tolist() == [2]


def test_a_zero_ties_with_a_negative_zero():
    assert recall([[0.0, -0.0]], [[1, 0]]) == [0.5]


@pytest.mark.parametrize("name", [*DEFINITIONS, "effort", "effort[until=all]"])
@pytest.mark.parametrize(
    ("attributions", "truth", "message"),
    [
        ([[1.0, 2.0]], [[1, 0, 0]], "one shape"),
        ([1.0, 2.0], [1, 1], "one shape"),
        ([[1.0, np.inf]], [[1, 0]], "not finite"),
        ([[1.0, 2.0]], [[0, 0]], "no true feature"),
    ],
)
def test_what_cannot_be_scored_is_an_error(name, attributions, truth, message):
    with pytest.raises(ValueError, match=message):
        metrics.create(name).score(attributions, truth)


@pytest.mark.parametrize("name", [*DEFINITIONS, "effort", "effort[until=all]"])
def test_images_are_taken_pixel_by_pixel(name):
    rng = np.random.default_rng(0)
    values, truth = rng.integers(4, size=(5, 2, 3)).astype(float), rng.random((5, 2, 3)) < 0.5
    truth[:, 0, 0] = True
    metric = metrics.create(name)
    rows = metric.score(values.reshape(5, 6), truth.reshape(5, 6))
    np.testing.assert_array_equal(metric.score(values, truth), rows)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("recall[top=truht]", "top='truht' is wrong: .*, or 'truth'"),
        ("recall[top=0]", "top=0 is wrong: .* greater than or equal to 1, or 'truth'"),
        ("hit-rate[percent=120]", "percent=120 is wrong: input should be 100 or 150"),
        ("effort[until=last]", "until='last' is wrong: input should be 'first' or 'all'"),
    ],
)
def test_another_choice_is_refused_with_those_there_are(name, message):
    with pytest.raises(RequestError, match=message):
        metrics.create(name)
