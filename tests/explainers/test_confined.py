"""Losses and models that know values from 0 to 1 alone: each explainer answers, or says why not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy

from aexbench import Detector, SkipError, explainers
from aexbench.explainers.tools.confined import leaving_the_range
from tests.conftest import mlp
from tests.explainers.test_conformance import COSTLY, IMAGES, ROWS, of_images, of_rows

OUTSIDE = r"outside of the features' low and high.* \(.*\); use integrated-gradients"
OF_A_DIFFERENCE = "loss is not one of the difference x − x̂ alone"
OF_OTHER_SHAPES = "for images|over images|compares images|of single features|for series"
FOR_ROWS = {"deeplift": OF_A_DIFFERENCE, "smoothgrad": OUTSIDE, "lime": OUTSIDE}
FOR_IMAGES = {"deeplift": OF_A_DIFFERENCE, "smoothgrad": OUTSIDE}
OF_SERIES = {"last-value", "own-past", "seasonal"}
OTHERS = (
    {"blurred-deviation", "centre", "edges", "occlusion", "ssim-residual", *OF_SERIES},
    {"acme-ad", "per-feature-shap", *OF_SERIES},
)
NETWORKS = {
    "rows": (of_rows, ROWS, FOR_ROWS, OTHERS[0]),
    "images": (of_images, IMAGES, FOR_IMAGES, OTHERS[1]),
}


def cross_entropy(x, x_hat):
    return binary_cross_entropy(x_hat, x, reduction="none") / x.shape[1:].numel()


def relative(x, x_hat):
    return (x - x_hat).abs() / (x + 0.1) / x.shape[1:].numel()


def square(x, x_hat):
    return (x - x_hat).square() / x.shape[1:].numel()


class Asserting(nn.Module):
    """A network that refuses values outside of [0, 1]."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        assert torch.equal(x, x.clamp(0, 1)), "values lie in [0, 1]"
        return self.model(x)


def samples(kind):
    """Return samples with values at both ends of the range."""
    make, background, *_ = NETWORKS[kind]
    x = torch.as_tensor(np.array(background[:3])).to(make()[0].dtype)
    x[0], x[1] = x[0].round(), 1.0
    return x


def explained(name, detector, kind="rows"):
    background = NETWORKS[kind][1]
    made = explainers.create(name, detector, background=background, **COSTLY.get(name, {}))
    return made.explain(samples(kind))


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("name", explainers.names())
def test_a_cross_entropy_is_explained_or_the_reason_is_said(name, kind):
    make, _, refused, others = NETWORKS[kind]
    detector = Detector(make()[0].model, cross_entropy)
    if name in refused or name in others:
        with pytest.raises(SkipError, match=refused.get(name, OF_OTHER_SHAPES)):
            explained(name, detector, kind)
    else:
        assert explained(name, detector, kind).isfinite().all()


def test_the_saliency_of_a_cross_entropy_is_its_gradient():
    model, point = of_rows()[0].model, samples("rows").requires_grad_()
    binary_cross_entropy(model(point), point, reduction="none").mean(dim=1).sum().backward()
    found = explained("saliency", Detector(model, cross_entropy))
    torch.testing.assert_close(found, point.grad.abs())


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("name", ["saliency", "integrated-gradients", "counterfactual", "deeplift"])
def test_a_model_that_refuses_values_outside_is_asked_for_none(name, kind):
    model = NETWORKS[kind][0]()[0].model
    found = explained(name, Detector(Asserting(model)), kind)
    torch.testing.assert_close(found, explained(name, Detector(model), kind))


@pytest.mark.parametrize("name", ["smoothgrad", "lime", "arcana", "likelihood-compensation"])
def test_what_must_ask_for_values_outside_skips_such_a_model(name):
    model = Asserting(mlp((7, 3, 7), ("tanh", "identity")))
    with pytest.raises(SkipError, match=f"^{name} asks about values {OUTSIDE}"):
        explained(name, Detector(model))


def test_a_failure_of_another_kind_stays_what_it_is():
    detector, x = Detector(mlp((7, 3, 7), ("tanh", "sigmoid"))), samples("rows")
    with pytest.raises(KeyError, match="mine"), leaving_the_range("mine", detector, x):
        raise KeyError("mine")


def test_a_numpy_loss_that_knows_regular_values_alone_is_called_one_without_gradient():
    def loss(x, x_hat):
        return cross_entropy(x.detach(), x_hat.detach())

    with pytest.raises(SkipError, match="loss does not hang on x"):
        explained("saliency", Detector(of_rows()[0].model, loss))


def test_deeplift_tells_a_loss_of_differences_from_others():
    model = of_rows()[0].model
    torch.testing.assert_close(
        explained("deeplift", Detector(model, square)), explained("deeplift", Detector(model, "l2"))
    )
    with pytest.raises(SkipError, match=OF_A_DIFFERENCE):
        explained("deeplift", Detector(model, relative))
