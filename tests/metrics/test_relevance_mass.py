from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aexbench.metrics.relevance_mass import relevance_mass

VALUES = hnp.arrays(np.float64, (3, 2, 3), elements=st.integers(-8, 8).map(lambda i: i / 4))
TRUTH = hnp.arrays(np.bool_, (3, 2, 3)).filter(lambda truth: truth.any(axis=(1, 2)).all())


def twin(values: np.ndarray, true: np.ndarray) -> float:
    """Of one sample, the positive relevance within the truth by that of the whole."""
    within, whole = 0.0, 0.0
    for value, hit in zip(values.ravel().tolist(), true.ravel().tolist(), strict=True):
        if value > 0:
            whole += value
            within += value if hit else 0.0
    return within / whole if whole else np.sum(true) / np.size(true)


@given(VALUES, TRUTH)
def test_equals_its_definition(attributions, truth):
    expected = [twin(values, true) for values, true in zip(attributions, truth, strict=True)]
    np.testing.assert_allclose(relevance_mass(attributions, truth), expected)


@given(VALUES, TRUTH, st.floats(1e-3, 1e3))
def test_the_unit_does_not_matter(attributions, truth, unit):
    np.testing.assert_allclose(
        relevance_mass(unit * attributions, truth), relevance_mass(attributions, truth)
    )


def test_zero_matters():
    assert relevance_mass([[1.0, 0.0]], [[1, 0]]) == [1.0]
    assert relevance_mass([[2.0, 1.0]], [[1, 0]]) == pytest.approx(2 / 3)
    assert relevance_mass([[4.0, 1.0]], [[1, 0]]) == [0.8]  # the square of the map


@pytest.mark.parametrize("constant", [-1.0, 0.0, 1.0])
def test_a_constant_map_of_any_sign_scores_the_share_of_true_features(constant):
    truth = np.arange(10)[None] < 3
    assert relevance_mass(np.full((1, 10), constant), truth) == pytest.approx(0.3)


def test_random_maps_score_the_share_of_true_features():
    rng = np.random.default_rng(0)
    truth = np.tile(np.arange(10) < 3, (20_000, 1))
    for values in (rng.random(truth.shape), rng.normal(size=truth.shape)):
        found = relevance_mass(values, truth)
        assert found.mean() == pytest.approx(0.3, abs=4 * found.std() / len(found) ** 0.5)


@pytest.mark.parametrize(
    ("attributions", "truth", "message"),
    [
        ([[1.0, 2.0]], [[1, 0, 0]], "one shape"),
        ([[1.0, np.inf]], [[1, 0]], "not finite"),
        ([[1.0, 2.0]], [[0, 0]], "no true feature"),
    ],
)
def test_what_cannot_be_scored_is_an_error(attributions, truth, message):
    with pytest.raises(ValueError, match=message):
        relevance_mass(attributions, truth)
