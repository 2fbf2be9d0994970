"""Spike: a single value jumps."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Gt

from aexbench import Detector, Proposal
from aexbench.corruptions import register
from aexbench.corruptions.tools import segments
from aexbench.rows import Array


@register("spike", threshold=0.3, version=1, series=True)
def spike(
    detector: Detector,
    x: torch.Tensor,
    mask: torch.Tensor,
    rng: np.random.Generator,
    *,
    clean: Array,
    size: Annotated[float, Gt(0)] = 10.0,
    channels: Annotated[int, Ge(1)] = 1,
    bounded: bool = False,
) -> Proposal:
    """Move one step of a channel by `size` spreads, up or down.

    A spread is the channel's standard deviation over clean windows and their steps.

    Parameters
    ----------
    clean
        The windows that spreads come from; given by the engine.
    size
        In spreads of the channel.
    channels
        How many channels change together: that of the feature drawn, and others at random.
    bounded
        Keep values between the channel's low and high; the spike of a real sensor may leave them.
    """
    segment = segments.drawn(rng, mask, 1, channels, more=x.shape[-1])
    spread = segments.spreads(clean, detector.features)
    amount = size * spread * segments.signs(segment.uniform)
    return segments.added(detector, x, mask, segment, amount, bounded)
