from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from aexbench import Detector, Features, RequestError, explainers
from aexbench.running.controls import loss_ablated
from tests.explainers.networks import UNet, trained

rng = np.random.default_rng(0)
WEIGHT, BIAS = rng.normal(size=(6, 6)) / 3, rng.random(6)
X = rng.random((5, 6)) * 2 - 0.3  # some values lie outside of [0, 1]
BACKGROUND = rng.random((50, 6))


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


def constant(value: float) -> Linear:
    return Linear(np.zeros((6, 6)), np.full(6, value))


def counterfactual(x, model=None, features=None, background=BACKGROUND, **parameters):
    detector = Detector(model or Linear(), features=features or Features())
    explainer = explainers.create("counterfactual", detector, background=background, **parameters)
    return explainer.explain(torch.as_tensor(x)).numpy()


def error_of(x):
    return float(np.mean((x - WEIGHT @ x - BIAS) ** 2))


def twin(x, low, high, groups, quantile, steps):
    """One sample, one feature after the other: ISTA with backtracking along falling weights."""
    spans, numbers = high - low, np.unique(groups)

    def gradient_at(u):
        y = x + u * spans
        return 2 / len(x) * (np.eye(len(x)) - WEIGHT).T @ (y - WEIGHT @ y - BIAS) * spans

    def norm(v, number):
        return np.linalg.norm(v[groups == number])

    u, length = np.zeros_like(x), len(x) / 2 / np.mean(spans**2)  # of a mean of squares
    highest = max(norm(gradient_at(u), number) for number in numbers)
    target = min(np.quantile([error_of(row) for row in BACKGROUND], quantile), error_of(x) / 2)
    for step in range(1, steps + 1):
        weight, moved = highest * 0.001 ** (step / steps), np.zeros_like(u)
        aim = u - length * gradient_at(u)
        for number in numbers:
            size = norm(aim, number)
            moved[groups == number] = aim[groups == number] * max(0, 1 - length * weight / size)
        moved = (
            np.clip(x + moved * spans, np.minimum(low, x), np.maximum(high, x)) / spans - x / spans
        )
        way = moved - u
        promised = error_of(x + u * spans) + gradient_at(u) @ way + way @ way / (2 * length)
        if error_of(x + moved * spans) <= promised + 1e-14:
            u, length = moved, length * 1.2
        else:
            length /= 2
        if error_of(x + u * spans) <= target:
            break
    return np.abs(u), u


@pytest.mark.parametrize("quantile", [0.05, 0.95])
@pytest.mark.parametrize("groups", [None, (0, 0, 1, 2, 2, 2)])
def test_is_proximal_gradient_along_falling_weights(groups, quantile):
    low, high = np.array([0.0, -1, 0, 0, 0, 0.1]), np.array([1.0, 1, 2, 1, 1, 0.9])
    features = Features(low=tuple(low), high=tuple(high), groups=groups)
    numbers = np.arange(6) if groups is None else np.array(groups)
    expected = np.stack([twin(x, low, high, numbers, quantile, 80)[0] for x in X])
    found = counterfactual(X, features=features, quantile=quantile, steps=80)
    assert (expected > 0).any(axis=1).all()
    assert (expected == 0).any()
    np.testing.assert_allclose(
        found, expected, atol=3e-6
    )  # the order of what does not change adds 10⁻⁶


def test_a_mean_of_squares_is_repaired_by_a_soft_threshold():
    x = np.array([[0.9, 0.1, 0.5, 0.3, 0.8, 0.0]])
    found = counterfactual(x, constant(0.0), background=np.full((9, 6), 0.3))
    weights = 0.9 * 0.001 ** (np.arange(1, 201) / 200)  # of λ, times M/2
    repaired = [np.minimum(x, weight) for weight in weights]
    first = next(y for y in repaired if np.mean(y**2) <= 0.3**2)
    np.testing.assert_allclose(found, x - first, atol=1e-4)


def test_a_repaired_sample_is_normal_and_few_features_have_changed():
    low, high = np.zeros(6), np.ones(6)
    normal = np.quantile([error_of(row) for row in BACKGROUND], 0.95)
    broken = BACKGROUND[:5].copy()
    broken[:, 2] += 4
    found = counterfactual(broken)
    np.testing.assert_array_equal(found.argmax(axis=1), 2)
    for x, size in zip(broken, found, strict=True):
        sizes, change = twin(x, low, high, np.arange(6), 0.95, 200)
        assert error_of(x + change) <= min(normal, error_of(x) / 2)
        np.testing.assert_allclose(size, sizes, atol=3e-6)
        assert (size > 1e-4).sum() <= 3


