"""Deviation: a floor. What is scored by knowing the training data and not the detector."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike

from aexbench import Detector
from aexbench.explainers import register
from aexbench.explainers.tools.baselines import normal_rows
from aexbench.explainers.tools.units import Units
from aexbench.rows import moments

LEAST_SPREAD = 1e-6  # of its range, of a constant column: any change of it stands out


@register("deviation", version=1, floor=True)
class Deviation:
    """Return |x − mean| / spread of the training data, column by column; the detector is not asked.

    Parameters
    ----------
    detector
        Asked only whether it takes the background's columns, and for their ranges.
    background
        Normal samples (N, …), the training split.
    """

    def __init__(self, detector: Detector, *, background: ArrayLike) -> None:
        rows = normal_rows(detector, background)
        self.mean, spread = (torch.as_tensor(moment) for moment in moments(rows))
        span = torch.as_tensor(Units.of(detector.features, tuple(rows.shape[1:])).span)
        self.spread = torch.maximum(spread, LEAST_SPREAD * span)

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return |x − mean| / spread (N, …)."""
        return (x - self.mean.to(x)).abs() / self.spread.to(x)
