"""Units: a column's range, `Features.high` − `low`, is what lengths, steps and tolerances are
counted in.

One network with its data in other units is the same detector, so that its attributions must rank
alike. Of data in [0, 1] the range is 1 and nothing changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from aexbench.detector import Detector
from aexbench.features import Features


@dataclass(frozen=True)
class Units:
    """Where each column's range begins, and how long it is: arrays of the shape of one sample.

    Examples
    --------
    >>> units = Units.of(Features(low=-10.0, high=30.0), (2,))
    >>> units.scaled(torch.tensor([[10.0, 30.0]]))
    tensor([[0.5000, 1.0000]])
    """

    low: NDArray[np.float64]
    span: NDArray[np.float64]

    @staticmethod
    def of(features: Features, shape: tuple[int, ...]) -> Units:
        """Return the units of samples of a shape; a column without bounds is taken as it is."""
        low, high = features.bounds(shape)
        bounded = np.isfinite(low) & np.isfinite(high)
        with np.errstate(invalid="ignore"):  # infinity less infinity
            return Units(np.where(bounded, low, 0.0), np.where(bounded, high - low, 1.0))

    def tensors(self, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return both as tensors of the type and on the device of another one."""
        return torch.as_tensor(self.low).to(like), torch.as_tensor(self.span).to(like)

    def scaled(self, x: torch.Tensor) -> torch.Tensor:
        """Return samples (N, …) in units of the ranges: [0, 1] is what is regular."""
        low, span = self.tensors(x)
        return (x - low) / span

    @property
    def reach(self) -> NDArray[np.float64]:
        """The greatest size of a regular value, or the range where that is more: what rounding is
        a share of.
        """
        return np.maximum(self.span, np.maximum(np.abs(self.low), np.abs(self.low + self.span)))


def error_unit(detector: Detector, shape: tuple[int, ...]) -> float:
    """Return the error of a sample that is off by its range in every column; 1 for data in
    [0, 1], in L1 and in L2.
    """
    span = Units.of(detector.features, shape).span
    if detector.loss == "l1":
        return float(span.mean())
    if detector.loss == "l2":
        return float(np.square(span).mean())
    given = torch.as_tensor(span)[None].to(detector.device, detector.dtype)
    with torch.no_grad():
        unit = float(detector.error_share(given, torch.zeros_like(given)).double().sum())
    return unit if np.isfinite(unit) and unit > 0 else 1.0
