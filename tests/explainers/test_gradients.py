from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from captum import attr
from torch import nn
from torch.nn import functional as F

from aexbench import Detector, Features, RequestError, SkipError, datasets, explainers
from aexbench.explainers.gradients import _Rescaled
from aexbench.explainers.tools.seeding import generators
from aexbench.running.controls import controlled
from tests.conftest import mlp
from tests.explainers.memory import Peak

KINKED = mlp(
    (5, 6, 3, 6, 5), ("relu", "relu", "relu", "sigmoid"), seed=4
)  # units of every layer switch on X
SMOOTH = mlp((5, 4, 2, 4, 5), ("tanh", "sigmoid", "tanh", "identity"))
NORMAL = np.random.default_rng(1).random((60, 5)).astype(np.float32)
X = torch.as_tensor(np.random.default_rng(2).uniform(-0.2, 1.2, (6, 5)))
MEAN = torch.as_tensor(NORMAL.mean(axis=0, dtype=np.float64))
IMAGES = torch.as_tensor(np.random.default_rng(3).random((4, 2, 8, 8)))
NORMAL_IMAGES = np.random.default_rng(4).random((9, 2, 8, 8)).astype(np.float32)
FAMILY = ["saliency", "input-x-gradient", "smoothgrad", "gradient-shap", "deeplift"]


def explain(
    name: str,
    detector: Detector,
    x: torch.Tensor = X,
    normal: np.ndarray = NORMAL,
    **parameters: object,
):
    return explainers.create(name, detector, background=normal, **parameters).explain(x)


def gradient(detector: Detector, x: torch.Tensor) -> torch.Tensor:
    """∂e/∂x of each sample by itself, from the definition of the error."""
    rows = []
    for row in x:
        point = row[None].clone().requires_grad_()
        d = point - detector.model(point)
        error = (d.abs() if detector.loss == "l1" else d**2).mean()
        rows.append(torch.autograd.grad(error, point)[0])
    return torch.cat(rows)


def linear_autoencoder() -> tuple[Detector, torch.Tensor, torch.Tensor]:
    """x̂ = A x + c; returned with R = I − A and c: x − x̂ = R x − c."""
    model = mlp((5, 2, 5), ("identity", "identity"))
    down, _, up, _ = model
    A, c = up.weight @ down.weight, up.weight @ down.bias + up.bias
    return Detector(model), (torch.eye(5).double() - A).detach(), c.detach()


