"""What holds for all explainers that differentiate the error."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from aexbench import Detector, RequestError, explainers
from aexbench.running.controls import controlled
from tests.conftest import mlp
from tests.explainers.cases import IMAGES, KINKED, NORMAL_IMAGES, X, convolutions, explain
from tests.explainers.memory import Peak

FAMILY = ["saliency", "input-x-gradient", "smoothgrad", "gradient-shap", "deeplift"]
DRAWN = ["smoothgrad", "gradient-shap"]


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


@pytest.mark.parametrize("name", ["arcana", "counterfactual", "likelihood-compensation"])
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
