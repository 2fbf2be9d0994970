"""Random corruption: the feature takes a regular value that is not its own."""

from __future__ import annotations

import numpy as np
import torch

from aexbench import Detector
from aexbench.corruptions import register


@register("random", threshold=0.5, version=1)
def random(
    detector: Detector, x: torch.Tensor, mask: torch.Tensor, rng: np.random.Generator
) -> torch.Tensor:
    """Set one feature to a uniform value between its low and high: 0 and 1, unless the data set
    says otherwise.

    References
    ----------
    "Unlocking Layer-wise Relevance Propagation for Autoencoders", Sec. 4.1 (T = 0.5).
    """
    low, high = detector.features.bounds(tuple(x.shape[1:]))
    values = low + (high - low) * rng.random(tuple(x.shape))
    return torch.where(mask, torch.as_tensor(values, dtype=x.dtype, device=x.device), x)
