"""One network with its data in other units: what the tests of units share."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from aexbench import Detector, Features

UNITS = [(1e-4, 0.0), (1000.0, 0.0), (1.0, 1e3), (1e-4, 1e3), (1000.0, -1e3), (1.0, -0.5)]
"""A factor, and a shift in ranges: x becomes factor · (x + shift)."""


class InUnits(nn.Module):
    """A network of values in [0, 1] that takes and returns them in another unit."""

    def __init__(self, net: nn.Module, factor: float, shift: float) -> None:
        super().__init__()
        self.net, self.factor, self.shift = net, factor, shift

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.net(x / self.factor - self.shift) + self.shift) * self.factor


def in_units(
    values: torch.Tensor | np.ndarray, factor: float, shift: float
) -> torch.Tensor | np.ndarray:
    """Return values in [0, 1] in another unit, in float64."""
    exact = values.double() if isinstance(values, torch.Tensor) else values.astype(np.float64)
    return (exact + shift) * factor


def detector_in_units(
    net: nn.Module, factor: float, shift: float, loss: str = "l2", **described: object
) -> Detector:
    """Return the detector around a network, and the Features that go with its unit."""
    features = Features(low=factor * shift, high=factor * (1 + shift), **described)
    return Detector(InUnits(net, factor, shift), loss, features)
