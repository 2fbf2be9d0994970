"""Saliency: the absolute gradient of the error by the sample; captum's formula."""

from __future__ import annotations

from typing import Literal

import torch

from aexbench import Detector
from aexbench.explainers import register
from aexbench.explainers.tools.gradients import require_gradient


@register("saliency", version=1)
def saliency(
    detector: Detector, x: torch.Tensor, *, loss: Literal["l1", "l2"] | None = None
) -> torch.Tensor:
    """Return |∂e/∂x|: how fast the error changes with each column, whatever the direction.

    Parameters
    ----------
    loss
        The detector's own where it is left out.

    Raises
    ------
    SkipError
        Where x̂ does not hang on x for autograd, or the model refuses gradients.

    References
    ----------
    Simonyan, Vedaldi and Zisserman 2014, "Deep Inside Convolutional Networks", Sec. 3: the absolute
    value of the derivative. They take the greatest of an image's channels; here each has its own.
    """
    detector = detector.with_loss(loss)
    require_gradient(detector, x)
    return detector.error_gradient(x).abs()
