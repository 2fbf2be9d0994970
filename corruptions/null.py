"""Null corruption: the feature's value is lost."""

from __future__ import annotations

import numpy as np
import torch

from aexbench import Detector
from aexbench.corruptions import register


@register("null", threshold=0.3, version=1)
def null(
    detector: Detector, x: torch.Tensor, mask: torch.Tensor, rng: np.random.Generator
) -> torch.Tensor:
    """Set one feature to 0.

    References
    ----------
    "Unlocking Layer-wise Relevance Propagation for Autoencoders", Sec. 4.1 (T = 0.3).
    """
    return x.masked_fill(mask, 0.0)
