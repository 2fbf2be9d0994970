"""Drift: a channel moves away step by step."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Gt

from aexbench import Detector, Proposal
from aexbench.corruptions import register
from aexbench.corruptions.tools import segments
from aexbench.rows import Array


@register("drift", threshold=0.3, version=1, series=True)
def drift(
    detector: Detector,
    x: torch.Tensor,
    mask: torch.Tensor,
    rng: np.random.Generator,
    *,
    clean: Array,
    size: Annotated[float, Gt(0)] = 10.0,
    length: Annotated[int, Ge(1)] = 8,
    channels: Annotated[int, Ge(1)] = 1,
    bounded: bool = False,
) -> Proposal:
    """Move a segment of a channel by a ramp that ends at `size` spreads, up or down.

    Step k of `length` moves by k/`length` of it, the last one by all. A spread is the channel's
    standard deviation over clean windows and their steps.

    Parameters
    ----------
    clean
        The windows that spreads come from; given by the engine.
    size
        Of the last step, in spreads of the channel.
    length
        Steps of the segment.
    channels
        How many channels change together: that of the feature drawn, and others at random.
    bounded
        Keep values between the channel's low and high; the drift of a real sensor may leave them.
    """
    segment = segments.drawn(rng, mask, length, channels, more=x.shape[-1])
    spread = segments.spreads(clean, detector.features)
    ramp = (segment.steps[:, :, None] + 1) / length
    amount = ramp * size * spread * segments.signs(segment.uniform)
    return segments.added(detector, x, mask, segment, amount, bounded)
