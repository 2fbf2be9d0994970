"""Regions of an image, which stand for its features: a pixel says nothing to a person."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aexbench.features import Features

SIDE = 8  # regions along each side, at most


def regions(shape: tuple[int, ...]) -> tuple[Features, tuple[str, ...]]:
    """Return the regions of images (C, H, W) as feature groups, and what each is called: its
    pixels from the top and from the left.

    >>> regions((1, 16, 16))[1][:2]
    ('y 0–1, x 0–1', 'y 0–1, x 2–3')
    """
    down, across = (_parts(side) for side in shape[1:])
    groups = down[:, None] * (across[-1] + 1) + across
    names = tuple(f"y {y}, x {x}" for y in _spans(down) for x in _spans(across))
    every = np.broadcast_to(groups, shape).ravel()
    return Features(groups=tuple(every.tolist())), names


def _parts(side: int) -> NDArray[np.int64]:
    """Return the number of the part that each pixel along a side lies in."""
    return np.arange(side) * min(SIDE, side) // side


def _spans(parts: NDArray[np.int64]) -> list[str]:
    """Return the pixels of each part in words."""
    places = [np.flatnonzero(parts == number) for number in range(parts[-1] + 1)]
    return [f"{p[0]}–{p[-1]}" if len(p) > 1 else f"{p[0]}" for p in places]
