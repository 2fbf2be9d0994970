from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from aexbench import Detector, Features, RequestError, SkipError, explainers
from aexbench.running.controls import controlled
from tests.conftest import mlp
from tests.explainers import lrp_twin

SIZES = (7, 6, 3, 6, 7)
ACTIVATIONS = [
    ("relu", "relu", "relu", "sigmoid"),
    ("tanh", "tanh", "tanh", "tanh"),
    ("sigmoid", "relu", "tanh", "identity"),
]


def twin(
    model: torch.nn.Sequential, names: tuple[str, ...], x: np.ndarray, **parameters: object
) -> np.ndarray:
    linear = [module for module in model if isinstance(module, torch.nn.Linear)]
    weights = [layer.weight.detach().numpy() for layer in linear]
    biases = [layer.bias.detach().numpy() for layer in linear]
    return np.stack(
        [lrp_twin.explain(weights, biases, list(names), row, **parameters) for row in x]
    )


@pytest.mark.parametrize("loss", ["l1", "l2"])
@pytest.mark.parametrize("first", ["w2", "z-box", "z-plus"])
@pytest.mark.parametrize("names", ACTIVATIONS)
def test_equals_the_slow_twin(loss, first, names):
    for seed in range(3):
        model = mlp(SIZES, names, seed)
        x = np.random.default_rng(seed).uniform(
            -0.2, 1.2, (12, 7)
        )  # also outside of the box, and negative
        relevance = explainers.create("lrp", Detector(model), loss=loss, first=first).explain(
            torch.as_tensor(x)
        )
        expected = twin(model, names, x, loss=loss, first=first)
        np.testing.assert_allclose(relevance.numpy(), expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("first", ["w2", "z-box", "z-plus"])
def test_float32_equals_the_slow_twin_to_1e_5(first):
    model = mlp(SIZES, ACTIVATIONS[0]).float()
    x = np.random.default_rng(0).random((20, 7)).astype(np.float32)
    relevance = (
        explainers.create("lrp", Detector(model), first=first).explain(torch.as_tensor(x)).numpy()
    )
    expected = twin(model, ACTIVATIONS[0], x.astype(np.float64), loss="l2", first=first)
    assert np.abs(relevance - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("loss", "first", "names"),
    list(itertools.product(["l1", "l2"], ["w2", "z-box", "z-plus"], ACTIVATIONS)),
)
def test_relevance_sums_to_the_error(loss, first, names):
    detector = Detector(mlp(SIZES, names).float(), loss)
    x = torch.rand(50, 7)
    relevance = explainers.create("lrp", detector, first=first).explain(x)
    torch.testing.assert_close(relevance.sum(1), detector.error(x), rtol=1e-4, atol=0)


def test_dead_network_still_conserves():
    model = mlp(SIZES, ACTIVATIONS[0])
    with torch.no_grad():
        model[2].bias.fill_(-100.0)  # every unit of the bottleneck is off
    detector = Detector(model)
    x = torch.rand(5, 7, dtype=torch.float64)
    relevance = explainers.create("lrp", detector).explain(x)
    torch.testing.assert_close(relevance.sum(1), detector.error(x))


def test_box_is_the_features_bounds_unless_given():
    model = mlp((3, 2, 3), ("relu", "identity"))
    x = torch.rand(4, 3, dtype=torch.float64)
    wide = Detector(model, features=Features(low=-1.0, high=2.0))
    given_box = explainers.create(
        "lrp", Detector(model), first="z-box", low=-1.0, high=2.0
    ).explain(x)
    torch.testing.assert_close(explainers.create("lrp", wide, first="z-box").explain(x), given_box)
    assert not torch.allclose(
        explainers.create("lrp", Detector(model), first="z-box").explain(x), given_box
    )


def test_default_first_rule_follows_the_inputs_range():
    model = mlp((3, 2, 3), ("relu", "identity"))
    x = torch.rand(4, 3, dtype=torch.float64)
    unbounded = Detector(model, features=Features(low=-np.inf, high=np.inf))
    for detector, first in ((Detector(model), "z-box"), (unbounded, "w2")):
        named = explainers.create("lrp", detector, first=first).explain(x)
        torch.testing.assert_close(explainers.create("lrp", detector).explain(x), named)
    with pytest.raises(RequestError, match="finite bounds"):
        explainers.create("lrp", unbounded, first="z-box").explain(x)


def test_presets_are_the_papers_rules():
    model = mlp((3, 2, 3), ("relu", "identity"))
    x = torch.rand(4, 3, dtype=torch.float64)
    for preset, first in (("paper-tabular", "w2"), ("paper-image", "z-box")):
        named = explainers.create("lrp", Detector(model), first=first, rule="z-plus").explain(x)
        torch.testing.assert_close(
            explainers.create("lrp", Detector(model), preset=preset).explain(x), named
        )
    with pytest.raises(RequestError, match="either a preset"):
        explainers.create("lrp", Detector(model), preset="paper-image", first="w2")
    with pytest.raises(RequestError, match="below high"):
        explainers.create("lrp", Detector(model), low=2.0, high=1.0)


@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_the_root_shares_relevance_between_x_and_its_reconstruction(loss):
    detector = Detector(mlp(SIZES, ACTIVATIONS[0]), loss)
    x = torch.rand(5, 7, dtype=torch.float64)
    paper, error = explainers.create("lrp", detector).explain(x), detector.error_map(x)
    for root, t in (("input", 1.0), ("joint", 0.5), (0.0, 0.0), (0.3, 0.3)):
        found = explainers.create("lrp", detector, root=root).explain(x)
        torch.testing.assert_close(found, t * paper + (1 - t) * error)
        torch.testing.assert_close(found.sum(1), detector.error(x))
    with pytest.raises(RequestError, match=r"root=1\.5"):
        explainers.create("lrp", detector, root=1.5)


@pytest.mark.parametrize("t", [0.0, 0.3, 0.5, 1.0])
def test_the_share_t_is_what_the_taylor_terms_give(t):
    """The second-order terms of d²/m and the first-order ones of |d|/m at x = x̂ = x̂ + t (x − x̂),
    by autograd.
    """
    x, x_hat = 0.9, 0.2
    root = x_hat + t * (x - x_hat)
    step = torch.tensor([x - root, x_hat - root], dtype=torch.float64)
    hessian = torch.autograd.functional.hessian(
        lambda v: (v[0] - v[1]) ** 2, torch.full((2,), root, dtype=torch.float64)
    )
    terms = 0.5 * step[:, None] * hessian * step[None, :]
    own = terms.sum(dim=1)  # a cross term is half each variable's
    torch.testing.assert_close(
        own, (x - x_hat) ** 2 * torch.tensor([1 - t, t], dtype=torch.float64)
    )
    slope = torch.tensor([1.0, -1.0], dtype=torch.float64)  # of |x − x̂| where x > x̂
    torch.testing.assert_close(
        slope * step, abs(x - x_hat) * torch.tensor([1 - t, t], dtype=torch.float64)
    )


def test_uniform_relevance_is_the_loss_ablated_map():
    detector = Detector(mlp(SIZES, ACTIVATIONS[0]))
    x = torch.rand(5, 7, dtype=torch.float64)
    uniform = explainers.create("lrp", detector, relevance="uniform").explain(x)
    ablated = explainers.create("lrp", controlled(detector, "loss-ablated", 0)).explain(x)
    torch.testing.assert_close(uniform, ablated * detector.error(x)[:, None])
    torch.testing.assert_close(uniform.sum(1), detector.error(x))


def test_a_stack_without_layers_is_refused():
    with pytest.raises(SkipError, match="no weighted layer"):
        explainers.create("lrp", Detector(torch.nn.Sequential(torch.nn.ReLU())))
