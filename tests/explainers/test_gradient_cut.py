"""What differentiates the error asks whether x̂ hangs on x for autograd, and says so where not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from aexbench import Detector, SkipError, explainers
from aexbench.explainers.tools import gradients
from aexbench.running.controls import loss_ablated
from tests.conftest import mlp
from tests.explainers.cases import convolutions
from tests.explainers.test_conformance import COSTLY

FAMILY = [
    "saliency",
    "input-x-gradient",
    "smoothgrad",
    "gradient-shap",
    "integrated-gradients",
    "deeplift",
    "arcana",
    "counterfactual",
    "likelihood-compensation",
]
OTHERS = ["residual", "repair", "acme-ad", "kernelshap-batched", "shapley-sampling"]
ROWS = np.random.default_rng(0).random((30, 8)).astype(np.float32)
X = torch.as_tensor(np.random.default_rng(1).random((7, 8))).float()


class Through(nn.Module):
    """A network whose forward pass is a function of its layers and x."""

    def __init__(self, forward, dtype=torch.float32):
        super().__init__()
        self.net = mlp((8, 6, 4, 6, 8), ("relu", "tanh", "relu", "identity"), seed=1).to(dtype)
        self.way = forward

    def forward(self, x):
        return self.way(self.net, x)


def without_gradient(net, x):
    with torch.no_grad():
        return net(x)


def encoder_without_gradient(net, x):
    """x̂ requires a gradient, for the decoder's weights alone."""
    with torch.no_grad():
        hidden = net[:4](x)
    return net[4:](hidden)


def in_inference_mode(net, x):
    with torch.inference_mode():
        return net(x)


def detached(net, x):
    return net(x.detach())


def by_data(net, x):
    return net[1:](net[0](x.data))


def by_numpy(net, x):
    values = np.tanh(x.detach().cpu().numpy() @ net[0].weight.detach().numpy().T)
    return torch.as_tensor(values @ net[0].weight.detach().numpy())


def rounded_by_an_index(net, x):
    """The nearest entry of a code book, without a straight-through estimator."""
    hidden = net[:2](x)
    book = torch.linspace(0, 1, 9)
    return net[2:](book[(hidden[..., None] - book).abs().argmin(-1)])


CUT = [
    without_gradient,
    encoder_without_gradient,
    in_inference_mode,
    detached,
    by_data,
    by_numpy,
    rounded_by_an_index,
]


def one_column_detached(net, x):
    return net(torch.cat([x[:, :1].detach(), x[:, 1:]], dim=1))


def beside_a_skip(net, x):
    return 0.3 * x + net(x.detach())


def some_units_detached(net, x):
    hidden = net[:2](x)
    return net[2:](torch.cat([hidden[:, :3], hidden[:, 3:].detach()], dim=1))


PARTLY = [one_column_detached, beside_a_skip, some_units_detached]


def asks_numpy(net, x):
    return net(torch.as_tensor(np.asarray(x)))


def overwrites_what_backward_needs(net, x):
    hidden = torch.sigmoid(net[0](x))
    hidden *= 2
    return net[2:](hidden)


def forbids(net, x):
    if x.requires_grad:
        raise TypeError("only for inference")
    return net(x)


REFUSING = [asks_numpy, overwrites_what_backward_needs, forbids]


def plain(net, x):
    return net(x)


def in_place(net, x):
    x -= x.mean(dim=1, keepdim=True)
    return net(x)


def dead(net, x):
    return torch.relu(net(x) - 1e6)


def constant(net, x):
    return net[0].bias.sum().expand_as(x) * 1.0


def zeros(net, x):
    return torch.zeros_like(x)


def straight_through(net, x):
    hidden = net[:2](x)
    return net[2:](hidden + (torch.round(hidden * 4) / 4 - hidden).detach())


def piecewise_constant(net, x):
    return net(torch.round(x * 5) / 5)


def steep(net, x):
    return net(255 * x)


HONEST = [plain, in_place, dead, constant, zeros, straight_through, piecewise_constant, steep]


def explained(name, detector, x=X, rows=ROWS):
    made = explainers.create(name, detector, background=rows, **COSTLY.get(name, {}))
    return made.explain(x)


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("forward", [*CUT, *PARTLY], ids=lambda f: f.__name__)
def test_a_cut_gradient_is_skipped_with_the_reason(name, forward):
    with pytest.raises(SkipError, match=r"autograd|no copy in float64"):
        explained(name, Detector(Through(forward)))


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("forward", REFUSING, ids=lambda f: f.__name__)
def test_a_model_that_refuses_gradients_is_skipped(name, forward):
    with pytest.raises(SkipError, match="refuses gradients"):
        explained(name, Detector(Through(forward)))


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("forward", [without_gradient, asks_numpy, beside_a_skip])
def test_who_asks_the_detector_alone_answers(name, forward):
    assert explained(name, Detector(Through(forward))).abs().sum() > 0