def convolutions() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = (
            nn.Conv2d(2, 3, 3, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(3, 2, 3, padding=1),
        )
        return nn.Sequential(*layers, nn.Softplus()).double()


@pytest.mark.parametrize("loss", ["l1", "l2"])
@pytest.mark.parametrize("model", [KINKED, SMOOTH])
def test_saliency_and_input_x_gradient_are_their_formulas(model, loss):
    detector = Detector(model, loss)
    expected = gradient(detector, X)
    torch.testing.assert_close(explain("saliency", Detector(model), loss=loss), expected.abs())
    torch.testing.assert_close(
        explain("input-x-gradient", Detector(model), loss=loss), X * expected
    )
    captum_x = X.clone().requires_grad_()
    torch.testing.assert_close(
        explain("saliency", detector), attr.Saliency(detector.error).attribute(captum_x)
    )
    by_captum = attr.InputXGradient(detector.error).attribute(captum_x).detach()
    torch.testing.assert_close(explain("input-x-gradient", detector), by_captum)


@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_smoothgrad_equals_the_slow_twin(loss):
    low, high = (-1.0, 0.0, 0.0, 0.0, 0.0), (1.0, 1.0, 2.0, 5.0, 1.0)
    detector = Detector(KINKED, loss, Features(low=low, high=high))
    expected = []
    for row, generator in zip(X, generators(X, 7), strict=True):
        total = torch.zeros(5, dtype=torch.float64)
        for noise in generator.standard_normal((20, 5), dtype=np.float32):
            noisy = (
                row
                + 0.2
                * (torch.tensor(high) - torch.tensor(low)).double()
                * torch.as_tensor(noise).double()
            )
            total += gradient(detector, noisy[None])[0] / 20
        expected.append(total.abs())
    torch.testing.assert_close(
        explain("smoothgrad", detector, nsamples=20, noise=0.2, seed=7), torch.stack(expected)
    )


def test_smoothgrad_without_noise_is_the_saliency_and_noise_depends_on_content_and_seed():
    detector = Detector(KINKED)
    torch.testing.assert_close(
        explain("smoothgrad", detector, noise=0.0), explain("saliency", detector)
    )
    assert not torch.allclose(
        explain("smoothgrad", detector), explain("smoothgrad", detector, seed=1)
    )
    first, twin, other = (
        generator.random(5) for generator in generators(torch.stack([X[0], X[0], X[0] + 1e-9]), 0)
    )
    np.testing.assert_array_equal(first, twin)
    assert not np.any(first == other)


def test_gradient_shap_equals_the_slow_twin():
    detector, shape = Detector(KINKED, "l1"), (30, 5)
    expected = torch.zeros_like(X)
    for i, generator in enumerate(generators(X, 3)):
        rows, alphas = generator.integers(60, size=shape[0]), generator.random(shape[0])
        for row, alpha in zip(rows, alphas, strict=True):
            b = torch.as_tensor(NORMAL[row]).double()
            expected[i] += (
                (X[i] - b) * gradient(detector, (b + alpha * (X[i] - b))[None])[0] / shape[0]
            )
    torch.testing.assert_close(explain("gradient-shap", detector, nsamples=30, seed=3), expected)


def test_gradient_shap_is_complete_in_expectation():
    """Over many seeds the mean differs from the closed form by no more than chance, and is complete
    to 1e-2.
    """
    detector, R, c = linear_autoencoder()
    normal = torch.as_tensor(NORMAL).double()
    d, starts = (
        X @ R.T - c,
        normal @ R.T - c,
    )  # integrated gradients from b: (x − b) · Rᵀ(d + d_b)/m
    expected = torch.stack(
        [(X - b) * ((d + start) @ R) / 5 for b, start in zip(normal, starts, strict=True)]
    ).mean(0)
    found = torch.stack(
        [explain("gradient-shap", detector, nsamples=1000, seed=seed) for seed in range(50)]
    )
    chance = found.std(dim=0) / len(found) ** 0.5
    assert float(((found.mean(0) - expected).abs() / chance).max()) < 4.5
    promised = detector.error(X) - detector.error(normal).mean()
    assert float(((found.mean(0).sum(1) - promised).abs() / detector.error(X)).max()) < 1e-2


def test_gradient_shap_reads_a_sample_of_a_large_background(tmp_path: Path):
    rows = np.lib.format.open_memmap(
        tmp_path / "normal.npy", mode="w+", dtype=np.float32, shape=(5000, 5)
    )
    rows[:] = np.random.default_rng(0).random((5000, 5))
    explainer = explainers.create("gradient-shap", Detector(KINKED), background=rows)
    assert explainer.references.shape == (1000, 5)
    assert torch.isfinite(explainer.explain(X)).all()


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


@pytest.mark.parametrize("name", FAMILY)
def test_float32_and_half_precision_come_near_float64(name):
    x = X.bfloat16().float()  # noise depends on the samples as the detector's type holds them
    exact = explain(name, Detector(mlp((5, 4, 5), ("tanh", "sigmoid"))), x)
    for dtype, tolerance in ((torch.float32, 1e-4), (torch.bfloat16, 0.1)):
        found = explain(name, Detector(mlp((5, 4, 5), ("tanh", "sigmoid")).to(dtype)), x)
        assert float((found - exact).abs().max()) < tolerance * float(exact.abs().max())


@pytest.mark.parametrize("name", FAMILY)
def test_inference_mode_no_samples_and_little_memory(name):
    detector, tight = Detector(KINKED), Detector(KINKED)
    tight._chunks[(5,)] = 2  # rows that fit at once
    expected = explain(name, detector)
    torch.testing.assert_close(explain(name, tight), expected)
    with torch.inference_mode():
        torch.testing.assert_close(explain(name, detector, X * 1), expected)
        assert explain(name, detector, X[:0]).shape == (0, 5)


@pytest.mark.parametrize("name", FAMILY)
def test_images_have_attributions_of_their_shape(name):
    found = explain(name, Detector(convolutions()), IMAGES, NORMAL_IMAGES)
    assert found.shape == IMAGES.shape
    assert found.abs().flatten(1).sum(1).min() > 0


@pytest.mark.parametrize("name", FAMILY)
def test_a_constant_error_has_no_attributions(name):
    assert not explain(name, controlled(Detector(KINKED), "loss-ablated", 0)).any()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("smoothgrad", {"noise": -0.1}),
        ("gradient-shap", {"nsamples": 0}),
        ("deeplift", {"baseline": "median"}),
    ],
)
def test_wrong_parameters_are_named(name, wrong):
    with pytest.raises(RequestError, match=next(iter(wrong))):
        explain(name, Detector(KINKED), **wrong)


