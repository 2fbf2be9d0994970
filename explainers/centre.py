"""A floor for images: what is scored by knowing that objects lie in the middle, and not the
detector.
"""

from __future__ import annotations

import numpy as np
import torch

from aexbench import Detector
from aexbench.explainers import register
from aexbench.explainers.tools.segments import require_images

CENTRE = 1 / 4  # of an image's side


@register("centre", version=1, floor=True, images=True)
def centre(detector: Detector, x: torch.Tensor) -> torch.Tensor:
    """Return one Gaussian in the middle of every image, a quarter of it wide and high: nothing is
    looked at.
    """
    require_images(x, "centre")
    down, across = (_bell(length).to(x) for length in x.shape[2:])
    return (down[:, None] * across).expand_as(x).clone()


def _bell(length: int) -> torch.Tensor:
    places = np.arange(length) - (length - 1) / 2
    return torch.as_tensor(np.exp(-0.5 * (places / (CENTRE * length)) ** 2))
