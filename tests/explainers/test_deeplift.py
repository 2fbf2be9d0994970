from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from captum import attr
from torch import nn
from torch.nn import functional as F

from aexbench import Detector, Features, SkipError, datasets, explainers
from aexbench.explainers.deeplift import _Rescaled
from tests.conftest import mlp
from tests.explainers.cases import (
    IMAGES,
    KINKED,
    MEAN,
    NORMAL,
    NORMAL_IMAGES,
    SMOOTH,
    X,
    convolutions,
    explain,
    linear_autoencoder,
)


def rescaled_by_hand(
    model: nn.Sequential, loss: str, row: np.ndarray, base: np.ndarray
) -> np.ndarray:
    """DeepLIFT's rescale rule in numpy: the product of all layers' slopes between two states (Eq.
    3, Sec. 3.5).
    """
    functions = {
        nn.ReLU: lambda z: np.maximum(z, 0),
        nn.Tanh: np.tanh,
        nn.Sigmoid: lambda z: 1 / (1 + np.exp(-z)),
    }
    value, start, slopes = row, base, np.eye(len(row))
    for module in model:
        if isinstance(module, nn.Linear):
            weight, bias = module.weight.detach().numpy(), module.bias.detach().numpy()
            value, start, slopes = weight @ value + bias, weight @ start + bias, weight @ slopes
        elif type(module) in functions:
            above, below = functions[type(module)](value), functions[type(module)](start)
            slopes = ((above - below) / (value - start))[:, None] * slopes
            value, start = above, below
    d, before = row - value, base - start
    slope = d + before if loss == "l2" else (np.abs(d) - np.abs(before)) / (d - before)
    return (row - base) * (slope @ (np.eye(len(row)) - slopes)) / len(row)


@pytest.mark.parametrize("loss", ["l1", "l2"])
@pytest.mark.parametrize("model", [KINKED, SMOOTH])
def test_deeplift_equals_the_slow_twin_and_is_complete(model, loss):
    detector = Detector(model, loss)
    expected = [rescaled_by_hand(model, loss, row, MEAN.numpy()) for row in X.numpy()]
    found = explain("deeplift", Detector(model), loss=loss)
    np.testing.assert_allclose(found.numpy(), np.stack(expected), rtol=1e-7, atol=1e-12)
    torch.testing.assert_close(
        found.sum(1), detector.error(X) - detector.error(MEAN[None]), rtol=1e-6, atol=1e-12
    )


def test_deeplift_of_the_l1_error_equals_captum_where_its_own_rules_reach():
    class Error(nn.Module):
        """|d| = relu(d) + relu(−d), for which captum has rules."""

        def __init__(self) -> None:
            super().__init__()
            self.model, self.above, self.below = (
                mlp((5, 4, 5), ("relu", "sigmoid")),
                nn.ReLU(),
                nn.ReLU(),
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            d = x - self.model(x)
            return (self.above(1 * d) + self.below(-d)).mean(dim=1)

    error = Error()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = (
            attr.DeepLift(error).attribute(X.clone().requires_grad_(), MEAN.expand_as(X)).detach()
        )
    torch.testing.assert_close(explain("deeplift", Detector(error.model, "l1")), expected)


def test_deeplift_of_a_linear_autoencoder_has_a_closed_form():
    detector, R, c = linear_autoencoder()
    expected = (X - MEAN) * ((X @ R.T - c + R @ MEAN - c) @ R) / 5
    torch.testing.assert_close(explain("deeplift", detector), expected)


def test_deeplift_of_a_model_that_starts_with_an_activation_is_complete():
    detector = Detector(nn.Sequential(nn.Tanh(), *mlp((5, 4, 5), ("relu", "sigmoid"))))
    found = explain("deeplift", detector)
    torch.testing.assert_close(
        found.sum(1), detector.error(X) - detector.error(MEAN[None]), rtol=1e-6, atol=1e-12
    )


@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_deeplift_where_a_difference_stays_as_it_was_takes_the_slope_there(loss):
    """x − x̂ = R x − c; its first entry does not change: the first two columns' changes cancel in
    it.
    """
    model, R, c = (
        mlp((3, 3), ("identity",)),
        torch.eye(3).double(),
        torch.tensor([0.3, -0.2, 0.1]).double(),
    )
    R[0, 1] = -1.0
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(3).double() - R)
        model[0].bias.copy_(c)
    x, normal = (
        torch.tensor([[0.75, 0.5, 0.625]]).double(),
        np.array([[0.5, 0.25, 0.5]], dtype=np.float32),
    )
    b = torch.as_tensor(normal).double()
    d, start = x @ R.T - c, b @ R.T - c
    assert d[0, 0] == start[0, 0]
    slope = d + start if loss == "l2" else torch.sign(d)  # no other entry changes its sign
    assert torch.equal(torch.sign(d), torch.sign(start))
    torch.testing.assert_close(
        explain("deeplift", Detector(model, loss), x, normal), (x - b) * (slope @ R) / 3
    )


