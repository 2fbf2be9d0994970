"""A floor for images: what is scored by seeing where an image has edges, and not the detector."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from aexbench import Detector
from aexbench.explainers import register
from aexbench.explainers.tools.segments import require_images
from aexbench.explainers.tools.units import Units

SLOPE, WINDOW = (-1, 0, 1), (1, 2, 1)  # of Sobel's operator: along the slope, and across it


@register("edges", version=1, floor=True, images=True)
def edges(detector: Detector, x: torch.Tensor) -> torch.Tensor:
    """Return the Sobel gradient magnitude of every image, each channel by itself; neither the
    detector nor a normal image is looked at.

    Many maps of relevance follow the edges of what they explain, whatever the network has learned.
    Values are counted in their columns' ranges, so that channels of different units compare. Edges
    of the image are mirrored: its frame is no edge.

    Raises
    ------
    SkipError
        If the samples are no images.

    References
    ----------
    Adebayo et al. 2018, "Sanity Checks for Saliency Maps", compare saliency maps with an edge
    detector.
    """
    require_images(x, "edges")
    units = Units.of(detector.features, tuple(x.shape[1:]))
    images = units.scaled(x.double().cpu()).numpy()
    found = np.hypot(_slopes(images, 2, 3), _slopes(images, 3, 2))
    return torch.as_tensor(found).to(x.device, torch.promote_types(x.dtype, torch.float32))


def _slopes(images: NDArray[np.float64], along: int, across: int) -> NDArray[np.float64]:
    """Return Sobel's slopes of images (N, C, H, W) along one axis, smoothed across it."""
    steps = correlate1d(images, SLOPE, axis=along, mode="reflect")
    return np.asarray(correlate1d(steps, WINDOW, axis=across, mode="reflect"))
