"""Flat line: a sensor is stuck."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge

from aexbench import Detector, Proposal
from aexbench.corruptions import register
from aexbench.corruptions.tools import segments


@register("flat-line", threshold=0.05, version=1, series=True)
def flat_line(
    detector: Detector,
    x: torch.Tensor,
    mask: torch.Tensor,
    rng: np.random.Generator,
    *,
    length: Annotated[int, Ge(2)] = 16,
    channels: Annotated[int, Ge(1)] = 1,
) -> Proposal:
    """Hold a segment of a channel at the value of its first step.

    The first step stays what it was, and so does every other one of the same value: none of these
    is in the truth, and a draw whose feature has no other value does not count.

    Parameters
    ----------
    length
        Steps of the segment.
    channels
        How many channels change together: that of the feature drawn, and others at random.
    """
    segment = segments.drawn(rng, mask, length, channels)
    first = torch.as_tensor((segment.steps == 0).argmax(axis=1), device=x.device)
    held = x[torch.arange(len(x), device=x.device), first]
    return segments.replaced(x, mask, segment, held[:, None, :].expand_as(x))
