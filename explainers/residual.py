"""Residual: the reconstruction error of each feature by itself (the paper's baseline)."""

from __future__ import annotations

from typing import Literal

import torch

from aexbench import Detector
from aexbench.explainers import register


@register("residual")
def residual(detector: Detector, x: torch.Tensor, *, loss: Literal["l1", "l2"] | None = None) -> torch.Tensor:
    """Return each feature's own share of the error: |x − x̂|/m (l1) or (x − x̂)²/m (l2).

    Parameters
    ----------
    loss
        The detector's own where it is left out.

    References
    ----------
    "Unlocking Layer-wise Relevance Propagation for Autoencoders", Sec. 4.1 and 4.2.
    """
    return detector.with_loss(loss).error_map(x)
