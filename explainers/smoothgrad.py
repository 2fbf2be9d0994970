"""SmoothGrad: the gradient of the error averaged over noisy copies of a sample; captum's formula
with noise by the sample's content.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge

from aexbench import Detector
from aexbench.explainers import register
from aexbench.explainers.tools.averaging import Points, averaged
from aexbench.explainers.tools.confined import leaving_the_range
from aexbench.explainers.tools.units import Units


@register("smoothgrad", version=1)
def smoothgrad(
    detector: Detector,
    x: torch.Tensor,
    *,
    nsamples: Annotated[int, Ge(1)] = 50,
    noise: Annotated[float, Ge(0)] = 0.1,
    seed: Annotated[int, Ge(0)] = 0,
    loss: Literal["l1", "l2"] | None = None,
) -> torch.Tensor:
    """Return |mean of ∂e/∂x over noisy copies of x|; without noise it is the saliency.

    Parameters
    ----------
    nsamples
        Noisy copies of each sample.
    noise
        Standard deviation of the noise, as a share of each column's regular range (`Features.low`
        to `high`). The paper recommends 0.1 to 0.2.
    seed
        Of the noise, along with each sample's content.
    loss
        The detector's own where it is left out.

    Raises
    ------
    SkipError
        Where x̂ does not hang on x for autograd, or the model refuses gradients; where the model or
        the loss refuses values outside of the features' `low` and `high`.

    References
    ----------
    Smilkov et al. 2017, "SmoothGrad: removing noise by adding noise", Sec. 2. The absolute value is
    taken of the mean, so that noise in the gradient cancels.
    """
    detector = detector.with_loss(loss)
    span = Units.of(detector.features, tuple(x.shape[1:])).span

    def noisy(part: torch.Tensor, generators: list[np.random.Generator]) -> Points:
        spread = torch.as_tensor(noise * span).to(part)

        def points(draws: torch.Tensor) -> tuple[torch.Tensor, float]:
            shape = (len(draws), *part.shape[1:])
            drawn = np.stack(
                [generator.standard_normal(shape, dtype=np.float32) for generator in generators]
            )
            return part[:, None] + spread * torch.as_tensor(drawn).to(part), 1.0

        return points

    with leaving_the_range("smoothgrad", detector, x):
        return averaged(detector, x, nsamples, seed, noisy).abs()
