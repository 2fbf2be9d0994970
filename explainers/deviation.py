"""Deviation: a floor. What is scored by knowing the training data and not the detector."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike

from aexbench import Detector
from aexbench.explainers import register

LEAST_SPREAD = 1e-6  # of a constant column: any change of it stands out


@register("deviation", floor=True)
class Deviation:
    """Return |x − mean| / spread of the training data, column by column; the detector is not asked.

    Parameters
    ----------
    detector
        Not used.
    background
        Normal samples (N, …), the training split.
    """

    def __init__(self, detector: Detector, *, background: ArrayLike) -> None:
        normal = np.asarray(background)
        self.mean = torch.as_tensor(normal.mean(axis=0, dtype=np.float64))
        self.spread = torch.as_tensor(normal.std(axis=0, dtype=np.float64)).clamp_min(LEAST_SPREAD)

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return |x − mean| / spread (N, …)."""
        return (x - self.mean.to(x)).abs() / self.spread.to(x)