def test_what_is_normal_already_is_explained_too():
    x = np.array([[0.1, 0.02, 0.05, 0.02, 0.03, 0.04]])
    found = counterfactual(x, constant(0.0), background=np.ones((9, 6)))
    assert found.argmax() == 0
    assert np.mean((x - found) ** 2) <= np.mean(x**2) / 2 + 1e-6


def test_what_does_not_change_is_ordered_by_its_gradient():
    x = np.array([[0.9, 0.05, 0.2, 0.15, 0.1, 0.25]])
    found = counterfactual(x, constant(0.0), background=np.full((9, 6), 0.5))
    assert (found[0, 1:] < 1e-5).all()
    np.testing.assert_array_equal(np.argsort(found[0]), np.argsort(x[0]))


@pytest.mark.parametrize("high", [1.0, 2.0])
def test_values_stay_in_their_range_or_where_they_were(high):
    x = np.array([[0.0, 0.5, 1.0, -0.5, 0.2, 3.0]])
    found = counterfactual(
        x, constant(-1.0), Features(high=high), np.full((9, 6), -1.0)
    )  # no error needs −1 everywhere
    np.testing.assert_allclose(found, np.array([[0.0, 0.5, 1.0, 0.0, 0.2, 3.0]]) / high, atol=1e-4)


def test_images_are_like_tables():
    images = counterfactual(X.reshape(5, 1, 2, 3), background=BACKGROUND.reshape(50, 1, 2, 3))
    np.testing.assert_allclose(images.reshape(5, 6), counterfactual(X), rtol=1e-9)


def test_an_error_without_gradient_and_a_sample_without_error_are_zero():
    x = np.zeros((2, 6))
    np.testing.assert_array_equal(counterfactual(x, constant(0.0)), 0)
    np.testing.assert_array_equal(counterfactual(X, torch.nn.Identity()), 0)
    ablated = loss_ablated(Detector(Linear()))
    made = explainers.create("counterfactual", ablated, background=BACKGROUND)
    assert not made.explain(torch.as_tensor(X)).any()


def test_it_takes_inference_mode_single_precision_and_no_samples():
    detector, x = Detector(UNet()), torch.rand(3, 1, 8, 8)
    explainer = explainers.create(
        "counterfactual", detector, background=np.ones((4, 1, 8, 8), np.float32), steps=9
    )
    expected = explainer.explain(x)
    with torch.inference_mode():
        torch.testing.assert_close(explainer.explain(torch.clone(x)), expected)
    assert expected.dtype == torch.float32
    assert explainer.explain(x[:0]).shape == (0, 1, 8, 8)


@pytest.mark.parametrize("wrong", ["quantile=1.1", "quantile=-0.1", "steps=0", "loss=l3"])
def test_wrong_parameters_are_named(wrong):
    with pytest.raises(RequestError, match=wrong.split("=")[0]):
        explainers.create(f"counterfactual[{wrong}]", Detector(Linear()), background=BACKGROUND)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_a_sample_of_a_trained_detector_is_explained_alone_as_in_a_batch(loss):
    detector, background, x = trained()
    explainer = explainers.create("counterfactual", detector, background=background, loss=loss)
    alone, batch = (
        torch.cat([explainer.explain(one) for one in x[:60].split(1)]),
        explainer.explain(x[:60]),
    )
    torch.testing.assert_close(alone, batch, rtol=1e-6, atol=1e-9)


def test_of_wide_samples_fewer_give_the_threshold(monkeypatch):
    asked = []
    monkeypatch.setattr("aexbench.rows.MOST_VALUES", 6 * 20)
    monkeypatch.setattr(
        Detector,
        "error",
        lambda self, x, error=Detector.error: asked.append(len(x)) or error(self, x),
    )
    explainers.create("counterfactual", Detector(Linear()), background=BACKGROUND)
    assert max(asked) == 20


def test_a_file_that_cannot_be_written_is_no_reason_to_warn(tmp_path):
    np.save(tmp_path / "normal.npy", BACKGROUND)
    rows = np.load(tmp_path / "normal.npy", mmap_mode="r")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(counterfactual(X, background=rows), counterfactual(X))
