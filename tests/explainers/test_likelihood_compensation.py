"""Likelihood compensation, beside scikit-learn's elastic net and a general minimiser."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.linear_model import ElasticNet

from aexbench import Detector, Features, RequestError, explainers
from aexbench.rows import sample
from aexbench.running.controls import loss_ablated
from tests.conftest import mlp
from tests.explainers.networks import UNet, trained

rng = np.random.default_rng(0)
WEIGHT, BIAS = rng.normal(size=(6, 6)) / 3, rng.random(6)
X = rng.random((5, 6)) * 2 - 0.3
BACKGROUND = rng.random((50, 6))
SMOOTH = mlp((5, 3, 5), ("tanh", "identity"))


class Linear(torch.nn.Module):
    """x̂ = W x + c, on samples of any shape."""

    def __init__(self, weight=WEIGHT, bias=BIAS):
        super().__init__()
        self.weight, self.bias = (
            torch.nn.Parameter(torch.tensor(weight)),
            torch.nn.Parameter(torch.tensor(bias)),
        )

    def forward(self, x):
        return (x.flatten(1) @ self.weight.T + self.bias).view(x.shape)


def compensation(x, model=None, features=None, background=BACKGROUND, loss="l2", **parameters):
    detector = Detector(model or Linear(), loss, features or Features())
    made = explainers.create(
        "likelihood-compensation", detector, background=background, **parameters
    )
    return made.explain(torch.as_tensor(x)).numpy()


def variance(background=BACKGROUND):
    """The mean squared error of normal samples, over samples and columns."""
    return np.mean([np.mean((row - WEIGHT @ row - BIAS) ** 2) for row in background])


def twin(x, spans=1.0, l2=0.1, l1_ratio=0.5):
    """The elastic net of the residual x − x̂ on what the columns change of it.

    scikit-learn minimises ‖y − A u‖²/(2 M) + α r ‖u‖₁ + α (1 − r) ‖u‖²/2.
    """
    changes = (np.eye(6) - WEIGHT) * spans / np.sqrt(12)  # of the residual, per column
    residual = x - WEIGHT @ x - BIAS
    first, second = (penalty * variance() / 6 for penalty in (l2 * l1_ratio, l2))
    net = ElasticNet(
        alpha=first + second,
        l1_ratio=first / (first + second),
        fit_intercept=False,
        tol=1e-14,
        max_iter=10**6,
    )
    return net.fit(changes, -residual).coef_


@pytest.mark.parametrize(("l2", "l1_ratio"), [(0.1, 0.5), (0.1, 0.0), (2.0, 0.1), (0.05, 20.0)])
@pytest.mark.parametrize("spans", [1.0, np.array([1, 2, 0.5, 1, 1, 0.8])])
def test_is_the_elastic_net_of_a_linear_autoencoder(spans, l2, l1_ratio):
    features = Features(low=0.0, high=tuple(np.broadcast_to(spans, 6)))
    expected = np.stack([np.abs(twin(x, spans, l2, l1_ratio)) for x in X])
    found = compensation(X, features=features, l2=l2, l1_ratio=l1_ratio, steps=800)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert (expected == 0).any() or l1_ratio < 1
    assert (expected > 0).all() or l1_ratio > 0


def test_defaults_are_the_programs_and_reach_the_minimum():
    expected = np.stack([np.abs(twin(x)) for x in X])
    found = compensation(X)
    np.testing.assert_allclose(found, expected, atol=0.02 * expected.max())


def test_without_absolute_values_it_is_a_ridge_in_closed_form():
    changes, residuals = (np.eye(6) - WEIGHT) / np.sqrt(12), X - X @ WEIGHT.T - BIAS
    hessian = changes.T @ changes / variance() + 0.1 * np.eye(6)
    expected = np.abs(np.linalg.solve(hessian, changes.T @ residuals.T / variance()).T)
    np.testing.assert_allclose(compensation(X, l1_ratio=0.0, steps=800), expected, atol=1e-6)


def test_is_the_minimum_of_a_network_too():
    """From the same start: a bounded quasi-Newton search over the positive and negative parts."""
    background = np.random.default_rng(1).random((40, 5))
    with torch.no_grad():
        normal = torch.as_tensor(background)
        noise = float((normal - SMOOTH(normal)).square().mean())

    def objective(parts, row):
        parts = torch.tensor(parts, requires_grad=True)
        u = parts[:5] - parts[5:]
        point = (row + u / 12**0.5)[None]
        value = (point - SMOOTH(point)).square().sum() / (2 * noise)
        value = value + 0.05 * u.square().sum() + 0.05 * parts.sum()
        value.backward()
        return value.item(), parts.grad.numpy()

    rows = torch.rand(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) * 2
    found = compensation(rows, SMOOTH, background=background, steps=600)
    for row, sizes in zip(rows, found, strict=True):
        searched = minimize(
            objective,
            np.zeros(10),
            args=(row,),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, None)] * 10,
            options={"maxiter": 5000, "ftol": 1e-15, "gtol": 1e-10},
        )
        np.testing.assert_allclose(sizes, np.abs(searched.x[:5] - searched.x[5:]), atol=1e-4)


def test_the_constant_zero_is_a_soft_threshold():
    """x̂ = 0: each column by itself, x + s u = 0 but for what the prior keeps."""
    x = np.array([[0.9, 0.1, 0.5, 0.003, 0.8, 0.0]])
    background = np.full((9, 6), 0.3)
    found = compensation(x, Linear(np.zeros((6, 6)), np.zeros(6)), background=background, steps=500)
    curvature, pull = 1 / 12 / 0.09, x / np.sqrt(12) / 0.09
    expected = np.maximum(pull - 0.05, 0) / (curvature + 0.1)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert found[0, 3] == 0


def test_a_broken_column_is_compensated_and_a_normal_sample_hardly():
    """Beside a network that keeps two directions of six."""
    basis = np.linalg.qr(np.random.default_rng(2).normal(size=(6, 2)))[0]
    low = 0.5 + 0.1 * np.random.default_rng(3).normal(size=(60, 2)) @ basis.T
    normal = low + 0.01 * np.random.default_rng(4).normal(size=low.shape)
    model = Linear(basis @ basis.T, 0.5 - basis @ basis.T @ np.full(6, 0.5))
    broken = normal[:6] + 0.5 * np.eye(6)
    found = compensation(broken, model, background=normal)
    assert (found.argmax(axis=1) == np.arange(6)).all()
    assert compensation(normal[:6], model, background=normal).max() < 0.1 * found.max()


def test_the_error_is_squared_whatever_the_detectors_loss():
    np.testing.assert_array_equal(compensation(X, steps=20), compensation(X, loss="l1", steps=20))
    with pytest.raises(RequestError, match="loss"):
        explainers.create(
            "likelihood-compensation[loss=l1]", Detector(Linear()), background=BACKGROUND
        )


def test_a_perfect_network_counts_a_thousandth_of_the_range_as_noise():
    """x̂ = ½ and normal samples there: σ = 1/1000."""
    half = Linear(np.zeros((6, 6)), np.full(6, 0.5))
    x = np.full((1, 6), 0.5) + 0.001 * np.eye(6)[:1]
    found = compensation(x, half, background=np.full((9, 6), 0.5), steps=500)
    curvature, pull = 1 / 12 / 1e-6, 0.001 / np.sqrt(12) / 1e-6
    np.testing.assert_allclose(found[0, 0], (pull - 0.05) / (curvature + 0.1), rtol=1e-9)
    assert not found[0, 1:].any()


def test_the_noise_comes_from_a_bounded_sample(monkeypatch):
    monkeypatch.setattr("aexbench.rows.MOST_VALUES", 12 * 6 + 1)
    few = compensation(X, steps=5)
    monkeypatch.undo()
    np.testing.assert_array_equal(few, compensation(X, background=sample(BACKGROUND, 12), steps=5))
    assert not np.array_equal(few, compensation(X, steps=5))


def test_images_are_like_tables():
    images = compensation(X.reshape(5, 1, 2, 3), background=BACKGROUND.reshape(50, 1, 2, 3))
    np.testing.assert_allclose(images.reshape(5, 6), compensation(X), rtol=1e-9)


def test_an_error_without_cause_needs_no_correction():
    assert not compensation(X, torch.nn.Identity()).any()
    made = explainers.create(
        "likelihood-compensation", loss_ablated(Detector(Linear())), background=BACKGROUND
    )
    assert not made.explain(torch.as_tensor(X)).any()


class Watched(Detector):
    """Counts the rows whose error is asked for."""

    rows = 0

    def error(self, x):
        type(self).rows += len(x)
        return super().error(x)


def test_a_step_asks_for_two_rows():
    made = explainers.create(
        "likelihood-compensation", Watched(Linear()), background=BACKGROUND, steps=7
    )
    made.explain(torch.as_tensor(X))
    Watched.rows = 0
    made.explain(torch.as_tensor(X))
    assert Watched.rows == len(X) * (1 + 2 * 7)


def test_it_takes_inference_mode_single_precision_and_no_samples():
    detector, x = Detector(UNet()), torch.rand(3, 1, 8, 8)
    made = explainers.create(
        "likelihood-compensation", detector, background=np.ones((4, 1, 8, 8), np.float32), steps=9
    )
    expected = made.explain(x)
    with torch.inference_mode():
        torch.testing.assert_close(made.explain(torch.clone(x)), expected)
    assert expected.dtype == torch.float32
    assert made.explain(x[:0]).shape == (0, 1, 8, 8)


@pytest.mark.parametrize("wrong", ["l2=0", "l1_ratio=-0.1", "steps=0"])
def test_wrong_parameters_are_named(wrong):
    with pytest.raises(RequestError, match=wrong.split("=")[0]):
        explainers.create(
            f"likelihood-compensation[{wrong}]", Detector(Linear()), background=BACKGROUND
        )


def test_a_sample_of_a_trained_detector_is_explained_alone_as_in_a_batch():
    detector, background, x = trained()
    made = explainers.create("likelihood-compensation", detector, background=background)
    alone = torch.cat([made.explain(one) for one in x[:6].split(1)])
    torch.testing.assert_close(alone, made.explain(x[:6]), rtol=1e-6, atol=1e-6)
