from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from aexbench import Detector, RequestError, explainers
from aexbench.explainers.tools.segments import Segments, spread
from tests.explainers.networks import UNet

lime_image = pytest.importorskip("lime.lime_image")

SLOPES = torch.tensor([0.4, -0.3, 0.0, 0.2, -0.1], dtype=torch.float64)
BACKGROUND = np.random.default_rng(0).random((400, 5))
X = torch.tensor([[0.9, 0.9, 0.9, 0.1, 0.1], [1.5, 0.2, 0.4, 0.6, 0.8]], dtype=torch.float64)


class Sloping(nn.Module):
    """With the L1 loss, e(x) = 10 + slopes · x."""

    def __init__(self):
        super().__init__()
        self.slopes = nn.Parameter(SLOPES.clone())

    def forward(self, x):
        return x - (10 + x @ self.slopes)[:, None]


class Counting(nn.Module):
    """Counts the rows that it is asked for."""

    def __init__(self):
        super().__init__()
        self.weight, self.rows = nn.Parameter(torch.ones(1)), 0

    def forward(self, x):
        self.rows += len(x)
        return x * 0.5 * self.weight


class OnePatch(nn.Module):
    """Keeps all but the upper left quarter of an image, of which it makes zeros."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, dtype=torch.float64))

    def forward(self, x):
        kept = torch.ones_like(x)
        kept[..., :4, :4] = 0
        return x * kept * self.weight


def lime(detector, background, **parameters):
    return explainers.create("lime", detector, background=background, **parameters)


@pytest.mark.parametrize("neighbours", ["sample", "background"])
def test_a_linear_error_gives_slope_times_distance_from_the_mean(neighbours):
    found = lime(Detector(Sloping(), "l1"), BACKGROUND, neighbours=neighbours).explain(X)
    expected = SLOPES * (X - torch.as_tensor(BACKGROUND.mean(axis=0)))
    torch.testing.assert_close(found, expected, rtol=5e-3, atol=1e-4)


def test_a_square_error_gives_its_gradient_at_the_sample():
    class Zero(Counting):
        def forward(self, x):
            return 0 * x * self.weight

    found = lime(Detector(Zero().double()), BACKGROUND, nsamples=20_000).explain(X)
    expected = 2 / 5 * X * (X - torch.as_tensor(BACKGROUND.mean(axis=0)))
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0.005)


def test_quartiles_give_the_error_in_the_samples_own_less_that_in_the_others():
    even = np.tile((np.arange(400)[:, None] + 0.5) / 400, 5)
    found = lime(Detector(Sloping(), "l1"), even, neighbours="quartiles", nsamples=20_000).explain(
        X[:1]
    )
    sides = torch.tensor(
        [1, 1, 1, -1, -1]
    )  # quartile means lie at 1/8, 3/8, 5/8, 7/8; of the other three, half away
    torch.testing.assert_close(found[0], SLOPES * sides / 2, rtol=0.05, atol=0.01)


def test_on_images_the_segment_that_makes_the_error_has_all_of_it():
    image, normal = torch.rand(1, 2, 8, 8, dtype=torch.float64), np.full((3, 2, 8, 8), 0.25)
    detector = Detector(OnePatch())
    found = lime(detector, normal, segments="patches", count=4).explain(image)
    patch = found[:, :, :4, :4]
    gain = detector.error(image) - detector.error(torch.full_like(image, 0.25))
    torch.testing.assert_close(patch.sum().view(1), gain, rtol=0.03, atol=0)
    torch.testing.assert_close(patch, patch.mean().expand_as(patch))
    assert float(found.sum() - patch.sum()) == pytest.approx(0, abs=0.03 * float(patch.abs().sum()))


@pytest.mark.parametrize("kind", ["slic", "patches"])
def test_images_are_as_by_the_packages_own_image_explainer(kind):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 3, padding=1)
        ).double()
        image = torch.rand(1, 3, 12, 12, dtype=torch.float64)
    detector = Detector(model)
    explainer = lime(detector, np.full((2, 3, 12, 12), 0.5), nsamples=200, segments=kind, count=9)
    numbers = Segments(kind, 9).numbers(image, detector.features)
    found = explainer.explain(image)
    explainer._reseed(image)
    told = lime_image.LimeImageExplainer(
        random_state=explainer.random, feature_selection="none"
    ).explain_instance(
        image[0].permute(1, 2, 0).numpy(),
        lambda images: detector.error(torch.as_tensor(images).permute(0, 3, 1, 2))[:, None].numpy(),
        labels=(0,),
        hide_color=0.5,
        top_labels=None,
        num_samples=200,
        segmentation_fn=lambda _: numbers[0, 0].numpy(),
        random_seed=0,
    )
    weights = torch.tensor(
        [[weight for _, weight in sorted(told.local_exp[0])]], dtype=torch.float64
    )
    torch.testing.assert_close(found, spread(weights, numbers), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(("shape", "default"), [((5,), 5000), ((1, 8, 8), 1000)])
def test_takes_as_many_samples_as_it_says(shape, default):
    x, model = torch.rand(1, *shape), Counting()
    for given, expected in (({}, default), ({"nsamples": 70}, 70)):
        explainer = lime(
            Detector(model), torch.rand(9, *shape).numpy(), segments="patches", **given
        )
        explainer.explain(x)
        before = model.rows
        explainer.explain(x)
        assert model.rows - before == expected


def test_another_seed_draws_other_samples():
    detector = Detector(nn.Sequential(nn.Linear(5, 5), nn.Tanh()).double())
    one, same, other = (
        lime(detector, BACKGROUND, nsamples=50, seed=seed).explain(X) for seed in (0, 0, 1)
    )
    torch.testing.assert_close(one, same, rtol=0, atol=0)
    assert not torch.allclose(one, other)


def test_another_loss_is_another_error():
    found = [
        lime(Detector(Sloping(), own), BACKGROUND, loss=loss).explain(X)
        for own, loss in (("l2", "l1"), ("l1", None))
    ]
    torch.testing.assert_close(*found, rtol=0, atol=0)


def test_no_samples_and_images_in_single_precision():
    explainer = lime(Detector(UNet()), np.ones((4, 1, 8, 8), np.float32), nsamples=20)
    assert explainer.explain(torch.rand(2, 1, 8, 8)).dtype == torch.float32
    assert explainer.explain(torch.rand(0, 1, 8, 8)).shape == (0, 1, 8, 8)


@pytest.mark.parametrize("wrong", ["nsamples=1", "neighbours=mean", "seed=-1", "count=0"])
def test_wrong_parameters_are_named(wrong):
    with pytest.raises(RequestError, match=wrong.split("=")[0]):
        lime(Detector(Sloping()), BACKGROUND, **dict([wrong.split("=")]))
