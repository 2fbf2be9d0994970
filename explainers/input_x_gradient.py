"""Input × gradient: the gradient of the error times the sample; captum's formula."""

from __future__ import annotations

from typing import Literal

import torch

from aexbench import Detector
from aexbench.explainers import register


@register("input-x-gradient", version=1)
def input_x_gradient(
    detector: Detector, x: torch.Tensor, *, loss: Literal["l1", "l2"] | None = None
) -> torch.Tensor:
    """Return x · ∂e/∂x: what each column gives to the error if the error were linear and normal
    were zero.

    Parameters
    ----------
    loss
        The detector's own where it is left out.

    References
    ----------
    Shrikumar et al. 2016, "Not Just a Black Box: Learning Important Features Through Propagating
    Activation Differences": gradient × input.
    """
    return x * detector.with_loss(loss).error_gradient(x)
