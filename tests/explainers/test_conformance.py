"""What every explainer must do, whoever wrote it."""

from __future__ import annotations

import contextlib
import functools
import itertools
import random

import numpy as np
import pytest
import torch
from torch import nn

from aexbench import Detector, Features, RequestError, SkipError, autoencoders, explainers
from aexbench.conformance import check_explainer
from aexbench.datasets.tools.windows import features_of
from tests.conftest import mlp
from tests.explainers.networks import trained

# Fewer evaluations where the default takes long.
SHAP = {"nsamples": 40, "rows": 4}
COSTLY = {
    **dict.fromkeys(("kernelshap", "kernelshap-batched", "per-feature-shap"), SHAP),
    "shapley-sampling": {"nsamples": 3},
    "integrated-gradients": {"steps": 20},
    "lime": {"nsamples": 100},
    "arcana": {"steps": 20},
    "likelihood-compensation": {"steps": 20},
}
ROWS = np.random.default_rng(1).random((40, 7)).astype(np.float32)
WINDOWS = np.random.default_rng(3).random((20, 8, 3))
IMAGES = np.random.default_rng(2).random((12, 1, 16, 16)).astype(np.float32)


def of_rows() -> tuple[Detector, np.ndarray, torch.Tensor]:
    model = mlp((7, 5, 3, 5, 7), ("relu", "relu", "relu", "sigmoid"))
    return (
        Detector(model),
        ROWS,
        torch.rand(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0)),
    )


def of_images() -> tuple[Detector, np.ndarray, torch.Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1), nn.Sigmoid()
        ).double()
    return Detector(model), IMAGES, torch.as_tensor(IMAGES[:3, :, ::-1].copy()).double()


def of_trained() -> tuple[Detector, np.ndarray, torch.Tensor]:
    detector, background, x = trained()
    return detector, background[:100], x[:5]


def of_windows(name: str) -> tuple[Detector, np.ndarray, torch.Tensor]:
    """An autoencoder of windows (8, 3) by channels, as small as it can be."""
    small = {"lstm": {"units": 3, "code": 2}, "transformer": {"units": 4, "heads": 2, "code": 2}}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = autoencoders.create(name, (8, 3), **small[name]).model.double().eval()
    features = features_of(Features(), (8, 3), "channels")
    return Detector(model, features=features), WINDOWS, torch.as_tensor(WINDOWS[:4, ::-1].copy())


of_lstm, of_transformer = (functools.partial(of_windows, name) for name in ("lstm", "transformer"))
KINDS = [of_rows, of_images, of_trained, of_lstm, of_transformer]
UNCLAIMED = {
    "blurred-deviation", "centre", "edges", "occlusion", "per-feature-shap", "ssim-residual",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(explainers.names()) - UNCLAIMED))
@pytest.mark.parametrize("kind", [of_lstm, of_transformer])
def test_who_takes_windows_explains_recurrence_and_attention(name, kind):
    detector, background, x = kind()
    declines = name in ("deeplift", "seasonal")  # no layer that captum knows; no period
    with pytest.raises(SkipError) if declines else contextlib.nullcontext():
        made = explainers.create(name, detector, background=background, **COSTLY.get(name, {}))
        assert made.explain(x).shape == x.shape


@pytest.mark.parametrize("kind", KINDS)
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
    try:
        made = explainers.create(name, detector, background=background, **COSTLY.get(name, {}))
        assert made.explain((x[:2] > 0.5).long()).is_floating_point()
    except SkipError as error:
        pytest.skip(f"{name}: {error}")
    assert made.explain(x[:0]).shape == (0, 7)


@pytest.mark.parametrize("wrong", [ROWS[:0], ROWS[:, :1], ROWS[:, :5], ROWS.tolist()[0]])
@pytest.mark.parametrize(
    "name", [n for n in explainers.names() if "background" in explainers.describe(n).offered]
)
def test_a_background_that_does_not_fit_is_named(name, wrong):
    given = {"form": "standardised"} if name == "residual" else {}
    with pytest.raises(RequestError, match="background"):
        explainers.create(name, of_rows()[0], background=wrong, **given)


def test_samples_that_numpy_has_no_type_for_are_checked_too():
    detector, _, x = of_rows()
    findings = check_explainer(lambda of: explainers.create("residual", of), detector, x.bfloat16())
    assert [finding for finding in findings if finding.problem] == []


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


def remembering():
    """Return an explainer whose second answer differs from its first."""
    calls = itertools.count(1)
    return lambda detector, x: detector.error_map(x) * next(calls)


