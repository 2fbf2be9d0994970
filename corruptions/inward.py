"""Inward corruption: an unusual value becomes a usual one, in the wrong place."""

from __future__ import annotations

import numpy as np
import torch

from aexbench import Detector
from aexbench.corruptions import register
from aexbench.rows import Array

USUAL = 0.67  # spreads from the mean: about half of the values of a normal distribution


@register("inward", threshold=0.3, version=1)
def inward(
    detector: Detector,
    x: torch.Tensor,
    mask: torch.Tensor,
    rng: np.random.Generator,
    *,
    clean: Array,
) -> torch.Tensor:
    """Move a value that lies more than 0.67 spreads from its column's mean to a uniform one within
    0.67 spreads.

    A value that is usual already stays, and its draw does not count. An explainer that takes what
    is far from the mean for the cause finds none of these.

    Parameters
    ----------
    clean
        The samples that mean and spread come from; given by the engine.
    """
    mean, spread = (
        torch.as_tensor(statistic(clean, axis=0, dtype=np.float64), device=x.device)
        for statistic in (np.mean, np.std)
    )
    uniform = torch.as_tensor(2 * rng.random(tuple(x.shape)) - 1, device=x.device)
    unusual = (x - mean).abs() > USUAL * spread
    return torch.where(mask & unusual, (mean + USUAL * spread * uniform).to(x.dtype), x)
