"""Noise: a channel trembles for a while."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Gt
from scipy.special import ndtri

from aexbench import Detector, Proposal
from aexbench.corruptions import register
from aexbench.corruptions.tools import segments
from aexbench.rows import Array

LEAST = 2.0**-54  # less than what is drawn, but for 0: its quantile is infinite


@register("noise", threshold=0.3, version=1, series=True)
def noise(
    detector: Detector,
    x: torch.Tensor,
    mask: torch.Tensor,
    rng: np.random.Generator,
    *,
    clean: Array,
    size: Annotated[float, Gt(0)] = 5.0,
    length: Annotated[int, Ge(1)] = 8,
    channels: Annotated[int, Ge(1)] = 1,
    bounded: bool = False,
) -> Proposal:
    """Add Gaussian noise of `size` spreads to a segment of a channel.

    A spread is the channel's standard deviation over clean windows and their steps.

    Parameters
    ----------
    clean
        The windows that spreads come from; given by the engine.
    size
        The noise's standard deviation, in spreads of the channel.
    length
        Steps of the segment.
    channels
        How many channels change together: that of the feature drawn, and others at random.
    bounded
        Keep values between the channel's low and high; the noise of a real sensor may leave them.
    """
    segment = segments.drawn(rng, mask, length, channels, more=x[0].numel())
    normal = ndtri(np.maximum(segment.uniform, LEAST)).reshape(x.shape)
    amount = size * segments.spreads(clean, detector.features) * normal
    return segments.added(detector, x, mask, segment, amount, bounded)
