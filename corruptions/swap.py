"""Swap corruption: the feature takes the value of another sample."""

from __future__ import annotations

import numpy as np
import torch

from aexbench import Detector
from aexbench.corruptions import register
from aexbench.rows import Array


@register("swap", threshold=0.3, version=1)
def swap(
    detector: Detector,
    x: torch.Tensor,
    mask: torch.Tensor,
    rng: np.random.Generator,
    *,
    clean: Array,
) -> torch.Tensor:
    """Set one feature to its value in another clean sample, drawn at random.

    Every feature's own distribution stays what it was: the value is anomalous for its company
    alone, and a distance from the mean does not show it. All columns of a feature come from one
    sample: a category becomes one as often as it occurs.

    Parameters
    ----------
    clean
        The samples that values come from; given by the engine.
    """
    rows = (rng.random(len(x)) * len(clean)).astype(np.int64)
    return torch.where(mask, torch.as_tensor(clean[rows], dtype=x.dtype, device=x.device), x)
