"""Saliency: the absolute gradient of the error by the sample; captum's formula."""

from __future__ import annotations

from typing import Literal

import torch

from aexbench import Detector
from aexbench.explainers import register


@register("saliency", version=1)
def saliency(
    detector: Detector, x: torch.Tensor, *, loss: Literal["l1", "l2"] | None = None
) -> torch.Tensor:
    """Return |∂e/∂x|: how fast the error changes with each column, whatever the direction.

    Parameters
    ----------
    loss
        The detector's own where it is left out.

    References
    ----------
    Simonyan, Vedaldi and Zisserman 2014, "Deep Inside Convolutional Networks", Sec. 3: the absolute
    value of the derivative. They take the greatest of an image's channels; here each has its own.
    """
    return detector.with_loss(loss).error_gradient(x).abs()
