"""LRP against one forward pass plus the gradient of the error with respect to the input: ratios in
one run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from aexbench import Detector, explainers
from tests.explainers.networks import table_2


def mlp() -> nn.Sequential:
    sizes = [21, 64, 32, 8, 32, 64, 21]
    layers = [layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*layers[:-1], nn.Sigmoid())


def gradient(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    inputs = x.clone().requires_grad_()
    error = (inputs - model(inputs)).square().flatten(1).mean(1).sum()
    return torch.autograd.grad(error, inputs)[0]


def alternating(one: Callable[[], object], other: Callable[[], object], rounds: int) -> float:
    """Return the ratio of the median times of two calls that take turns, so that a drifting machine
    hits both.
    """
    times = np.empty((rounds + 3, 2))
    for row in times:
        for i, call in enumerate((one, other)):
            start = time.perf_counter()
            call()
            row[i] = time.perf_counter() - start
    medians = np.median(times[3:], axis=0)
    return float(medians[0] / medians[1])


# Measured on two cores: 0.67, 0.8, 0.8 to 1.2 for the table, 1.04 and 0.56 for images; a noisy
# machine gets a margin.
@pytest.mark.parametrize(
    ("kind", "preset", "shape", "batch", "rounds", "most"),
    [
        (mlp, "paper-tabular", (21,), 1, 200, 0.9),
        (mlp, "paper-tabular", (21,), 100, 200, 1.0),
        (mlp, "paper-tabular", (21,), 10_000, 30, 1.5),
        (table_2, "paper-image", (1, 128, 128), 1, 9, 1.25),
        (table_2, "paper-image", (1, 128, 128), 16, 5, 0.8),
    ],
)
def test_cost_in_forward_and_backward_passes(kind, preset, shape, batch, rounds, most):
    torch.manual_seed(0)
    model = kind().eval()
    explainer = explainers.create("lrp", Detector(model), preset=preset).explainer  # no checks
    x = torch.rand(batch, *shape)
    ratio = min(
        alternating(lambda: explainer.explain(x), lambda: gradient(model, x), rounds)
        for _ in range(3)
    )
    print(f"\nLRP / (forward + gradient), {kind.__name__} at batch {batch}: {ratio:.2f}")
    if kind is table_2:
        print(
            f"with the gradient's model in channels last: {against_channels_last(explainer, x):.2f}"
        )
    assert ratio <= most


def against_channels_last(explainer, x: torch.Tensor) -> float:
    """Return the ratio to the gradient of a model whose weights lie with channels last: that layout
    is no merit of LRP's.
    """
    model = table_2().eval().to(memory_format=torch.channels_last)
    return alternating(lambda: explainer.explain(x), lambda: gradient(model, x), rounds=5)
