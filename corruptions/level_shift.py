"""Level shift: a channel stands off by a constant for a while."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Gt

from aexbench import Detector, Proposal
from aexbench.corruptions import register
from aexbench.corruptions.tools import segments
from aexbench.rows import Array


@register("level-shift", threshold=0.3, version=1, series=True)
def level_shift(
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
    """Move a segment of a channel by `size` spreads, all steps by the same, up or down.

    A spread is the channel's standard deviation over clean windows and their steps.

    Parameters
    ----------
    clean
        The windows that spreads come from; given by the engine.
    size
        In spreads of the channel.
    length
        Steps of the segment.
    channels
        How many channels change together: that of the feature drawn, and others at random.
    bounded
        Keep values between the channel's low and high; the shift of a real sensor may leave them.
    """
    segment = segments.drawn(rng, mask, length, channels, more=x.shape[-1])
    spread = segments.spreads(clean, detector.features)
    amount = size * spread * segments.signs(segment.uniform)
    return segments.added(detector, x, mask, segment, amount, bounded)
