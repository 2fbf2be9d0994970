"""Distances in images, pixel by pixel."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tests.metrics.pro_twin import regions

Mask = NDArray[np.bool_]


def near(mask: Mask, distance: float) -> Mask:
    """Which pixels (N, H, W) lie at most so far from a pixel of the mask in their image."""
    found = np.zeros(mask.shape, dtype=bool)
    for image, row, column in np.ndindex(mask.shape):
        for other, y, x in np.argwhere(mask).tolist():
            if other == image and math.hypot(row - y, column - x) <= distance:
                found[image, row, column] = True
    return found


def counted(truth: Mask, distance: float) -> Mask:
    """Which pixels (N, H, W) are not near the border of the truth; regions that are all border keep
    their own.
    """
    border = np.where(truth, near(~truth, distance), near(truth, distance))
    kept = ~border
    for region in regions(truth):
        if all(border[pixel] for pixel in region):
            for pixel in region:
                kept[pixel] = True
    return kept
