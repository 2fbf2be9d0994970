from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aexbench import Detector, Features, SkipError, explainers
from aexbench.explainers.lrp.rules import ZBox, ZPlus, squared_shares
from tests.conftest import mlp
from tests.explainers import lrp_twin

SIZES = (7, 6, 3, 6, 7)
ACTIVATIONS = [
    ("relu", "relu", "relu", "sigmoid"),
    ("tanh", "tanh", "tanh", "tanh"),
    ("sigmoid", "relu", "tanh", "identity"),
]


def twin(model: torch.nn.Sequential, names: tuple[str, ...], x: np.ndarray, **parameters: object) -> np.ndarray:
    linear = [module for module in model if isinstance(module, torch.nn.Linear)]
    weights = [layer.weight.detach().numpy() for layer in linear]
    biases = [layer.bias.detach().numpy() for layer in linear]
    return np.stack([lrp_twin.explain(weights, biases, list(names), row, **parameters) for row in x])


@pytest.mark.parametrize("loss", ["l1", "l2"])
@pytest.mark.parametrize("first", ["w2", "z-box", "z-plus"])
@pytest.mark.parametrize("names", ACTIVATIONS)
def test_equals_the_slow_twin(loss, first, names):
    for seed in range(3):
        model = mlp(SIZES, names, seed)
        x = np.random.default_rng(seed).uniform(-0.2, 1.2, (12, 7))  # also outside of the box, and negative
        relevance = explainers.create("lrp", Detector(model), loss=loss, first=first).explain(torch.as_tensor(x))
        expected = twin(model, names, x, loss=loss, first=first)
        np.testing.assert_allclose(relevance.numpy(), expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("first", ["w2", "z-box", "z-plus"])
def test_float32_equals_the_slow_twin_to_1e_5(first):
    model = mlp(SIZES, ACTIVATIONS[0]).float()
    x = np.random.default_rng(0).random((20, 7)).astype(np.float32)
    relevance = explainers.create("lrp", Detector(model), first=first).explain(torch.as_tensor(x)).numpy()
    expected = twin(model, ACTIVATIONS[0], x.astype(np.float64), loss="l2", first=first)
    assert np.abs(relevance - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("loss", "first", "names"), list(itertools.product(["l1", "l2"], ["w2", "z-box", "z-plus"], ACTIVATIONS))
)
def test_relevance_sums_to_the_error(loss, first, names):
    detector = Detector(mlp(SIZES, names).float(), loss)
    x = torch.rand(50, 7)
    relevance = explainers.create("lrp", detector, first=first).explain(x)
    torch.testing.assert_close(relevance.sum(1), detector.error(x), rtol=1e-4, atol=0)


def test_relevance_without_a_positive_contribution_is_shared_by_squared_weights():
    rule = ZPlus(torch.tensor([[-1.0, -2.0], [0.0, 0.0]]))
    shared = rule.propagate(torch.tensor([[1.0, 1.0]]), torch.tensor([[0.5, 0.2]]))
    torch.testing.assert_close(shared, torch.tensor([[0.5 / 5 + 0.1, 0.5 * 4 / 5 + 0.1]]))


def test_dead_network_still_conserves():
    model = mlp(SIZES, ACTIVATIONS[0])
    with torch.no_grad():
        model[2].bias.fill_(-100.0)  # every unit of the bottleneck is off
    detector = Detector(model)
    x = torch.rand(5, 7, dtype=torch.float64)
    relevance = explainers.create("lrp", detector).explain(x)
    torch.testing.assert_close(relevance.sum(1), detector.error(x))


@given(st.integers(0, 1000), st.sampled_from([1e-30, 1e-12, 1.0, 1e12]))
@settings(deadline=None, max_examples=40)
def test_rules_conserve_at_every_scale_of_inputs(seed, scale):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(5, 4, generator=generator)
    x = scale * torch.randn(6, 4, generator=generator)
    relevance = torch.rand(6, 5, generator=generator)
    for rule in (ZPlus(weight), ZBox(weight, torch.zeros(4), torch.ones(4))):
        shared = rule.propagate(x, relevance)
        torch.testing.assert_close(shared.sum(1), relevance.sum(1), rtol=1e-5, atol=1e-6)


def test_squared_shares_survive_tiny_weights():
    shares = squared_shares(torch.tensor([[1e-30, 1e-30], [0.0, 0.0]]))
    torch.testing.assert_close(shares, torch.full((2, 2), 0.5))


def test_box_is_the_features_bounds_unless_given():
    model = mlp((3, 2, 3), ("relu", "identity"))
    x = torch.rand(4, 3, dtype=torch.float64)
    wide = Detector(model, features=Features(low=-1.0, high=2.0))
    given_box = explainers.create("lrp", Detector(model), first="z-box", low=-1.0, high=2.0).explain(x)
    torch.testing.assert_close(explainers.create("lrp", wide, first="z-box").explain(x), given_box)
    assert not torch.allclose(explainers.create("lrp", Detector(model), first="z-box").explain(x), given_box)


def test_module_without_a_rule_is_named():
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Sequential(torch.nn.GELU()), torch.nn.Linear(2, 3))
    with pytest.raises(SkipError, match=r"no rule for GELU at model\.1\.0"):
        explainers.create("lrp", Detector(model))
    with pytest.raises(SkipError, match="no Linear"):
        explainers.create("lrp", Detector(torch.nn.Sequential(torch.nn.ReLU())))
