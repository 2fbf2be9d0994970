"""What every explainer must do, whoever wrote it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from aexbench import Detector, SkipError, explainers
from aexbench.conformance import check_explainer
from tests.conftest import mlp

# Fewer evaluations where the default takes long.
SHAP = {"nsamples": 40, "rows": 4}
COSTLY = {
    **dict.fromkeys(("kernelshap", "kernelshap-batched", "per-feature-shap"), SHAP),
    "shapley-sampling": {"nsamples": 3},
    "integrated-gradients": {"steps": 20},
    "lime": {"nsamples": 100},
    "arcana": {"steps": 20},
}
ROWS = np.random.default_rng(1).random((40, 7)).astype(np.float32)
IMAGES = np.random.default_rng(2).random((12, 1, 16, 16)).astype(np.float32)


def of_rows() -> tuple[Detector, np.ndarray, torch.Tensor]:
    model = mlp((7, 5, 3, 5, 7), ("relu", "relu", "relu", "sigmoid"))
    return Detector(model), ROWS, torch.rand(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def of_images() -> tuple[Detector, np.ndarray, torch.Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1), nn.Sigmoid()
        ).double()
    return Detector(model), IMAGES, torch.as_tensor(IMAGES[:3, :, ::-1].copy()).double()


@pytest.mark.parametrize("kind", [of_rows, of_images])
@pytest.mark.parametrize("name", explainers.names())
def test_keeps_the_contract(name, kind):
    detector, background, x = kind()

    def make(of: Detector):
        return explainers.create(name, of, background=background, **COSTLY.get(name, {}))

    try:
        findings = check_explainer(make, detector, x)
    except SkipError as error:
        pytest.skip(f"{name}: {error}")
    assert [finding for finding in findings if finding.problem] == []


@pytest.mark.parametrize("name", explainers.names())
def test_takes_whole_numbers_and_no_samples(name):
    detector, background, x = of_rows()
    made = explainers.create(name, detector, background=background, **COSTLY.get(name, {}))
    try:
        assert made.explain((x[:2] > 0.5).long()).is_floating_point()
    except SkipError as error:
        pytest.skip(f"{name}: {error}")
    assert made.explain(x[:0]).shape == (0, 7)


def explainer(function):
    plugin = explainers.register.__self__.adapt(function)
    return lambda detector: explainers.register.__self__.make(plugin, (detector,), {})


def noise(detector, x):
    return torch.rand_like(x)


def counted(detector, x):
    return detector.error_map(x) * len(x)


def in_place(detector, x):
    return x.mul_(2) + 0


def hooked(detector, x):
    detector.model.register_forward_hook(lambda *_: None)
    return detector.error_map(x)


@pytest.mark.parametrize(
    ("function", "rule", "problem"),
    [
        (lambda detector, x: x.sum(1), "finite floats of the samples' shape", "attributions have shape"),
        (lambda detector, x: x / 0, "finite floats of the samples' shape", "not finite"),
        (counted, "a sample alone as in a batch", "differ by"),
        (lambda detector, x: x.cumsum(0), "any order", "differ by"),
        (noise, "repeatable", "differ by"),
        (noise, "leaves the random state", "torch"),
        (in_place, "leaves the samples", "copy them first"),
        (hooked, "leaves the model", "hooks of"),
    ],
)
def test_what_breaks_it_is_named(function, rule, problem):
    detector, _, x = of_rows()
    findings = dict(check_explainer(explainer(function), detector, x))
    assert problem in findings[rule]
