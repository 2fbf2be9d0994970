"""How alike the orders of two maps are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def rank_correlation(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    """Return Spearman's correlation of maps over their last axis, ties by mean ranks.

    Nothing can be said of a map that is the same for all features: it is like another such one, and
    unlike every other.

    >>> rank_correlation(np.array([[1, 2, 3], [1, 1, 1]]), np.array([3, 5, 4]))
    array([0.5, 0. ])
    """
    first, second = _centred(one), _centred(other)
    product = np.sqrt((first**2).sum(axis=-1) * (second**2).sum(axis=-1))
    flat = ~first.any(axis=-1) & ~second.any(axis=-1)
    alike = (first * second).sum(axis=-1) / np.where(product > 0, product, 1)
    return np.asarray(np.where(flat, 1.0, alike))


def _centred(maps: NDArray[Any]) -> NDArray[np.float64]:
    from scipy.stats import rankdata  # half a second

    ranks = rankdata(maps, axis=-1)
    return np.asarray(ranks - ranks.mean(axis=-1, keepdims=True))
