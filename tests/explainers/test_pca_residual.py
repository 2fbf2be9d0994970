"""The residual of principal components as a floor."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from aexbench import Detector, explainers

RNG = np.random.default_rng(0)
ROWS = RNG.random((80, 3)) @ RNG.random((3, 7)) + 0.05 * RNG.random((80, 7))
IMAGES = (RNG.random((12, 4)) @ RNG.random((4, 60))).reshape(12, 1, 6, 10) + 0.1 * RNG.random(
    (12, 1, 6, 10)
)


class Times(nn.Module):
    """Returns its samples, multiplied, in float64."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("factor", torch.tensor(factor, dtype=torch.float64))

    def forward(self, x):
        return self.factor * x


def explain(x, normal, factor=1.0, on="l2", **parameters):
    detector = Detector(Times(factor), on)
    made = explainers.create("pca-residual", detector, background=normal, **parameters)
    return made.explain(torch.as_tensor(np.asarray(x, dtype=np.float64))).numpy()


def twin(x, normal, variance):
    """|x − p| by scikit-learn, whose number of components is the least that explains the share."""
    fitted = PCA(variance, svd_solver="full").fit(normal.reshape(len(normal), -1))
    flat = x.reshape(len(x), -1)
    return np.abs(flat - fitted.inverse_transform(fitted.transform(flat))).reshape(x.shape)


@pytest.mark.parametrize("variance", [0.3, 0.9, 0.97])
@pytest.mark.parametrize("normal", [ROWS, IMAGES], ids=["rows", "images"])
def test_it_is_scikit_learns_reconstruction(normal, variance):
    x = normal[:5] + RNG.normal(size=(5, *normal.shape[1:]))
    gap = twin(x, normal, variance)
    found = explain(x, normal, variance=variance)
    np.testing.assert_allclose(found, gap**2 / x[0].size, rtol=1e-9, atol=1e-12)
    found = explain(x, normal, on="l1", variance=variance)
    np.testing.assert_allclose(found, gap / x[0].size, rtol=1e-6, atol=1e-9)


def test_nine_tenths_of_the_variance_are_the_default():
    np.testing.assert_array_equal(
        explain(ROWS[:3] + 1, ROWS), explain(ROWS[:3] + 1, ROWS, variance=0.9)
    )
    assert (explain(ROWS[:3] + 1, ROWS) != explain(ROWS[:3] + 1, ROWS, variance=0.5)).any()


def test_the_loss_is_the_detectors_and_a_function_counts_as_l2():
    squared = explain(ROWS[:3], ROWS)
    own = explain(ROWS[:3], ROWS, on=lambda x, x_hat: (x - x_hat) ** 4)
    np.testing.assert_array_equal(own, squared)
    np.testing.assert_array_equal(explain(ROWS[:3], ROWS, on="l1", loss="l2"), squared)


def test_what_the_network_has_learned_plays_no_part():
    np.testing.assert_array_equal(explain(ROWS[:4], ROWS, factor=0.0), explain(ROWS[:4], ROWS))


def test_the_order_of_columns_and_of_normal_samples_does_not_matter():
    columns, rows = RNG.permutation(7), RNG.permutation(80)
    found = explain(ROWS[:4, columns] + 1, ROWS[rows][:, columns])
    np.testing.assert_allclose(found, explain(ROWS[:4] + 1, ROWS)[:, columns], atol=1e-12)


def test_a_sample_off_the_plane_of_normal_ones_shows_by_how_much():
    plane = np.array([[1.0, 1.0, 0.0], [1.0, -1.0, 0.0]])
    normal = RNG.normal(size=(50, 2)) @ plane
    found = explain(normal[:2] + np.array([0, 0, 3]), normal, variance=0.999)
    np.testing.assert_allclose(found, [[0, 0, 3]] * 2, atol=1e-9)


def test_a_constant_column_shows_every_change_and_nothing_else():
    normal = ROWS.astype(np.float32)
    normal[:, 2] = 0.1
    x = normal[:2].astype(np.float64)
    assert (explain(x, normal)[:, 2] == 0).all()
    x[:, 2] += 0.01
    np.testing.assert_allclose(explain(x, normal)[:, 2], 0.01**2 / 7, rtol=1e-9)


@pytest.mark.parametrize("count", [1, 5])
def test_of_normal_samples_that_are_all_the_same_it_is_the_distance_from_them(count):
    normal = np.full((count, 4), 0.1, dtype=np.float32)
    found = explain(normal[:1] + np.array([0, 1, 2, 3]), normal)
    np.testing.assert_allclose(found, [[0, 1 / 4, 1, 9 / 4]], rtol=1e-6)


@pytest.mark.parametrize("columns", [1, 2])
def test_there_is_always_a_direction_left(columns):
    """All components would reconstruct everything."""
    normal = RNG.normal(size=(60, columns))
    assert (explain(normal[:3] + 1, normal, variance=0.999).sum(axis=1) > 1e-6).all()


def test_two_normal_samples_have_one_direction():
    normal = np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    np.testing.assert_allclose(explain([[7.0, 3.0, 0.0]], normal), [[0, 3, 0]], atol=1e-9)


def test_so_many_normal_samples_are_looked_at():
    every, some = explain(ROWS[:3] + 1, ROWS), explain(ROWS[:3] + 1, ROWS, nsamples=10)
    assert (every != some).any()
    np.testing.assert_array_equal(some, explain(ROWS[:3] + 1, ROWS, nsamples=10))
    many = np.concatenate([ROWS] * 13 + [ROWS[:1] + 100.0])
    parameters = explainers.describe("pca-residual").parameters
    assert parameters["nsamples"].default == 1000
    assert (explain(ROWS[:3], many) != explain(ROWS[:3], many, nsamples=len(many))).any()
