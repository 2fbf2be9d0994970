from __future__ import annotations

import numpy as np
import pytest
import torch

from aexbench import Detector, RequestError, explainers
from tests.explainers.networks import UNet, trained

rng = np.random.default_rng(0)
WEIGHT, BIAS, X = rng.normal(size=(6, 6)) / 4, rng.normal(size=6) / 4, rng.random((4, 6))


class Linear(torch.nn.Module):
    """x̂ = W x + c, on samples of any shape."""

    def __init__(self):
        super().__init__()
        self.weight, self.bias = (
            torch.nn.Parameter(torch.tensor(WEIGHT)),
            torch.nn.Parameter(torch.tensor(BIAS)),
        )

    def forward(self, x):
        return (x.flatten(1) @ self.weight.T + self.bias).view(x.shape)


def twin(x, alpha, steps, rate, start):
    """One sample: the paper's objective, its gradient by hand, and Adam (Kingma and Ba, Algorithm
    1).
    """
    b = WEIGHT @ x + BIAS - x if start == "reconstruction" else np.zeros_like(x)
    first, second = np.zeros_like(x), np.zeros_like(x)
    for t in range(1, steps + 1):
        residual = x + b - (WEIGHT @ (x + b) + BIAS)
        gradient = (1 - alpha) / len(x) * (np.eye(len(x)) - WEIGHT).T @ residual + alpha / len(
            x
        ) * np.sign(b)
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        b = b - rate * (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.999**t)) + 1e-8)
    return np.abs(b)


def arcana(x, loss="l2", **parameters):
    return (
        explainers.create("arcana", Detector(Linear(), loss), **parameters)
        .explain(torch.as_tensor(x))
        .numpy()
    )


@pytest.mark.parametrize("start", ["reconstruction", "zero"])
@pytest.mark.parametrize(("alpha", "rate"), [(0.8, 1e-3), (0.1, 1e-2), (0.0, 1e-2)])
def test_is_the_papers_objective_by_adam(alpha, rate, start):
    expected = np.stack([twin(x, alpha, 60, rate, start) for x in X])
    found = arcana(X, alpha=alpha, rate=rate, steps=60, start=start)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_defaults_are_the_papers():
    np.testing.assert_allclose(
        arcana(X[:1])[0], twin(X[0], 0.8, 400, 1e-3, "reconstruction"), rtol=1e-9, atol=1e-12
    )


def test_without_a_step_it_is_the_residual():
    np.testing.assert_allclose(arcana(X, steps=0), np.abs(X @ WEIGHT.T + BIAS - X))


def test_sparsity_alone_moves_every_correction_by_the_rate():
    far = X + 5
    residual = np.abs(far @ WEIGHT.T + BIAS - far)
    assert residual.min() > 0.1
    np.testing.assert_allclose(arcana(far, alpha=1.0, steps=50), residual - 0.05, rtol=1e-6)


def test_the_error_is_squared_whatever_the_detectors_loss():
    np.testing.assert_array_equal(arcana(X, steps=20), arcana(X, "l1", steps=20))
    with pytest.raises(RequestError, match="loss"):
        explainers.create("arcana[loss=l1]", Detector(Linear()))


def test_images_are_like_tables():
    images = arcana(X.reshape(4, 1, 2, 3), steps=30, alpha=0.1)
    np.testing.assert_allclose(images.reshape(4, 6), arcana(X, steps=30, alpha=0.1), rtol=1e-12)


def test_it_takes_inference_mode_single_precision_and_no_samples():
    detector, x = Detector(UNet()), torch.rand(3, 1, 8, 8)
    explainer = explainers.create("arcana", detector, steps=5)
    expected = explainer.explain(x)
    with torch.inference_mode():
        torch.testing.assert_close(explainer.explain(torch.clone(x)), expected)
    assert expected.dtype == torch.float32
    assert explainer.explain(x[:0]).shape == (0, 1, 8, 8)


@pytest.mark.parametrize("wrong", ["alpha=1.1", "alpha=-0.1", "rate=0", "steps=-1", "start=mean"])
def test_wrong_parameters_are_named(wrong):
    with pytest.raises(RequestError, match=wrong.split("=")[0]):
        explainers.create(f"arcana[{wrong}]", Detector(Linear()))


def test_a_sample_of_a_trained_detector_is_explained_alone_as_in_a_batch():
    detector, _, x = trained()
    explainer = explainers.create("arcana", detector)
    alone, batch = (
        torch.cat([explainer.explain(one) for one in x[:6].split(1)]),
        explainer.explain(x[:6]),
    )
    torch.testing.assert_close(alone, batch, rtol=1e-6, atol=1e-9)
