"""Input × gradient: the gradient of the error times the sample; captum's formula."""

from __future__ import annotations

from typing import Literal

import torch

from aexbench import Detector
from aexbench.explainers import register
from aexbench.explainers.tools.gradients import require_gradient
from aexbench.explainers.tools.units import Units


@register("input-x-gradient", version=1)
def input_x_gradient(
    detector: Detector, x: torch.Tensor, *, loss: Literal["l1", "l2"] | None = None
) -> torch.Tensor:
    """Return (x − low) · ∂e/∂x: what each column gives to the error if the error were linear and
    normal were the least regular value, `Features.low`.

    Where values lie in [0, 1] that is x · ∂e/∂x, the published form; elsewhere it is that of the
    data scaled to [0, 1], so that it does not depend on where a unit has its zero.

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
    Shrikumar et al. 2016, "Not Just a Black Box: Learning Important Features Through Propagating
    Activation Differences": gradient × input.
    """
    detector = detector.with_loss(loss)
    require_gradient(detector, x)
    low, _ = Units.of(detector.features, tuple(x.shape[1:])).tensors(x)
    return (x - low) * detector.error_gradient(x)
