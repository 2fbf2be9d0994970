"""Metrics of a window's steps, whatever the data's features are."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import roc_auc_score

from aexbench import RequestError, metrics
from aexbench.datasets.tools.windows import features_of
from aexbench.features import Features
from aexbench.metrics.roc_auc import roc_auc
from aexbench.metrics.step_precision import step_precision
from aexbench.metrics.step_roc_auc import step_roc_auc
from aexbench.metrics.tools.steps import steps
from tests.metrics import ranking_twins, step_twins

SHAPE = (3, 6, 2)
VALUES = hnp.arrays(np.float64, SHAPE, elements=st.integers(-2, 2).map(float))
TRUTH = hnp.arrays(np.bool_, SHAPE).filter(lambda truth: truth.any(axis=(1, 2)).all())
SPARSE = hnp.arrays(np.bool_, SHAPE, elements=st.integers(0, 5).map(lambda n: n == 0)).filter(
    lambda truth: truth.any(axis=(1, 2)).all()
)
BOUNDARIES = st.integers(0, 3)
NAMES = ["step-roc-auc", "step-precision", "step-precision[top=2]", "step-precision[top=truth]"]

each_metric = pytest.mark.parametrize("name", NAMES)


def score(name, attributions, truth, boundary=0):
    base, _, given = name.partition("[")
    top = given.removeprefix("top=").removesuffix("]")
    parameters = {"top": top if top == "truth" else int(top)} if top else {}
    return metrics.create(base, **parameters, boundary=boundary).score(attributions, truth)


def definition(name):
    if name == "step-roc-auc":
        return ranking_twins.pairs_in_order
    top = name.partition("=")[2].removesuffix("]")
    return functools.partial(step_twins.precision, top=top or 1)


@each_metric
@given(attributions=VALUES, truth=TRUTH | SPARSE, boundary=BOUNDARIES)
@settings(max_examples=40, deadline=None)
def test_equals_its_definition_over_every_order_of_ties(name, attributions, truth, boundary):
    found = score(name, attributions, truth, boundary)
    twin = step_twins.scored(definition(name), attributions, truth, boundary)
    np.testing.assert_allclose(found, twin, atol=1e-12)


@given(attributions=VALUES, truth=TRUTH)
@settings(max_examples=40, deadline=None)
def test_is_the_metric_of_features_where_these_are_the_steps(attributions, truth):
    by = features_of(Features(), SHAPE[1:], "steps")
    expected = roc_auc(by.sum_groups(attributions), by.any_groups(truth))
    np.testing.assert_array_equal(step_roc_auc(attributions, truth), expected)


@each_metric
@given(attributions=VALUES, truth=TRUTH, boundary=BOUNDARIES, order=st.permutations(range(2)))
@settings(max_examples=40, deadline=None)
def test_neither_channels_order_nor_a_constant_matters(name, attributions, truth, boundary, order):
    expected = score(name, attributions, truth, boundary)
    moved = score(name, attributions[..., order], truth[..., order], boundary)
    np.testing.assert_array_equal(moved, expected)
    np.testing.assert_array_equal(score(name, attributions + 3, truth, boundary), expected)


@each_metric
@given(attributions=VALUES, truth=TRUTH, boundary=BOUNDARIES)
@settings(max_examples=40, deadline=None)
def test_time_may_run_backwards(name, attributions, truth, boundary):
    found = score(name, attributions[:, ::-1], truth[:, ::-1], boundary)
    np.testing.assert_array_equal(found, score(name, attributions, truth, boundary))


@each_metric
@given(truth=TRUTH | SPARSE, boundary=BOUNDARIES)
@settings(max_examples=40, deadline=None)
def test_the_truth_has_the_ceiling_and_a_constant_what_chance_has(name, truth, boundary):
    true = truth.any(axis=2)
    far = [step_twins.counted(one.tolist(), boundary) for one in true]
    share = np.array([one[kept].mean() for one, kept in zip(true, far, strict=True)])
    best, chance = np.ones(len(true)), share
    if name == "step-roc-auc":
        best, chance = np.where(share < 1, 1.0, 0.5), np.full(len(true), 0.5)
    if name.endswith("=2]"):
        best = np.array([min(2, o[k].sum()) / min(2, sum(k)) for o, k in zip(true, far, strict=1)])
    np.testing.assert_allclose(score(name, truth.astype(float), truth, boundary), best)
    np.testing.assert_allclose(score(name, np.full(truth.shape, 0.3), truth, boundary), chance)


def window(*true: int, steps: int = 12) -> np.ndarray:
    """A window of one channel that is true from each first step of a pair to its last."""
    truth = np.zeros((1, steps, 1), dtype=bool)
    for first, last in zip(true[::2], true[1::2], strict=True):
        truth[:, first : last + 1] = True
    return truth


def test_what_lies_beside_the_edge_costs_nothing():
    truth, wide = window(4, 8), window(2, 10).astype(float)
    assert step_roc_auc(wide, truth)[0] == pytest.approx(1 - 4 / 7 / 2)
    assert step_roc_auc(wide, truth, boundary=1)[0] == pytest.approx(1 - 2 / 5 / 2)
    assert step_roc_auc(wide, truth, boundary=2)[0] == 1
    beside = -np.abs(np.arange(12.0) - 3).reshape(1, 12, 1)  # highest right before the segment
    assert step_precision(beside, truth, boundary=2)[0] == 0  # step 1 is nearer than step 6
    assert step_precision(beside, truth, boundary=3)[0] == 1  # all border: it stays as it is


def test_an_edge_of_the_window_is_no_border_and_a_short_segment_stays():
    first = np.eye(12)[[0]].reshape(1, 12, 1)
    assert step_precision(first, window(0, 5), boundary=3)[0] == 1
    assert step_precision(np.eye(12)[[7]].reshape(1, 12, 1), window(7, 7), boundary=2)[0] == 1
    both = window(0, 4, 8, 8)
    assert step_precision(np.eye(12)[[8]].reshape(1, 12, 1), both, boundary=1)[0] == 1
    assert step_precision(both.astype(float), both, top="truth", boundary=1)[0] == 1


def test_scikit_learn_has_the_same_area():
    rng = np.random.default_rng(0)
    truth = rng.random((20, 30, 4)) < 0.05
    truth[:, 3, 1] = True
    values = rng.integers(9, size=truth.shape) + truth
    true, sums = truth.any(axis=2), values.sum(axis=2)
    theirs = [roc_auc_score(*one) for one in zip(true, sums, strict=True)]
    np.testing.assert_allclose(step_roc_auc(values, truth), theirs)


def test_a_pointing_game_is_where_the_highest_step_lies():
    values = np.zeros((2, 5, 3))
    values[0, 2, 1] = values[1, 4] = 1
    truth = np.broadcast_to(window(2, 3, steps=5), values.shape)
    assert step_precision(values, truth).tolist() == [1, 0]


def test_relevance_against_the_anomaly_counts_against_its_step():
    assert steps([[[0.5, -1.0], [0.25, 0.0]]], [[[1, 0], [0, 0]]])[0].tolist() == [[-0.5, 0.25]]


def test_titles_say_how_much_of_the_edge_is_left_out():
    for name, title in (
        ("step-roc-auc", "step ROC AUC"),
        ("step-roc-auc[boundary=2]", "step ROC AUC ± 2"),
        ("step-precision[top=truth]", "step precision@truth"),
        ("step-precision[boundary=1,top=3]", "step precision@3 ± 1"),
    ):
        assert told(name) == title


def told(name):
    from aexbench import families
    from aexbench.components import component
    from aexbench.running.scoring import info

    return info(component(families.metrics, name)).title


@each_metric
@pytest.mark.parametrize("shape", [(7,), (1, 8, 8)])
def test_rows_and_images_have_no_steps(name, shape):
    truth = np.ones((2, *shape), dtype=bool)
    with pytest.raises(RequestError, match=r"steps of windows \(T, D\) .*window=T"):
        score(name, truth.astype(float), truth)


@each_metric
@pytest.mark.parametrize(
    ("attributions", "truth", "message"),
    [
        (np.ones((1, 2, 3)), np.ones((1, 3, 2)), "must have one shape"),
        ([[[np.nan, 1.0]]], [[[0, 1]]], "not finite"),
        ([[[2.0, 1.0]]], [[[0, 0]]], "no true feature"),
    ],
)
def test_what_cannot_be_scored_is_an_error(name, attributions, truth, message):
    with pytest.raises(ValueError, match=message):
        score(name, attributions, truth)


@pytest.mark.parametrize("name", ["step-precision", "step-roc-auc"])
def test_what_is_not_finite_is_refused_where_it_does_not_count_either(name):
    truth = np.zeros((1, 6, 1), dtype=bool)
    truth[0, 2:4] = True
    broken = np.zeros((1, 6, 1))
    broken[0, 4] = np.nan
    with pytest.raises(ValueError, match="attributions are not finite"):
        metrics.create(name, boundary=1).score(broken, truth)
