"""The Shapley and integrated gradients twins against axioms, closed forms and each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.explainers import shapley_twin as twin

SEEDS = st.integers(0, 2**32 - 1)


def smooth(rows):
    """Features 0 and 1 in the same role, 2 and 3 each in its own, 4 in none."""
    return (
        np.sin(rows[:, 0] + rows[:, 1]) * np.exp(rows[:, 2])
        + rows[:, 0] * rows[:, 1] * rows[:, 3] ** 2
    )


def case(seed, m=5, rows=3):
    generator = np.random.default_rng(seed)
    return generator.normal(size=m), generator.normal(size=(rows, m))


def quadratic_case(seed, m=4):
    """Return an asymmetric Q, c, k, x and a full-factorial background of 1 to 3
    levels a feature.
    """
    generator = np.random.default_rng(seed)
    background = twin.full_factorial(
        [generator.normal(size=generator.integers(1, 4)) for _ in range(m)]
    )
    return (
        generator.normal(size=(m, m)),
        generator.normal(size=m),
        0.7,
        generator.normal(size=m),
        background,
    )


def test_value_swaps_the_coalition_into_every_background_row():
    background = np.array([[1.0, 2.0, 3.0], [5.0, 7.0, 9.0]])
    x = np.array([10.0, 20.0, 30.0])

    def product(rows):
        return rows.prod(axis=1)

    assert twin.value(product, x, background, [1]) == (1 * 20 * 3 + 5 * 20 * 9) / 2
    assert twin.value(product, x, background, []) == (1 * 2 * 3 + 5 * 7 * 9) / 2
    assert twin.value(product, x, background, [0, 1, 2]) == 10 * 20 * 30
    assert background.tolist() == [[1.0, 2.0, 3.0], [5.0, 7.0, 9.0]]


def test_exact_shapley_of_a_game_worked_by_hand():
    """The glove game: one left glove (0), two right gloves (1, 2); a pair is worth 1 (Shapley
    values 2/3, 1/6, 1/6).
    """

    def gloves(rows):
        return np.minimum(rows[:, 0], np.maximum(rows[:, 1], rows[:, 2]))

    phi = twin.exact_shapley(gloves, np.ones(3), np.zeros((1, 3)))
    np.testing.assert_allclose(phi, [2 / 3, 1 / 6, 1 / 6], atol=1e-12)


@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_exact_shapley_is_efficient(seed):
    x, background = case(seed)
    phi = twin.exact_shapley(smooth, x, background)
    expected = float(smooth(x[None])[0]) - float(smooth(background).mean())
    assert math.isclose(phi.sum(), expected, rel_tol=1e-9, abs_tol=1e-9)


@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_exact_shapley_is_symmetric_and_gives_nothing_to_a_dummy(seed):
    x, background = case(seed)
    x[1], background[:, 1] = x[0], background[:, 0]  # now 0 and 1 play the same role
    phi = twin.exact_shapley(smooth, x, background)
    assert math.isclose(phi[0], phi[1], rel_tol=1e-9, abs_tol=1e-12)
    assert phi[4] == 0
    assert np.abs(phi[:4]).min() > 0


def test_exact_shapley_refuses_many_features():
    with pytest.raises(ValueError, match="at most 10"):
        twin.exact_shapley(smooth, np.zeros(11), np.zeros((1, 11)))


def test_kernel_weights_are_symmetric_and_worked_by_hand():
    assert [twin.kernel_weights(4, s) for s in (1, 2, 3)] == [
        3 / (4 * 1 * 3),
        3 / (6 * 2 * 2),
        3 / (4 * 3 * 1),
    ]


@pytest.mark.parametrize("m", [2, 3, 5, 6])
def test_regression_over_all_coalitions_gives_the_shapley_values(m):
    x, background = case(m, m)

    def f(rows):
        return np.sin(rows.sum(axis=1)) + rows.prod(axis=1) + rows[:, 0] ** 2

    masks = twin.coalitions(m)
    assert masks.shape == (2**m - 2, m)
    weights = np.array([twin.kernel_weights(m, int(mask.sum())) for mask in masks])
    values = np.array([twin.value(f, x, background, np.flatnonzero(mask)) for mask in masks])
    v_empty, v_full = (twin.value(f, x, background, S) for S in ((), range(m)))
    phi = twin.weighted_regression(masks, weights, values, v_empty, v_full)
    np.testing.assert_allclose(phi, twin.exact_shapley(f, x, background), rtol=1e-9, atol=1e-10)


@given(SEEDS)
@settings(max_examples=10, deadline=None)
def test_regression_is_the_least_square_among_all_that_keep_the_sum(seed):
    generator = np.random.default_rng(seed)
    masks, weights = twin.coalitions(4)[generator.permutation(14)[:9]], generator.uniform(0.1, 1, 9)
    values = generator.normal(size=9)

    def loss(phi):
        return float((weights * (values - 0.3 - masks @ phi) ** 2).sum())

    phi = twin.weighted_regression(masks, weights, values, v_empty=0.3, v_full=1.1)
    assert math.isclose(phi.sum(), 0.8, abs_tol=1e-9)
    for _ in range(5):
        step = generator.normal(size=4)
        step -= step.mean()  # keeps the sum
        assert loss(phi + 0.01 * step) > loss(phi)
        assert math.isclose(
            loss(phi + step), loss(phi - step), rel_tol=1e-6
        )  # a stationary point of a parabola


def test_regression_says_when_the_coalitions_do_not_determine_it():
    with pytest.raises(np.linalg.LinAlgError):
        twin.weighted_regression(twin.coalitions(4)[:1], np.ones(1), np.ones(1), 0.0, 1.0)


def test_full_factorial_is_exactly_independent():
    background = twin.full_factorial([[0, 1, 5], [2, 3], [7, 7, 1]])
    assert background.shape == (18, 3)
    np.testing.assert_allclose(
        np.cov(background.T, bias=True), np.diag(background.var(axis=0)), atol=1e-12
    )


@given(SEEDS)
@settings(max_examples=10, deadline=None)
def test_quadratic_shapley_equals_enumeration_on_independent_features(seed):
    Q, c, k, x, background = quadratic_case(seed)

    def f(rows):
        return np.array([twin.quadratic(Q, c, k, row) for row in rows])

    closed = twin.quadratic_shapley(Q, c, x, background)
    np.testing.assert_allclose(closed, twin.exact_shapley(f, x, background), rtol=1e-8, atol=1e-9)


@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_a_linear_autoencoders_error_is_that_quadratic(seed):
    A, bias, _, x, background = quadratic_case(seed)

    def error(rows):
        return ((rows - (rows @ A.T + bias)) ** 2).mean(axis=1)

    Q, c, k = twin.linear_error(A, bias)
    assert math.isclose(
        twin.quadratic(Q, c, k, x), float(error(x[None])[0]), rel_tol=1e-9, abs_tol=1e-9
    )
    closed = twin.quadratic_shapley(Q, c, x, background)
    np.testing.assert_allclose(
        closed, twin.exact_shapley(error, x, background), rtol=1e-8, atol=1e-9
    )


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_integrated_gradients_of_a_quadratic_equal_the_midpoint_sum(steps):
    Q, c, k, x, background = quadratic_case(3)
    baseline = background[0]
    closed = twin.quadratic_integrated_gradients(Q, c, x, baseline)
    found = twin.integrated_gradients(lambda z: (Q + Q.T) @ z + c, x, baseline, steps)
    np.testing.assert_allclose(found, closed, rtol=1e-12)
    assert math.isclose(
        closed.sum(), twin.quadratic(Q, c, k, x) - twin.quadratic(Q, c, k, baseline), rel_tol=1e-12
    )


def test_integrated_gradients_of_a_cubic_err_by_the_square_of_the_step():
    x, baseline = np.array([1.0, -2.0]), np.array([0.5, 1.0])
    truth = x**3 - baseline**3  # the gradient of Σ z³ is 3 z², each feature by itself
    errors = [
        np.abs(twin.integrated_gradients(lambda z: 3 * z**2, x, baseline, n) - truth)
        for n in (4, 8)
    ]
    assert errors[0].min() > 1e-3
    np.testing.assert_allclose(errors[0] / errors[1], 4)


def test_worst_features_hold_the_share_and_ties_go_by_index():
    x, x_hat = (
        np.array([3.0, 0.0, -1.0, 1.0]),
        np.array([1.0, 0.0, 0.0, 0.0]),
    )  # squared errors 4, 0, 1, 1: 6 in all
    assert twin.worst_features(x, x_hat, 0.5) == [0]
    assert twin.worst_features(x, x_hat, 4 / 6) == [0]
    assert twin.worst_features(x, x_hat, 0.7) == [0, 2]
    assert twin.worst_features(x, x_hat, 1.0) == [0, 2, 3]
    assert twin.worst_features(x, x, 0.5) == [
        0
    ]  # no error: one feature, as the authors' program counts


def test_a_contribution_pushes_the_reconstruction_away_from_the_true_value():
    """x̂ = z₁ for output 0: raising z₁ raises x̂₀, which contributes above the true value and
    offsets below it.
    """

    def model(rows):
        return np.stack([rows[:, 1], rows[:, 1]], axis=1)

    background = np.zeros((1, 2))
    assert twin.per_feature_shap(model, np.array([-1.0, 2.0]), background, 1).tolist() == [
        0,
        2,
    ]  # x̂₀ = 2 > −1
    assert twin.per_feature_shap(model, np.array([5.0, 2.0]), background, 1).tolist() == [
        0,
        -2,
    ]  # x̂₀ = 2 < 5
    assert twin.contribution(np.array([1.0, -1.0]), 2.0, 2.0).tolist() == [
        1,
        -1,
    ]  # neither above nor below: as above


@given(SEEDS, st.integers(1, 4))
@settings(max_examples=10, deadline=None)
def test_per_feature_shap_of_a_linear_autoencoder(seed, top):
    """φ_j(x̂_i) = A_ij (x_j − μ_j): a linear output needs no independence."""
    A, bias, _, x, _ = quadratic_case(seed)
    background = np.random.default_rng(seed).normal(size=(3, 4))

    def model(rows):
        return rows @ A.T + bias

    x_hat, mean = A @ x + bias, background.mean(axis=0)
    worst = np.argsort(-np.abs(x - x_hat))[:top]
    table = A[worst] * (x - mean)
    found = twin.per_feature_shap(model, x, background, top)
    np.testing.assert_allclose(
        found, (np.sign(x_hat - x)[worst, None] * table).sum(axis=0), atol=1e-9
    )
    magnitude = twin.per_feature_magnitude(model, x, background, top)
    np.testing.assert_allclose(magnitude, np.abs(table).sum(axis=0), atol=1e-9)
    residual = np.abs(x_hat - x)[worst].sum()  # Σφ = Σ|x − x̂| − Σ s (E x̂(b) − x)
    rest = (np.sign(x_hat - x) * (A @ mean + bias - x))[worst].sum()
    assert math.isclose(found.sum(), residual - rest, rel_tol=1e-8, abs_tol=1e-8)


def test_an_outlier_may_offset_its_own_error_yet_the_authors_set_begins_with_it():
    A = np.array([[0.5, 0.1, 0.0], [0.1, 0.9, 0.0], [0.0, 0.0, 1.0]])

    def model(rows):
        return rows @ A.T

    x, background = (
        np.array([4.0, 1.0, 0.0]),
        np.zeros((1, 3)),
    )  # x̂ = (2.1, 1.3, 0): feature 0 falls short of itself
    assert twin.per_feature_shap(model, x, background, 1)[0] == pytest.approx(-2)
    assert twin.per_feature_magnitude(model, x, background, 1).argmax() == 0
    assert twin.explaining_features(model, x, background, 1) == [0]
    assert twin.explaining_features(model, x, background, 2) == [
        0,
        1,
    ]  # for x̂₁: |φ| = (0.4, 0.9, 0), mean 0.43
    assert twin.explaining_features(model, np.array([0.5, 2.0, 0.0]), background, 1) == [
        1
    ]  # x̂ = (0.45, 1.85, 0)


def test_the_authors_set_holds_the_feature_itself_then_the_strongest_inputs_above_the_mean():
    A = np.array(
        [[0.0, 2.0, 3.0, 1.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
    )

    def model(rows):
        return rows @ A.T

    x = np.ones(4)  # x̂ = (6, 1, 1, 1), |φ| of x̂₀ is (0, 2, 3, 1) with mean 1.5
    assert twin.explaining_features(model, x, np.zeros((1, 4)), 1) == [0, 2, 1]
