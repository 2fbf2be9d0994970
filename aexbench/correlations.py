"""How alike the orders of two maps are: Spearman's rank correlation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def centred_ranks(maps: ArrayLike) -> Floats:
    """Return the ranks of values (…, M) along the last axis, ties at their mean rank, less the mean
    of all.

    >>> centred_ranks([5, 1, 1])
    array([ 1. , -0.5, -0.5])
    """
    from scipy.stats import rankdata  # half a second

    found = rankdata(maps, axis=-1)
    return np.asarray(found - (found.shape[-1] + 1) / 2)


def correlation(one: Floats, other: Floats) -> Floats:
    """Return the correlation (…) of centred ranks (…, M): not a number where either is the same
    everywhere, which has no order to be like another one's.

    >>> flat, slope = centred_ranks([2, 2, 2]), centred_ranks([1, 2, 3])
    >>> correlation(slope, np.stack([slope, -slope, flat]))
    array([ 1., -1., nan])
    """
    size = np.sqrt((one**2).sum(axis=-1) * (other**2).sum(axis=-1))
    size = np.where(size > 0, size, np.nan)
    return np.asarray((one * other).sum(axis=-1) / size).clip(-1, 1)  # within rounding


def likeness(one: NDArray[Any], other: NDArray[Any]) -> Floats:
    """Return the rank correlation (…) of maps (…, M), where one that is the same everywhere is like
    another such one, and unlike every other.

    >>> likeness(np.array([[1, 2, 3], [1, 1, 1]]), np.array([3, 5, 4]))
    array([0.5, 0. ])
    """
    first, second = centred_ranks(one), centred_ranks(other)
    flat = ~first.any(axis=-1) & ~second.any(axis=-1)
    return np.where(flat, 1.0, np.nan_to_num(correlation(first, second)))
