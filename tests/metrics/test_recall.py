from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aexbench import RequestError, metrics
from aexbench.metrics.recall import recall, recall_curve
from tests.metrics.recall_twin import recall as twin

TIED = hnp.arrays(np.float64, (3, 5), elements=st.integers(-2, 2).map(float))
TRUTH = hnp.arrays(np.bool_, (3, 5)).filter(lambda truth: truth.any(axis=1).all())


@given(TIED, TRUTH, st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_equals_the_average_over_all_orders_of_ties(attributions, truth, top):
    np.testing.assert_allclose(
        recall(attributions, truth, top=top), twin(attributions, truth, top), atol=1e-12
    )


@given(TIED, TRUTH, st.permutations(range(5)))
def test_order_of_features_does_not_matter(attributions, truth, order):
    np.testing.assert_allclose(
        recall(attributions, truth), recall(attributions[:, order], truth[:, order])
    )


def test_constant_map_scores_what_chance_scores():
    truth = np.eye(10, dtype=bool)
    np.testing.assert_allclose(
        recall_curve(np.ones((10, 10)), truth).mean(axis=0), np.arange(1, 11) / 10
    )


def test_curve_holds_recall_at_every_m():
    rng = np.random.default_rng(0)
    attributions, truth = (
        rng.normal(size=(20, 7)).round(1),
        np.eye(7, dtype=bool)[rng.integers(7, size=20)],
    )
    curve = recall_curve(attributions, truth)
    for m in range(1, 8):
        np.testing.assert_array_equal(curve[:, m - 1], recall(attributions, truth, top=m))


def test_images_are_taken_pixel_by_pixel():
    truth = np.zeros((1, 2, 2), dtype=bool)
    truth[0, 1, 1] = True
    assert recall(truth.astype(float), truth) == [1.0]


@pytest.mark.parametrize(
    ("attributions", "truth", "message"),
    [
        ([[1.0, 2.0]], [[1, 0, 0]], "one shape"),
        ([1.0, 2.0], [1, 1], "one shape"),
        ([[1.0, np.nan]], [[1, 0]], "not finite"),
        ([[1.0, 2.0]], [[0, 0]], "no true feature"),
    ],
)
def test_what_cannot_be_scored_is_an_error(attributions, truth, message):
    with pytest.raises(ValueError, match=message):
        recall(attributions, truth)


def test_made_by_name():
    assert metrics.create("recall", top=2).score([[3.0, 2.0, 1.0]], [[0, 1, 0]]) == [1.0]
    assert metrics.create("recall[top=1]").score([[3.0, 2.0, 1.0]], [[0, 1, 0]]) == [0.0]
    with pytest.raises(RequestError, match=r"topp.*did you mean 'top'.*Known: top"):
        metrics.create("recall", topp=3)
    with pytest.raises(RequestError, match="top=0"):
        metrics.create("recall", top=0)
