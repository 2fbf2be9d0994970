"""Random: a floor. What is scored by knowing nothing."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge

from aexbench import Detector
from aexbench.explainers import register
from aexbench.explainers.tools.seeding import generators


@register("random", version=1, floor=True)
def random(detector: Detector, x: torch.Tensor, *, seed: Annotated[int, Ge(0)] = 0) -> torch.Tensor:
    """Return standard normal noise, seeded by each sample's content: the batch that it comes in
    does not matter.
    """
    noise = [generator.standard_normal(x.shape[1:]) for generator in generators(x, seed)]
    return torch.as_tensor(np.stack(noise), dtype=x.dtype)
