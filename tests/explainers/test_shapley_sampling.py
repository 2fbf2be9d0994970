from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from captum import attr

from aexbench import Detector, Features, RequestError
from aexbench.explainers.tools.seeding import generators
from aexbench.explainers.tools.segments import Segments
from tests.conftest import mlp
from tests.explainers import shapley_twin
from tests.explainers.cases import KINKED, NORMAL, X, explain
from tests.explainers.oblong_images import IMAGES, NORMAL_IMAGES, convolutions

MEAN = NORMAL.mean(axis=0, dtype=np.float64)


@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_shapley_sampling_equals_captum_on_the_same_orders(loss):
    detector = Detector(KINKED, loss)
    found = explain("shapley-sampling", detector, nsamples=20, seed=4)
    for i, generator in enumerate(generators(X, 4)):
        orders = (
            generator.random((20, 5)).argsort(axis=1).argsort(axis=1).tolist()
        )  # from places to orders
        method = attr.ShapleyValueSampling(detector.error)
        method.permutation_generator = lambda features, samples, orders=orders: orders
        expected = method.attribute(X[i : i + 1], torch.as_tensor(MEAN)[None], n_samples=20)
        torch.testing.assert_close(found[i : i + 1], expected.double(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_shapley_sampling_is_within_chance_of_the_exact_values(loss):
    detector = Detector(KINKED, loss)

    def error(rows: np.ndarray) -> np.ndarray:
        return detector.error(rows).numpy()

    expected = np.stack([shapley_twin.exact_shapley(error, row, MEAN[None]) for row in X.numpy()])
    found = np.stack(
        [explain("shapley-sampling", detector, seed=seed).numpy() for seed in range(100)]
    )
    chance = found.std(axis=0) / 10
    assert chance.min() > 0
    assert (np.abs(found.mean(axis=0) - expected) / chance).max() < 4.5


def test_shapley_sampling_of_a_linear_autoencoder_comes_to_its_closed_form():
    """e is a quadratic form, whose interactions are pairs: two opposite orders
    suffice on average.
    """
    model = mlp((5, 2, 5), ("identity", "identity"))
    down, _, up, _ = model
    A, c = (
        (up.weight @ down.weight).detach().numpy(),
        (up.weight @ down.bias + up.bias).detach().numpy(),
    )
    Q, q, _ = shapley_twin.linear_error(A, c)
    expected = np.stack(
        [shapley_twin.quadratic_shapley(Q, q, row, MEAN[None]) for row in X.numpy()]
    )
    found = explain("shapley-sampling", Detector(model), nsamples=20_000).numpy()
    assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()


@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_shapley_sampling_sums_to_the_difference_of_the_errors(loss):
    detector = Detector(KINKED, loss)
    gap = detector.error(X) - detector.error(MEAN[None])
    torch.testing.assert_close(explain("shapley-sampling", detector, nsamples=1).sum(1), gap)
    single = Detector(mlp((5, 4, 5), ("relu", "sigmoid")).float(), loss)
    gap = single.error(X) - single.error(MEAN[None])
    torch.testing.assert_close(
        explain("shapley-sampling", single).sum(1), gap.float(), rtol=1e-3, atol=1e-6
    )
    images = convolutions().with_loss(loss)
    gap = images.error(IMAGES) - images.error(NORMAL_IMAGES.mean(axis=0, dtype=np.float64)[None])
    for kind in ("slic", "patches"):
        found = explain(
            "shapley-sampling", images, IMAGES, NORMAL_IMAGES, segments=kind, count=6, nsamples=2
        )
        torch.testing.assert_close(found.flatten(1).sum(1), gap)


def test_shapley_sampling_shares_a_group_or_a_segment_equally():
    grouped = Detector(KINKED, features=Features(groups=(0, 1, 0, 1, 2)))
    found = explain("shapley-sampling", grouped)
    torch.testing.assert_close(found[:, 0], found[:, 2])
    torch.testing.assert_close(found[:, 1], found[:, 3])
    assert not torch.allclose(found[:, 0], found[:, 1])
    images = explain(
        "shapley-sampling", convolutions(), IMAGES, NORMAL_IMAGES, segments="patches", count=6
    )
    numbers = Segments("patches", 6).numbers(IMAGES, Features())
    assert numbers.max() == 5
    for number in range(6):
        for image, belongs in zip(images, numbers == number, strict=True):
            assert image[belongs].std() < 1e-12


def test_shapley_sampling_of_superpixels_equals_captum_on_the_same_orders():
    detector, rng = convolutions(), np.random.default_rng(5)
    images = torch.as_tensor(np.kron(rng.random((4, 2, 6, 6)), np.ones((1, 1, 3, 3))))
    normal = rng.random((9, 2, 18, 18)).astype(np.float32)
    found = explain("shapley-sampling", detector, images, normal, count=8, nsamples=5)
    counts = set()
    for i, generator in enumerate(generators(images, 0)):
        numbers = Segments("slic", 8).numbers(images[i : i + 1], Features()).contiguous()
        counts.add(own := int(numbers.max()) + 1)
        orders = generator.random((5, own)).argsort(axis=1).argsort(axis=1).tolist()
        method = attr.ShapleyValueSampling(detector.error)
        method.permutation_generator = lambda features, samples, orders=orders: orders
        mean = torch.as_tensor(normal).double().mean(dim=0, keepdim=True)
        whole = method.attribute(images[i : i + 1], mean, feature_mask=numbers)
        sizes = torch.bincount(numbers.flatten())[numbers]
        torch.testing.assert_close(found[i : i + 1], (whole / sizes).double(), rtol=1e-4, atol=1e-9)
    assert len(counts) > 1  # images of one batch with different numbers of segments


def test_shapley_sampling_in_little_memory_in_inference_mode_and_without_samples():
    whole, tight = Detector(KINKED), Detector(KINKED)
    tight._chunks[(5,)] = 3
    expected = explain("shapley-sampling", whole)
    torch.testing.assert_close(explain("shapley-sampling", tight), expected)
    assert not torch.allclose(explain("shapley-sampling", whole, seed=1), expected)
    with torch.inference_mode():
        torch.testing.assert_close(explain("shapley-sampling", whole, X * 1), expected)
    assert explain("shapley-sampling", whole, X[:0]).shape == (0, 5)


def test_wrong_parameters_are_named():
    for wrong in ({"nsamples": 0}, {"segments": "squares"}, {"count": 0}, {"seed": -1}):
        with pytest.raises(RequestError, match=next(iter(wrong))):
            explain("shapley-sampling", Detector(KINKED), **wrong)


def test_shapley_sampling_walks_captums_number_of_orders(monkeypatch):
    error, asked = Detector.error, []
    monkeypatch.setattr(Detector, "error", lambda self, x: asked.append(len(x)) or error(self, x))
    explain("shapley-sampling", Detector(KINKED), X[:1])
    default = inspect.signature(attr.ShapleyValueSampling.attribute).parameters["n_samples"].default
    assert max(asked) == default * 6  # features + 1 rows each
