"""What autoencoders share: layers with their initial weights, weights drawn to 0, and a check of an
image's shape.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from aexbench.errors import RequestError

Start = Literal["he", "glorot"]


class Sparse(nn.Sequential):
    """Layers whose weights are drawn to 0 in training."""

    def __init__(self, l1: float, *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.l1 = l1

    def penalty(self) -> torch.Tensor:
        """Return λ Σ |w| over all weights; biases are free."""
        layers = [m for m in self.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
        return self.l1 * torch.stack([layer.weight.abs().sum() for layer in layers]).sum()


class ForRelu(nn.Sequential):
    """Layers whose initial weights suit ReLU (He et al. 2015), or those of Glorot and Bengio 2010,
    uniform, which Keras starts from.
    """

    def __init__(self, *layers: nn.Module, start: Start = "he") -> None:
        super().__init__(*layers)
        self.start = start
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw initial weights."""
        weighted = [layer for layer in self if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
        for layer in self:
            if isinstance(layer, nn.BatchNorm2d):
                layer.reset_parameters()
        for layer in weighted:
            if self.start == "he":
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            else:
                nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class Output(ForRelu):
    """A last layer that starts near the constant 0.5, whatever comes in: a ReLU behind it lives.

    Otherwise the output of Table 2's network is all zero for about half of the seeds, and has no
    gradient to leave it.
    """

    def reset_parameters(self) -> None:
        """Draw initial weights."""
        super().reset_parameters()
        for layer in self:
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.bias is not None:
                layer.weight.data.mul_(0.1)
                nn.init.constant_(layer.bias, 0.5)


def channels_last(model: nn.Module) -> nn.Module:
    """Have a model's convolutions lie with channels last: they train in two thirds of the time."""
    for weight in model.parameters():
        if weight.dim() == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    return model


def check_image(shape: tuple[int, ...], halvings: int, name: str) -> None:
    """Raise RequestError unless samples are images that can be halved so often."""
    if len(shape) != 3:
        raise RequestError(f"{name} takes images (C, H, W); samples have shape {shape}")
    if halvings < 1 or shape[1] % 2**halvings or shape[2] % 2**halvings:
        raise RequestError(
            f"{name}: height and width must be divisible by {2**halvings}; samples have shape "
            f"{shape}"
        )
