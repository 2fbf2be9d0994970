"""A softer start for networks that have died: at the training mean, with a rate that grows.

An output ReLU dies where the first steps of Adam push it below zero for every sample: with dark
images that takes Table 2's network three steps. What killed the last start is changed: the output
starts at the mean of the training data, whatever comes in, and the first steps are small.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

WARM_UP = 100  # steps in which the learning rate grows to its own
SHRUNK = 0.1  # of the last layer's weights: near the constant
INSIDE = 1e-3  # of the range of a sigmoid or tanh: its ends have no finite cause


def soften(model: torch.nn.Module, mean: NDArray[np.float64]) -> bool:
    """Let a model's output start at the mean (…) of the training samples; whether it could.

    The last layer with a bias is taken for the output's, one for each column or channel.
    """
    layers = [m for m in model.modules() if not any(m.children())]
    biased = [m for m in layers if isinstance(getattr(m, "bias", None), torch.nn.Parameter)]
    if not biased:
        return False
    last = biased[-1]
    bias: torch.nn.Parameter = last.bias  # type: ignore[assignment]
    wanted = torch.as_tensor(mean).reshape(len(bias), -1) if mean.size % len(bias) == 0 else None
    if wanted is None or not isinstance(getattr(last, "weight", None), torch.nn.Parameter):
        return False
    cause = _before(layers[layers.index(last) + 1 :], wanted.mean(dim=1))
    with torch.no_grad():
        last.weight.mul_(SHRUNK)  # type: ignore[operator]
        bias.copy_(cause)
    return True


def _before(activations: list[torch.nn.Module], value: torch.Tensor) -> torch.Tensor:
    """Return what the last activation turns into `value`."""
    if any(isinstance(module, torch.nn.Sigmoid) for module in activations):
        return value.clamp(INSIDE, 1 - INSIDE).logit()
    if any(isinstance(module, torch.nn.Tanh) for module in activations):
        return value.clamp(INSIDE - 1, 1 - INSIDE).atanh()
    return value


def growing(optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LambdaLR:
    """Return a schedule that lets the learning rate grow to its own over the first steps."""
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / WARM_UP))
