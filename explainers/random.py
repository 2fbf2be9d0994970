"""Random: a floor. What is scored by knowing nothing."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge

from aexbench import Detector
from aexbench.explainers import register
from aexbench.explainers.tools.seeding import generators


@register("random", version=2, floor=True)
def random(detector: Detector, x: torch.Tensor, *, seed: Annotated[int, Ge(0)] = 0) -> torch.Tensor:
    """Return noise whose sum over each feature is standard normal, seeded by each sample's content:
    the batch that it comes in does not matter.

    A column of a feature of k columns has the standard deviation 1/√k: chance is chance for each
    feature, however many columns it has.
    """
    drawing = generators(x, seed, detector.features)
    noise = np.stack([generator.standard_normal(x.shape[1:]) for generator in drawing])
    if detector.features.groups is not None:
        number = np.asarray(detector.features.groups)
        noise = noise / np.sqrt(np.bincount(number)[number]).reshape(x.shape[1:])
    return torch.as_tensor(noise, dtype=x.dtype)
