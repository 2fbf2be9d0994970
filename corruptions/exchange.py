"""Exchange: a channel has the values of another time for a while."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge

from aexbench import Detector, Proposal
from aexbench.corruptions import register
from aexbench.corruptions.tools import segments
from aexbench.rows import Array


@register("exchange", threshold=0.2, version=1, series=True)
def exchange(
    detector: Detector,
    x: torch.Tensor,
    mask: torch.Tensor,
    rng: np.random.Generator,
    *,
    clean: Array,
    length: Annotated[int, Ge(1)] = 16,
    channels: Annotated[int, Ge(1)] = 1,
) -> Proposal:
    """Set a segment of a channel to its values in another clean window, at the same steps.

    Every value is one of the channel, and they follow each other as they do: they are anomalous
    for their company alone, the other channels and the steps around. Channels that are exchanged
    together come from one window. What is the same there is no truth.

    Parameters
    ----------
    clean
        The windows that values come from; given by the engine.
    length
        Steps of the segment.
    channels
        How many channels change together: that of the feature drawn, and others at random.
    """
    segment = segments.drawn(rng, mask, length, channels, more=1)
    other = (segment.uniform[:, 0] * len(clean)).astype(np.int64)
    there = torch.as_tensor(clean[other], dtype=x.dtype, device=x.device)
    return segments.replaced(x, mask, segment, there)