@pytest.mark.parametrize("baseline", ["mean", "zeros", "nearest", "reconstruction"])
def test_deeplift_on_a_trained_detector_is_complete(baseline):
    wine = datasets.create("wine")
    detector, x = wine.detector(), torch.as_tensor(wine.test)
    for loss in ("l1", "l2"):
        explainer = explainers.create(
            "deeplift", detector, background=wine.train, baseline=baseline, loss=loss
        )
        promised = explainer.detector.error(x) - explainer.detector.error(explainer.baseline(x))
        found = explainer.explain(x)
        assert found.dtype == torch.float32
        missed = (found.sum(1) - promised).abs() / detector.with_loss(loss).error(x)
        assert float(missed.max()) < 1e-5


class Skips(nn.Module):
    """Activations as modules, each used once, between skips, a BatchNorm, a dropout and a
    transposed convolution.
    """

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)
        )
        self.narrow = nn.Sequential(
            nn.Conv2d(4, 4, 3, stride=2, padding=1), nn.ELU(), nn.Dropout2d(0.5)
        )
        self.up, self.act = nn.ConvTranspose2d(4, 4, 2, stride=2), nn.Tanh()
        self.out, self.last = nn.Conv2d(8, 2, 1), nn.Sigmoid()
        nn.init.uniform_(self.wide[1].running_var, 0.5, 2.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        wide = self.wide(x)
        narrow = self.narrow(wide)
        return self.last(self.out(torch.cat([self.act(self.up(narrow)) + wide, wide], dim=1)))


@pytest.mark.parametrize("make", [convolutions, Skips])
@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_deeplift_of_images_is_complete(make, loss):
    detector = Detector(make().double().train(), loss)
    found = explain("deeplift", detector, IMAGES, NORMAL_IMAGES)
    mean = torch.as_tensor(NORMAL_IMAGES).double().mean(0, keepdim=True)
    promised = detector.error(IMAGES) - detector.error(mean)
    torch.testing.assert_close(found.flatten(1).sum(1), promised, rtol=1e-6, atol=1e-12)


class Functional(nn.Module):
    """The same stack with activations that captum does not see: functions, one module used twice,
    products.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.model, self.kind, self.act = (
            mlp((5, 8, 8, 5), ("identity", "identity", "identity"), seed=5),
            kind,
            nn.Tanh(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, _, second, _, third, _ = self.model
        once = {
            "tapped": None,
            "functional": F.relu,
            "reused": self.act,
            "method": torch.Tensor.sigmoid,
            "gelu": nn.GELU(),
            "hardtanh": nn.Hardtanh(-0.1, 0.1),
            "gated": lambda z: z * torch.sigmoid(z),
        }[self.kind]
        if (
            self.kind == "tapped"
        ):  # captum's hook on the module's input drops what else becomes of it
            hidden = first(x)
            return third(second(self.act(hidden)) - hidden)
        return third(once(second(once(first(x)))))


@pytest.mark.parametrize(
    "kind", ["functional", "reused", "method", "gelu", "hardtanh", "gated", "tapped"]
)
@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_deeplift_never_answers_where_its_rules_do_not_reach(kind, loss):
    explainer = explainers.create("deeplift", Detector(Functional(kind), loss), background=NORMAL)
    rows = torch.rand(200, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for x in (rows[:1], rows, rows[:1]):  # alone, in a batch, and again after a failure
        with pytest.raises(SkipError, match=r"^deeplift: .*use integrated-gradients$"):
            explainer.explain(x)


def test_deeplift_of_functional_activations_is_right_where_it_answers():
    """Near the baseline no ReLU switches: its gradient is its slope, and the answer that of
    modules.
    """

    class Shifted(nn.Module):
        def __init__(self, activation: nn.Module | None) -> None:
            super().__init__()
            self.first, self.second, self.activation = (
                *mlp((5, 4, 5), ("identity", "identity"))[::2],
                activation,
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            hidden = self.first(x)
            return self.second(
                F.relu(hidden) if self.activation is None else self.activation(hidden)
            )

    near = MEAN + 1e-3 * torch.rand(20, 5, dtype=torch.float64)
    expected = explain("deeplift", Detector(Shifted(nn.ReLU())), near)
    torch.testing.assert_close(explain("deeplift", Detector(Shifted(None)), near), expected)
    far = torch.as_tensor(np.random.default_rng(0).uniform(-9, 9, (50, 5)))
    answered = 0
    for x in far.split(1):  # each sample by itself: a skipped one takes no other with it
        try:
            found = explain("deeplift", Detector(Shifted(None)), x)
        except SkipError:
            continue
        answered += 1
        torch.testing.assert_close(found, explain("deeplift", Detector(Shifted(nn.ReLU())), x))
    assert answered < 50


@pytest.mark.parametrize("module", [nn.MaxPool2d(2), nn.Softmax(dim=1)])
def test_deeplift_refuses_modules_whose_rule_mixes_samples(module):
    model = nn.Sequential(
        nn.Conv2d(2, 2, 3, padding=1), module, nn.Upsample(scale_factor=2)
    ).double()
    with pytest.raises(SkipError, match=f"captum's rule for {type(module).__name__} mixes samples"):
        explainers.create("deeplift", Detector(model), background=NORMAL_IMAGES)


def slope(loss: str, d: float, normal: float) -> float:
    detector = Detector(nn.Identity(), loss)
    return float(
        _Rescaled(detector)._slope(
            *(torch.tensor([[value]], dtype=torch.float64) for value in (d, normal))
        )
    )


def test_deeplift_takes_slopes_between_two_states_unless_rounding_is_all_there_is():
    assert slope("l1", 9e-8, -1e-8) == pytest.approx(0.8)
    assert slope("l2", 3e-8, 1e-8) == pytest.approx(4e-8)
    for apart in (0.0, 1e-12, 1e-11):
        assert slope("l2", 0.7 + apart, 0.7) == pytest.approx(1.4, rel=1e-6)
        assert slope("l1", -0.7, -0.7 - apart) == pytest.approx(-1.0, rel=1e-6)


@pytest.mark.parametrize("unit", [1e-4, 1.0, 1000.0])
def test_what_deeplift_takes_for_rounding_is_a_share_of_the_range(unit):
    detector = Detector(nn.Identity(), "l2", Features(low=5 * unit, high=6 * unit))

    def in_ranges(d, normal):
        pair = (torch.tensor([[unit * value]], dtype=torch.float64) for value in (d, normal))
        return float(_Rescaled(detector)._slope(*pair)) / unit

    assert in_ranges(3e-9, -1e-9) == pytest.approx(2e-9)
    assert in_ranges(2e-10, 0.0) == pytest.approx(4e-10)
    assert in_ranges(0.7 + 1e-14, 0.7) == pytest.approx(1.4, rel=1e-6)


class Near(nn.Module):
    """x̂ = x + a little of what an activation makes of it."""

    def __init__(self, activation: nn.Module | None, little: float) -> None:
        super().__init__()
        self.first, self.activation, self.little = mlp((5, 5), ("identity",))[0], activation, little

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.first(x)
        return x + self.little * (
            F.relu(hidden) if self.activation is None else self.activation(hidden)
        )


def test_deeplift_of_hardly_any_error_is_held_to_rounding_and_no_more():
    detector = Detector(Near(nn.ReLU(), 1e-11))  # in x̂ there are 16 digits, in x − x̂ five
    assert explain("deeplift", detector).abs().max() < 1e-15
    with pytest.raises(SkipError, match="miss"):
        explain("deeplift", Detector(Near(None, 1e-4)))
    found = explain("deeplift", Detector(Near(nn.ReLU(), 1e-4)))
    assert found.abs().sum(1).min() > 0
