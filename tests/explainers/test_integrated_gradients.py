from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from aexbench import Detector, Features, RequestError, datasets, explainers
from aexbench.running.controls import controlled
from tests.conftest import mlp
from tests.explainers import shapley_twin

SMOOTH = mlp((5, 4, 2, 4, 5), ("tanh", "tanh", "sigmoid", "identity"))
KINKED = mlp(
    (5, 6, 3, 6, 5), ("relu", "relu", "relu", "sigmoid"), seed=4
)  # units of every layer switch on X
NORMAL = np.random.default_rng(1).random((60, 5)).astype(np.float32)
X = torch.as_tensor(np.random.default_rng(2).uniform(-0.2, 1.2, (6, 5)))


def made(detector: Detector, normal: np.ndarray = NORMAL, **parameters: object):
    return explainers.create("integrated-gradients", detector, background=normal, **parameters)


def gradient_by_hand(model: torch.nn.Sequential, loss: str, row: np.ndarray) -> np.ndarray:
    """∂e/∂x of a stack of linear layers and activations: the chain rule, one layer at a time, in
    numpy.
    """
    value, jacobian = row, np.eye(len(row))
    for module in model:
        if isinstance(module, torch.nn.Linear):
            weight, bias = module.weight.detach().numpy(), module.bias.detach().numpy()
            value, jacobian = weight @ value + bias, weight @ jacobian
        elif isinstance(module, torch.nn.ReLU):
            value, jacobian = np.maximum(value, 0), (value > 0)[:, None] * jacobian
        elif isinstance(module, torch.nn.Sigmoid):
            value = 1 / (1 + np.exp(-value))
            jacobian = (value * (1 - value))[:, None] * jacobian
        elif isinstance(module, torch.nn.Tanh):
            value = np.tanh(value)
            jacobian = (1 - value**2)[:, None] * jacobian
        else:
            assert isinstance(module, torch.nn.Identity)
    d = row - value
    slope = 2 * d if loss == "l2" else np.sign(d)
    return slope @ (np.eye(len(row)) - jacobian) / len(row)


@pytest.mark.parametrize("loss", ["l1", "l2"])
@pytest.mark.parametrize("model", [SMOOTH, KINKED])
def test_equals_the_slow_twin(model, loss):
    mean = NORMAL.mean(axis=0, dtype=np.float64)

    def gradient(row: np.ndarray) -> np.ndarray:
        return gradient_by_hand(model, loss, row)

    expected = [shapley_twin.integrated_gradients(gradient, row, mean, 40) for row in X.numpy()]
    found = made(Detector(model), loss=loss, steps=40).explain(X)
    np.testing.assert_allclose(
        found.numpy(), np.stack(expected), rtol=1e-6, atol=1e-9
    )  # captum counts in float32


def linear_autoencoder(size: int = 5) -> tuple[Detector, torch.Tensor, torch.Tensor]:
    """x̂ = A x + c; returned with R = I − A and c: x − x̂ = R x − c."""
    model = mlp((size, 2, size), ("identity", "identity"))
    down, _, up, _ = model
    A, c = up.weight @ down.weight, up.weight @ down.bias + up.bias
    return Detector(model), (torch.eye(size).double() - A).detach(), c.detach()


@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_linear_autoencoder_has_a_closed_form(loss):
    """On the line d = x − x̂ is linear: the mean slope of the loss is (d + d₀)/m (l2), (|d| −
    |d₀|)/(d − d₀)/m (l1).
    """
    detector, R, c = linear_autoencoder()
    b = torch.as_tensor(NORMAL.mean(axis=0, dtype=np.float64))
    d, start = X @ R.T - c, R @ b - c
    slope = d + start if loss == "l2" else (d.abs() - start.abs()) / (d - start)
    expected = (X - b) * (slope @ R) / 5
    found = made(detector, loss=loss, steps=2 if loss == "l2" else 20_000).explain(
        X
    )  # l2: the gradient is linear
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-7 if loss == "l2" else 1e-4)


def test_linear_autoencoder_equals_the_quadratic_form_of_the_error():
    detector, R, c = linear_autoencoder()
    Q, q, _ = shapley_twin.linear_error(np.eye(5) - R.numpy(), c.numpy())
    zeros = np.zeros(5)
    expected = [shapley_twin.quadratic_integrated_gradients(Q, q, row, zeros) for row in X.numpy()]
    np.testing.assert_allclose(
        made(detector, baseline="zeros", steps=2).explain(X).numpy(), expected, atol=1e-7
    )


@pytest.mark.parametrize("baseline", ["mean", "zeros", "nearest", "reconstruction"])
@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_completeness_to_a_thousandth(baseline, loss):
    detector = Detector(KINKED, loss)
    explainer = made(detector, baseline=baseline, steps=3000)
    attributions = explainer.explain(X)
    start = {
        "mean": torch.as_tensor(NORMAL.mean(axis=0, dtype=np.float64)).expand_as(X),
        "zeros": torch.zeros_like(X),
        "nearest": torch.as_tensor(NORMAL)[
            torch.cdist(X, torch.as_tensor(NORMAL).double()).argmin(dim=1)
        ].double(),
        "reconstruction": KINKED(X).detach(),
    }[baseline]
    missed = attributions.sum(1) - (detector.error(X) - detector.error(start))
    assert float((missed.abs() / detector.error(X)).max()) < 1e-3
    torch.testing.assert_close(explainer.delta(X), missed)
    torch.testing.assert_close(explainer.delta(X, attributions), missed)