@pytest.mark.parametrize("forward", HONEST, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_an_honest_network_is_answered(forward, dtype):
    detector = Detector(Through(forward, dtype))
    gradients.require_gradient(detector, X.to(dtype))
    expected = detector.error_gradient(X.to(dtype)).abs().to(torch.float32)
    torch.testing.assert_close(
        explained("saliency", detector, X.to(dtype)),
        expected.to(dtype).float() if dtype == torch.bfloat16 else expected,
        check_dtype=False,
    )


@pytest.mark.parametrize("forward", [*CUT, *PARTLY], ids=lambda f: f.__name__)
def test_every_cut_is_seen_in_float64(forward):
    if forward in (rounded_by_an_index, by_numpy):
        pytest.skip("of float32")
    with pytest.raises(SkipError, match="autograd"):
        gradients.require_gradient(Detector(Through(forward, torch.float64)), X.double())


def test_a_cut_is_seen_in_half_precision():
    with pytest.raises(SkipError, match="does not hang on x"):
        gradients.require_gradient(
            Detector(Through(without_gradient, torch.bfloat16)), X.bfloat16()
        )


@pytest.mark.parametrize("cut", [False, True])
def test_images_too(cut):
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = convolutions()

        def forward(self, x):
            return self.net(x.detach() if cut else x)

    images = torch.as_tensor(np.random.default_rng(2).random((3, 2, 8, 8)))
    detector = Detector(Network())
    if cut:
        with pytest.raises(SkipError, match="does not hang on x"):
            explained("smoothgrad", detector, images, images.numpy())
    else:
        assert explained("smoothgrad", detector, images, images.numpy()).abs().sum() > 0


def test_a_loss_ablated_control_is_answered():
    ablated = loss_ablated(Detector(Through(plain)))
    assert not explained("saliency", ablated).any()


@pytest.mark.parametrize("follows", [False, True])
def test_a_loss_that_autograd_does_not_follow_is_skipped(follows):
    def loss(x, x_hat):
        d = (x - x_hat) if follows else (x - x_hat).detach()
        return d.square() / x.shape[1:].numel()

    detector = Detector(Through(plain), loss)
    if follows:
        torch.testing.assert_close(
            explained("saliency", detector), explained("saliency", Detector(Through(plain)))
        )
    else:
        with pytest.raises(SkipError, match="loss does not hang on x"):
            explained("saliency", detector)


def test_it_is_asked_once_for_each_shape(monkeypatch):
    asked = []
    probed = gradients._probed
    monkeypatch.setattr(gradients, "_probed", lambda *given: asked.append(1) or probed(*given))
    detector = Detector(Through(plain))
    for _ in range(3):
        explained("saliency", detector)
    assert len(asked) == 1


def test_networks_of_small_slopes_are_answered_though_rounding_is_as_large():
    widths, kinds = (8, 64, 32, 8, 32, 64, 8), (*["relu"] * 5, "sigmoid")
    for seed in range(600):
        gradients.require_gradient(Detector(mlp(widths, kinds, seed=seed).float()), X[:6])


def test_a_model_in_float64_is_asked_in_float64():
    for seed in range(300):
        net = mlp((8, 6, 4, 6, 8), ("relu", "tanh", "relu", "sigmoid"), seed=seed).double()
        gradients.require_gradient(Detector(net), X[:6])


def test_one_sample_is_enough():
    with pytest.raises(SkipError, match="does not hang on x"):
        explained("saliency", Detector(Through(without_gradient)), X[:1])


def test_an_incomplete_integral_is_an_error(monkeypatch):
    made = explainers.create("integrated-gradients", Detector(Through(plain)), background=ROWS)
    made.explain(3 * X)
    gradient = Detector.error_gradient
    monkeypatch.setattr(Detector, "error_gradient", lambda self, x: gradient(self, x) / 2)
    with pytest.raises(ValueError, match=r"miss \d+% of the error"):
        made.explain(3 * X)


def test_a_sample_that_is_normal_but_for_rounding_misses_nothing():
    class Same(nn.Module):
        def forward(self, x):
            return x * (1 + 1e-7)

    made = explainers.create("integrated-gradients", Detector(Same()), background=ROWS, steps=2)
    assert float(made.explain(X).abs().max()) < 1e-10
