"""Smoothing of maps over images."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d


def blur(images: torch.Tensor, sigma: float, radius: int | None = None) -> torch.Tensor:
    """Return images (N, C, H, W) under a Gaussian window of `radius` pixels, or of 4 sigma where it
    is left out.

    Edges are mirrored (… c b a | a b c …, SciPy's `reflect`). What crosses an edge comes back, so
    that the weights with which a pixel is spread add up to 1 just as those of a window do: the sum
    over an image stays what it was.
    """
    down, across = (_window(length, sigma, radius).to(images) for length in images.shape[2:])
    return down @ images @ across.T


def _window(length: int, sigma: float, radius: int | None) -> torch.Tensor:
    """Return the matrix (length, length) that smooths a line of pixels."""
    return torch.as_tensor(
        gaussian_filter1d(np.eye(length), sigma, axis=0, mode="reflect", radius=radius)
    )