def test_default_steps_are_complete_on_a_trained_detector():
    wine = datasets.create("wine")
    detector, x = wine.detector(), torch.as_tensor(wine.test)
    for loss in ("l1", "l2"):
        explainer = made(detector, wine.train, loss=loss)
        missed = explainer.delta(x).abs() / detector.with_loss(loss).error(x)
        assert float(missed.median()) < 1e-3
        assert float(missed.quantile(0.95)) < 3e-3


def test_delta_falls_with_more_steps():
    coarse, fine = (
        made(Detector(KINKED, "l1"), steps=steps).delta(X).abs().mean() for steps in (10, 1000)
    )
    assert float(fine) < float(coarse) / 10


def test_images_and_feature_groups_have_the_shape_of_their_samples():
    images = torch.rand(3, 2, 6, 6, dtype=torch.float64)
    model = torch.nn.Sequential(torch.nn.Conv2d(2, 2, 3, padding=1), torch.nn.Sigmoid()).double()
    normal = np.random.default_rng(0).random((9, 2, 6, 6)).astype(np.float32)
    explainer = made(Detector(model), normal, steps=100)
    found = explainer.explain(images)
    assert found.shape == images.shape
    gap = Detector(model).error(images) - Detector(model).error(
        torch.as_tensor(normal).double().mean(0, keepdim=True)
    )
    torch.testing.assert_close(found.flatten(1).sum(1), gap, rtol=1e-4, atol=0)
    grouped = Detector(KINKED, features=Features(groups=(0, 0, 1, 1, 2)))
    torch.testing.assert_close(
        made(grouped, steps=20).explain(X), made(Detector(KINKED), steps=20).explain(X)
    )


def test_memory_of_one_sample_changes_nothing():
    whole, split = Detector(KINKED), Detector(KINKED)
    split._chunks[(5,)] = 7  # rows that fit at once: fewer than a sample's steps
    torch.testing.assert_close(
        made(split, steps=50).explain(X), made(whole, steps=50).explain(X), rtol=1e-6, atol=1e-9
    )


def test_inference_mode_no_samples_and_no_warnings():
    explainer = made(Detector(KINKED), steps=20)
    expected = explainer.explain(X)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.testing.assert_close(explainer.explain(X * 1), expected)
        assert explainer.explain(X[:0]).shape == (0, 5)
        assert explainer.delta(X[:0]).shape == (0,)


def test_half_precision_and_whole_numbers():
    model = mlp((5, 3, 5), ("relu", "sigmoid"))
    expected = made(Detector(model), steps=50).explain(torch.ones(1, 5))
    torch.testing.assert_close(
        made(Detector(model), steps=50).explain(torch.ones(1, 5, dtype=torch.int64)), expected
    )
    half = made(Detector(mlp((5, 3, 5), ("relu", "sigmoid")).bfloat16()), steps=50).explain(
        torch.ones(1, 5)
    )
    assert float((half - expected).abs().max()) < 0.05 * float(expected.abs().max())


def test_a_constant_error_has_no_attributions():
    ablated = controlled(Detector(KINKED), "loss-ablated", 0)
    assert not made(ablated, steps=5).explain(X).any()


def test_wrong_parameters_are_named():
    for wrong in ({"steps": 1}, {"baseline": "median"}, {"loss": "l3"}):
        with pytest.raises(RequestError, match=next(iter(wrong))):
            made(Detector(KINKED), **wrong)


def test_what_it_measures_is_its_gap_as_a_share_of_the_greater_error():
    explainer = made(Detector(KINKED, "l1"), NORMAL + 0.3, steps=10)
    found = explainer.explain(X)
    at_x, at_mean = (
        explainer.detector.error(at)
        for at in (X, (NORMAL + 0.3).mean(axis=0, dtype=np.float64)[None])
    )
    assert (at_x < at_mean).any()
    assert (at_x > at_mean).any()
    for attributions in (found, 2 * found):
        gap = (attributions.sum(1) - at_x + at_mean).abs() / torch.maximum(at_x, at_mean)
        torch.testing.assert_close(
            explainer.measures(X, attributions), {"gap to completeness": gap}
        )


@pytest.mark.parametrize(("missing", "refused"), [(0.09, False), (0.11, True)])
def test_attributions_that_miss_a_tenth_of_the_error_are_no_answer(missing, refused):
    explainer = made(Detector(SMOOTH), steps=1000)
    greater = torch.maximum(
        explainer.detector.error(X), explainer.detector.error(explainer.baseline(X))
    )
    short = explainer.explain(X)
    short[:, 0] -= missing * greater
    if refused:
        with pytest.raises(ValueError, match=r"miss 11% of the error"):
            explainer._check(X, short)
    else:
        explainer._check(X, short)


def test_one_sample_that_misses_its_error_is_outvoted_by_five_that_do_not():
    explainer = made(Detector(SMOOTH), steps=1000)
    errors = [explainer.detector.error(one) for one in (X, explainer.baseline(X))]
    short = explainer.explain(X)
    short[0, 0] -= 0.9 * torch.maximum(*errors)[0]
    explainer._check(X, short)


def test_no_error_at_all_has_no_gap():
    explainer = made(Detector(torch.nn.Identity()), steps=5)
    assert (
        explainer.measures(X.float(), explainer.explain(X.float()))["gap to completeness"].tolist()
        == [0.0] * 6
    )
