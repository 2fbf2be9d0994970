"""Neighbours in images: connected regions of the truth, what lies within some pixels of them, and
what is left without their borders.

The last two axes of (N, …, H, W) are an image's plane, and each channel has its own. A row (N, M)
has no neighbours: each of its columns is a plane of one pixel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aexbench.metrics.tools.pooled import Mask

Labels = NDArray[np.int32]
NEIGHBOURS = np.ones((1, 1, 3, 3), dtype=bool)  # the eight around a pixel, in its plane


def planes(mask: Mask) -> Mask:
    """Return a mask by sample, plane, row and column: (N, C, H, W).

    >>> planes(np.ones((5, 3, 2), dtype=bool)).shape, planes(np.ones((5, 3), dtype=bool)).shape
    ((5, 1, 3, 2), (5, 3, 1, 1))
    """
    if mask.ndim < 3:
        return mask.reshape(len(mask), -1, 1, 1)
    return mask.reshape(len(mask), -1, *mask.shape[-2:])


def regions(mask: Mask) -> Labels:
    """Return which connected region each pixel (N, C, H, W) of a mask lies in, from 1 on; 0 outside
    of the mask. Pixels that touch at a corner are connected.

    >>> regions(np.array([[[[1, 0, 1], [0, 1, 0], [0, 0, 0], [0, 0, 1]]]], dtype=bool))[0, 0]
    array([[1, 0, 1],
           [0, 1, 0],
           [0, 0, 0],
           [0, 0, 2]], dtype=int32)
    """
    from scipy import ndimage

    structure = np.zeros((3, 3, 3, 3), dtype=bool)
    structure[1:2, 1:2] = NEIGHBOURS
    labels, _ = ndimage.label(mask, structure=structure)
    return np.asarray(labels, dtype=np.int32)


def within(mask: Mask, distance: int) -> Mask:
    """Return the pixels (N, C, H, W) that lie at most so many pixels from one of the mask's, from
    centre to centre.

    >>> within(np.array([[[[0, 0, 1, 0]]]], dtype=bool), 1)[0, 0].astype(int)
    array([[0, 1, 1, 1]])
    """
    from scipy import ndimage

    if distance == 0 or mask.shape[-2:] == (1, 1):
        return mask
    found = np.zeros(mask.shape, dtype=bool)
    for place in zip(*np.nonzero(mask.any(axis=(2, 3))), strict=True):
        found[place] = ndimage.distance_transform_edt(~mask[place]) <= distance
    return found


def counted(truth: Mask, distance: int) -> Mask:
    """Return which pixels are not near a border of the truth (N, …, H, W), by plane: (N, C, H, W).

    A true pixel is near it if a false one lies at most `distance` pixels away, and a false one if a
    true one does. A region that is all border keeps its true pixels.

    >>> counted(np.array([[[0, 0, 1, 1, 1]]], dtype=bool), 1).astype(int)[0, 0]
    array([[1, 0, 0, 1, 1]])
    """
    true = planes(truth)
    inner = ~within(~true, distance)
    labels = regions(true)
    wide = np.bincount(labels.ravel(), weights=inner.ravel()) > 0  # regions with inner pixels
    return np.asarray(np.where(true, inner | ~wide[labels], ~within(true, distance)))
