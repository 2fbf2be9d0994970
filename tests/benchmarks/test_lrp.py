"""LRP against one forward pass plus the gradient of the error with respect to the input: ratios in
one run.

Minor page faults stand beside the times: at ten thousand rows they decide.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from aexbench import Detector, explainers
from tests.benchmarks.turns import Turns, in_turns, ratio
from tests.explainers.networks import table_2


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for a core which other work holds say nothing of LRP."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def mlp(*sizes: int) -> nn.Sequential:
    layers = [layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*layers[:-1], nn.Sigmoid())


def six_layers() -> nn.Sequential:
    return mlp(21, 64, 32, 8, 32, 64, 21)


def three_layers() -> nn.Sequential:
    return mlp(21, 64, 64, 21)


def gradient(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    inputs = x.clone().requires_grad_()
    error = (inputs - model(inputs)).square().flatten(1).mean(1).sum()
    return torch.autograd.grad(error, inputs)[0]


# Measured beside other work: six layers .55, .53 to .8, .84; three layers .44, .62
# (in seconds of the processor .49, .65, .75; .36, .58); Table 2 .95 and .62. Against gradients in
# chunks alike ten thousand rows take 1.05. A noisy machine gets a margin.
@pytest.mark.parametrize(
    ("kind", "preset", "shape", "batch", "rounds", "most"),
    [
        (six_layers, "paper-tabular", (21,), 1, 300, 0.7),
        (six_layers, "paper-tabular", (21,), 100, 200, 0.9),
        (six_layers, "paper-tabular", (21,), 10_000, 20, 1.3),
        (three_layers, "paper-tabular", (21,), 1, 300, 0.6),
        (three_layers, "paper-tabular", (21,), 100, 200, 0.85),
        (table_2, "paper-image", (1, 128, 128), 1, 15, 1.25),
        (table_2, "paper-image", (1, 128, 128), 16, 3, 0.8),
    ],
)
def test_cost_in_forward_and_backward_passes(kind, preset, shape, batch, rounds, most):
    torch.manual_seed(0)
    model = kind().eval()
    explainer = explainers.create("lrp", Detector(model), preset=preset).explainer  # no checks
    x = torch.rand(batch, *shape)
    explainer.explain(x)
    rows = explainer._chunk_rows(x)
    calls = [
        lambda: explainer.explain(x),
        lambda: gradient(model, x),
        lambda: torch.cat([gradient(model, part) for part in x.split(rows)]),
    ]
    turns = in_turns(calls, rounds)
    print(f"\n{kind.__name__} at batch {batch}, chunks of {rows}: {said(turns)}")
    if kind is table_2:
        print(
            f"with the gradient's model in channels last: {against_channels_last(explainer, x):.2f}"
        )
    assert turns.seconds[0] / turns.seconds[1] <= most


def said(turns: Turns) -> str:
    lrp, gradients, in_chunks = turns.seconds
    return (
        f"LRP {lrp * 1e6:.0f} µs ({turns.faults[0]:.0f} faults), {lrp / gradients:.2f} of forward "
        f"and gradient ({turns.faults[1]:.0f} faults), {lrp / in_chunks:.2f} of those in chunks "
        f"alike ({turns.faults[2]:.0f})"
    )


def against_channels_last(explainer, x: torch.Tensor) -> float:
    """Return the ratio to the gradient of a model whose weights lie with channels last: that layout
    is no merit of LRP's.
    """
    model = table_2().eval().to(memory_format=torch.channels_last)
    return ratio(lambda: explainer.explain(x), lambda: gradient(model, x), rounds=3)


def by_zennit(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return zennit's relevance of the squared error: w² first, then z⁺, biases left out."""
    from zennit.attribution import Gradient
    from zennit.composites import SpecialFirstLayerMapComposite
    from zennit.rules import Pass, WSquare, ZPlus
    from zennit.types import Activation, Linear

    rules = [(Activation, Pass()), (Linear, ZPlus(zero_params="bias"))]
    composite = SpecialFirstLayerMapComposite(layer_map=rules, first_map=[(Linear, WSquare())])
    with Gradient(model=model, composite=composite) as attributor:
        _, relevance = attributor(x, lambda x_hat: (x - x_hat).square() / x[0].numel())
    return relevance


# Measured: zennit takes 10 times as long at one row, 7 at 100, 2.7 at 10,000.
@pytest.mark.parametrize("batch", [1, 100, 10_000])
def test_cost_beside_zennit(batch):
    pytest.importorskip("zennit", exc_type=ImportError)  # which needs torchvision
    torch.manual_seed(0)
    model = six_layers().eval()
    explainer = explainers.create("lrp", Detector(model), preset="paper-tabular").explainer
    x = torch.rand(batch, 21)
    ours, theirs = explainer.explain(x), by_zennit(model, x)
    assert torch.corrcoef(torch.stack([ours.flatten(), theirs.flatten()]))[0, 1] > 0.99
    times = ratio(lambda: by_zennit(model, x), lambda: explainer.explain(x), rounds=10)
    print(f"\nzennit / LRP at batch {batch}: {times:.1f}")
    assert times > 1
