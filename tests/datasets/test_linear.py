"""Data beside a linear autoencoder that is set by hand: where they lie, and what an anomaly is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aexbench import datasets
from tests.explainers.test_linear import FREE, M, P


@pytest.fixture(scope="module")
def made():
    return datasets.create("linear-autoencoder")


def halves(made):
    """Return the normal rows of the test, and what was made of each."""
    count = len(made.test) // 2
    return made.test[:count].astype(np.float64), made.test[count:].astype(np.float64)


def test_normal_rows_are_missed_by_the_noise_alone(made):
    clean = datasets.create("linear-autoencoder", noise=0.0)
    assert np.abs((clean.train - 0.5) @ P).max() < 1e-6
    missed = (made.train - 0.5) @ P
    # Eight of twelve directions are missed, each by a hundredth.
    assert (missed**2).sum(axis=1).mean() == pytest.approx(8 * 0.01**2, rel=0.05)
    assert clean.train.std(axis=0)[FREE] == pytest.approx(0.5 / np.sqrt(12), rel=0.05)


def test_the_network_is_the_projection_and_its_error_the_quadratic_form(made):
    detector, x = made.detector(), torch.as_tensor(made.test[-50:])
    d = x.numpy().astype(np.float64) - 0.5
    torch.testing.assert_close(
        detector.reconstruct(x).double(), torch.as_tensor(0.5 + d - d @ P), rtol=0, atol=1e-6
    )
    expected = np.einsum("ni,ij,nj->n", d, P, d) / M
    np.testing.assert_allclose(detector.error(x).numpy(), expected, rtol=1e-4)
    assert detector.report["roc_auc"] > 0.999


def test_an_anomaly_is_a_normal_row_with_a_known_change_of_known_features(made):
    normal, anomalous = halves(made)
    change, truth = anomalous - normal, made.test_truth[len(normal) :]
    np.testing.assert_allclose(np.abs(change[truth]), 0.2, atol=1e-6)
    assert not change[~truth].any()
    assert {-1.0, 1.0} == set(np.sign(change[truth]))
    assert not made.test_truth[: len(normal)].any()
    assert (made.test_labels == (np.arange(len(made.test)) >= len(normal))).all()
    assert (np.abs(made.test - 0.5) <= 0.5).all()


def test_one_feature_or_two_are_changed_and_never_the_free_one(made):
    normal, anomalous = halves(made)
    truth = made.test_truth[len(normal) :]
    kinds = made.test_kinds[len(normal) :]
    assert (truth.sum(axis=1) == np.where(kinds == "one", 1, 2)).all()
    assert (kinds == "one").mean() == 0.5
    assert (truth.any(axis=0) == (np.arange(M) != FREE)).all()
    assert len(anomalous) == 400


def test_rows_noise_change_and_seed_are_as_asked_for():
    small = datasets.create("linear-autoencoder", rows=100, noise=0.0, change=0.1)
    normal, anomalous = halves(small)
    assert (len(small.train), len(small.validation), len(normal)) == (60, 20, 20)
    assert np.abs(anomalous - normal).max() == pytest.approx(0.1, abs=1e-6)
    one, same, other = (
        datasets.create("linear-autoencoder", rows=60, seed=seed) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one.test, same.test)
    assert not np.array_equal(one.test, other.test)
