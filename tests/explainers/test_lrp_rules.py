"""Every rule on every kind of layer against matrix formulas on the layer's Jacobian."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from aexbench.explainers.lrp.capture import capture
from aexbench.explainers.lrp.maps import Dense
from aexbench.explainers.lrp.rules import (
    AlphaBeta,
    Epsilon,
    Flat,
    Gamma,
    Rule,
    Sign,
    SquaredWeights,
    ZBox,
    ZPlus,
)
from tests.explainers import jacobian_twin

LAYERS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "linear": (nn.Linear(6, 5), (6,)),
    "conv1d": (nn.Conv1d(2, 4, 3, stride=2, padding=1, dilation=2, groups=2), (2, 9)),
    "conv2d": (nn.Conv2d(2, 3, 3, stride=2, padding=1), (2, 5, 6)),
    "conv2d-same": (nn.Conv2d(2, 3, 3, padding="same"), (2, 4, 4)),
    "conv3d": (nn.Conv3d(1, 2, 2, padding=1), (1, 3, 3, 2)),
    "transposed1d": (
        nn.ConvTranspose1d(4, 2, 4, stride=3, padding=1, output_padding=1, groups=2),
        (4, 4),
    ),
    "transposed2d": (
        nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1, output_padding=1, dilation=1),
        (3, 3, 4),
    ),
    "transposed3d": (nn.ConvTranspose3d(2, 1, 2), (2, 2, 3, 2)),
}
RULES: dict[str, type[Rule]] = {
    "z-plus": ZPlus,
    "w2": SquaredWeights,
    "flat": Flat,
    "epsilon": Epsilon,
    "gamma": Gamma,
    "alpha-beta": AlphaBeta,
    "sign": Sign,
    "z-box": ZBox,
}


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
@pytest.mark.parametrize(("layer", "rule"), list(itertools.product(LAYERS, RULES)))
def test_rule_equals_its_matrix_form(layer, rule, dtype, tolerance):
    module, shape = LAYERS[layer]
    generator = torch.Generator().manual_seed(len(layer) + len(rule))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    module = module.to(dtype)
    x = torch.randn((1, *shape), generator=generator, dtype=torch.float64).to(
        dtype
    )  # of either sign, outside the box
    relevance = torch.rand(module(x).shape, generator=generator, dtype=torch.float64).to(dtype)
    made = RULES[rule](
        _map(module),
        *(
            [torch.tensor(0.0, dtype=dtype), torch.tensor(1.0, dtype=dtype)]
            if rule == "z-box"
            else []
        ),
    )
    with torch.no_grad():
        found = made.propagate(x, relevance)
    expected = jacobian_twin.share(module.double(), x.double(), relevance.double(), rule)
    module.to(dtype)
    assert float((found.double() - expected).abs().max()) <= tolerance * float(expected.abs().max())


def _map(module):
    return next(
        operation.layer
        for operation in capture(nn.Sequential(module))
        if operation.layer is not None
    )


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([1.0, 1.0, 1.0], [[1 / 14, 4 / 14, 9 / 14], [0, 1 / 9, 8 / 9], [1 / 3] * 3]),  # all active
        ([0.0, 0.0, 0.0], [[1 / 14, 4 / 14, 9 / 14], [0, 1 / 3, 2 / 3], [1 / 3] * 3]),  # none
        ([1.0, 0.0, 0.0], [[1, 0, 0], [0, 1 / 3, 2 / 3], [1, 0, 0]]),
    ],
)
def test_relevance_without_a_contribution_is_handed_on_whole(x, expected):
    weight = torch.tensor(
        [[-1.0, -2.0, -3.0], [0.0, 1.0, 2.0], [0.0, 0.0, 0.0]], dtype=torch.float64
    )
    if x == [1.0, 1.0, 1.0]:
        expected[1] = [0, 1 / 3, 2 / 3]  # contributions of its own
    for k in range(3):
        relevance = torch.zeros(1, 3, dtype=torch.float64)
        relevance[0, k] = 1.0
        for signed in (True, False):
            found = ZPlus(Dense(weight), signed).propagate(
                torch.tensor([x], dtype=torch.float64), relevance
            )
            torch.testing.assert_close(found, torch.tensor([expected[k]], dtype=torch.float64))


@given(
    st.integers(0, 1000), st.sampled_from([1e-30, 1e-12, 1.0, 1e12]), st.sampled_from([1e-25, 1.0])
)
@settings(deadline=None, max_examples=40)
def test_rules_conserve_at_every_scale(seed, scale, weight_scale):
    generator = torch.Generator().manual_seed(seed)
    layer = Dense(weight_scale * torch.randn(5, 4, generator=generator))
    x = scale * torch.randn(6, 4, generator=generator)
    relevance = torch.rand(6, 5, generator=generator)
    zero, one = torch.tensor(0.0), torch.tensor(1.0)
    for rule in (
        ZPlus(layer),
        Sign(layer),
        ZBox(layer, zero, one),
        SquaredWeights(layer),
        Flat(layer),
    ):
        shared = rule.propagate(x, relevance)
        torch.testing.assert_close(shared.sum(1), relevance.sum(1), rtol=1e-5, atol=1e-6)


def test_sign_finds_what_pulls_a_unit_down_where_z_plus_names_another():
    weight = torch.tensor([[-3.0, 1.0, 1.0]], dtype=torch.float64)
    x = torch.tensor([[1.0, 1e-10, 0.0]], dtype=torch.float64)  # tanh(−3a + b + c)
    relevance = torch.ones(1, 1, dtype=torch.float64)
    shared = Sign(Dense(weight)).propagate(x, relevance)
    torch.testing.assert_close(shared, torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64))
    assert ZPlus(Dense(weight)).propagate(x, relevance).argmax() != 0


def test_alpha_beta_with_contributions_of_one_sign_hands_on_everything():
    rule = AlphaBeta(Dense(torch.tensor([[1.0, 2.0], [-1.0, -2.0], [1.0, -1.0]])))
    shared = rule.propagate(torch.tensor([[1.0, 1.0]]), torch.tensor([[3.0, 3.0, 1.0]]))
    torch.testing.assert_close(shared, torch.tensor([[1.0 + 1.0 + 2.0, 2.0 + 2.0 - 1.0]]))
