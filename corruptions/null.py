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
    """Set one feature to its least regular value, `Features.low`: the paper's 0, where values lie
    in [0, 1].

    Of a category all columns are set to their low: no category is there.

    References
    ----------
    "Unlocking Layer-wise Relevance Propagation for Autoencoders", Sec. 4.1 (T = 0.3).
    """
    low, _ = detector.features.bounds(tuple(x.shape[1:]))
    return torch.where(mask, torch.as_tensor(low.copy(), dtype=x.dtype, device=x.device), x)