def by_kind(detector, x):
    return detector.error_map(x) * (2 if x.dtype == torch.float64 else 1)


def in_autograd(detector, x):
    return detector.error_map(x) * (1 + torch.is_grad_enabled())


def changed(change):
    """Return an explainer that changes the model, with all that it was given and its layers, at
    every call.
    """

    def explain(detector, x):
        change(detector.model, *detector.model)
        return detector.error_map(x)

    return explain


MODEL_RULE = "leaves the model"


class Raw:
    """An explainer whose answers nobody has looked at."""

    def __init__(self, detector, explain):
        self.detector, self._explain = detector, explain

    def explain(self, x):
        return self._explain(self.detector, x)


@pytest.mark.parametrize(
    ("function", "rule", "problem"),
    [
        (lambda detector, x: x.sum(1), "finite floats of the samples' shape", "of shape"),
        (lambda detector, x: x.long(), "finite floats of the samples' shape", "int64"),
        (
            lambda detector, x: torch.ones_like(x).requires_grad_() * 2,
            "finite floats of the samples' shape",
            "graph",
        ),
        (lambda detector, x: x * torch.nan, "finite floats of the samples' shape", "not finite"),
        (remembering(), "repeatable", "differ by"),
        (lambda detector, x: x + np.random.random(), "leaves the random state", "numpy"),
        (lambda detector, x: random.random() + x, "leaves the random state", "random"),
        (lambda detector, x: x.clone(), "takes arrays", "no attribute 'clone'"),
        (in_autograd, "with and without autograd", "differ by"),
        (
            changed(lambda model, linear, dropout: setattr(dropout, "p", dropout.p / 2)),
            MODEL_RULE,
            "1.p",
        ),
        (
            changed(lambda model, linear, dropout: setattr(dropout, "size", (*dropout.size, 1))),
            MODEL_RULE,
            "1.size",
        ),
        (
            changed(lambda model, linear, dropout: setattr(dropout, f"x{len(vars(dropout))}", 1)),
            MODEL_RULE,
            "attributes",
        ),
        (changed(lambda model, linear, dropout: model.eval()), MODEL_RULE, "training"),
        (changed(lambda model, linear, dropout: dropout.hidden.add_(1)), MODEL_RULE, "1.hidden"),
        (
            changed(lambda model, linear, dropout: linear.weight.data.mul_(2)),
            MODEL_RULE,
            "0.weight",
        ),
        (
            changed(
                lambda model, linear, dropout: linear.requires_grad_(not linear.bias.requires_grad)
            ),
            MODEL_RULE,
            "grad",
        ),
        (
            changed(lambda model, linear, dropout: linear.bias.sum().backward()),
            MODEL_RULE,
            "0.bias.grad",
        ),
    ],
)
def test_what_breaks_it_is_named_whoever_made_it(function, rule, problem):
    detector, _, x = of_rows()
    dropout = nn.Dropout(0.5)
    dropout.register_buffer("hidden", torch.zeros(2), persistent=False)
    dropout.size = (1, "two")
    detector = Detector(nn.Sequential(nn.Linear(7, 7), dropout).double())
    findings = dict(check_explainer(lambda of: Raw(of, function), detector, x))
    assert problem in findings[rule]


def test_every_rule_is_tried():
    tried = {
        case[1]
        for test in (test_what_breaks_it_is_named, test_what_breaks_it_is_named_whoever_made_it)
        for mark in test.pytestmark
        for case in mark.args[1]
    }
    detector, _, x = of_rows()
    assert {rule for rule, _ in check_explainer(explainer(counted), detector, x)} == tried


@pytest.mark.parametrize(
    ("function", "rule", "problem"),
    [
        (
            lambda detector, x: x.sum(1),
            "finite floats of the samples' shape",
            "attributions have shape",
        ),
        (lambda detector, x: x / 0, "finite floats of the samples' shape", "not finite"),
        (counted, "a sample alone as in a batch", "differ by"),
        (lambda detector, x: x.cumsum(0), "any order", "differ by"),
        (remembering(), "repeatable", "differ by"),
        (noise, "leaves the random state", "torch"),
        (in_place, "leaves the samples", "copy them first"),
        (hooked, "leaves the model", "modes or hooks"),
    ],
)
def test_what_breaks_it_is_named(function, rule, problem):
    detector, _, x = of_rows()
    findings = dict(check_explainer(explainer(function), detector, x))
    assert problem in findings[rule]