DRAWN = ["smoothgrad", "gradient-shap"]


@pytest.mark.parametrize("name", [*DRAWN, "integrated-gradients"])
def test_memory_of_one_sample_and_of_many_fits_in_a_chunk(name, monkeypatch):
    """A gradient's graph holds a chunk's activations and their gradients, and what goes in and
    comes out.
    """
    chunk = 2**20
    monkeypatch.setattr("aexbench.detector.CHUNK_BYTES", {"cpu": chunk})
    layers = [nn.Conv2d(3, 3, 3, padding=1), nn.Tanh()] * 2
    detector, normal = (
        Detector(nn.Sequential(*layers).double()),
        np.random.default_rng(0).random((9, 3, 32, 32)),
    )
    given = {"integrated-gradients": {"steps": 100}}.get(name, {"nsamples": 100})
    explainer = explainers.create(name, detector, background=normal, **given)
    images = torch.as_tensor(np.random.default_rng(1).random((10, 3, 32, 32)))
    for x in (images[:1], images):
        explainer.explain(x[:1])
        with Peak() as memory:
            explainer.explain(x)
        assert memory.total > 5 * chunk
        assert memory.most < 4 * chunk + 6 * x.nbytes


class Unseen(nn.Module):
    """What its layers do in between is seen by autograd alone, and not where activations are
    counted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(64, 64) for _ in range(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = torch.tanh(2 * torch.sigmoid(layer(x)))
        return x


@pytest.mark.parametrize("name", ["arcana", "counterfactual"])
def test_steps_leave_room_for_their_graph(name, monkeypatch):
    chunk = 2**21
    monkeypatch.setattr("aexbench.detector.CHUNK_BYTES", {"cpu": chunk})
    rng = np.random.default_rng(0)
    explainer = explainers.create(
        name, Detector(Unseen().double()), background=rng.random((9, 64)), steps=2
    )
    x = torch.as_tensor(rng.random((2000, 64)))
    with Peak() as memory:
        explainer.explain(x)
    assert memory.total > 10 * chunk
    assert memory.most < chunk + 5 * x.nbytes


@pytest.mark.parametrize("name", DRAWN)
def test_memory_that_runs_out_halves_the_draws_of_one_sample(name, monkeypatch):
    expected = explain(name, Detector(KINKED), X[:2], nsamples=40)
    gradient, sizes = Detector.error_gradient, []

    def limited(self, x):
        sizes.append(len(x))
        if len(x) > 7:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return gradient(self, x)

    monkeypatch.setattr(Detector, "error_gradient", limited)
    torch.testing.assert_close(explain(name, Detector(KINKED), X[:2], nsamples=40), expected)
    assert max(sizes) == 80


@pytest.mark.parametrize(("name", "draws"), [("smoothgrad", 50), ("gradient-shap", 200)])
def test_default_draws(name, draws, monkeypatch):
    """Of SmoothGrad 50, beyond which the paper sees little gain (Sec. 3.2); of expected gradients
    those of `shap`.
    """
    gradient, asked = Detector.error_gradient, []
    monkeypatch.setattr(
        Detector, "error_gradient", lambda self, x: asked.append(len(x)) or gradient(self, x)
    )
    explain(name, Detector(KINKED), X[:1])
    assert sum(asked) == draws


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
