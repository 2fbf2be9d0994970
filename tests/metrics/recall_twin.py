"""Recall at m (Sec. 4.1) where ties are broken at random, by trying every order: for few features
only.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray


def highest(row: NDArray[np.float64], order: Sequence[int], top: int) -> list[int]:
    """Indices of the `top` highest values; among equal values, the one that stands first in `order`
    goes first.
    """
    return sorted(range(len(row)), key=lambda i: (-float(row[i]), order.index(i)))[:top]


def share_found(
    row: NDArray[np.float64], true: NDArray[np.bool_], order: Sequence[int], top: int
) -> float:
    """Share of the true features that are among the `top` highest, ties in the given order."""
    found = 0
    for i in highest(row, order, top):
        if true[i]:
            found += 1
    return found / int(np.sum(true))


def recall(
    attributions: NDArray[np.float64], truth: NDArray[np.bool_], top: int
) -> NDArray[np.float64]:
    """Expected recall at m = `top` of each sample over all orders of ties (Sec. 4.1).

    `attributions` and `truth` are (N, M); the result is (N,), in [0, 1], and NaN for a sample
    without a true feature. The mean over samples is N+ / (N+ + N-) of the paper when each has one
    true feature and no ties.
    """
    scores = np.full(len(attributions), np.nan)
    for n in range(len(attributions)):
        if not np.any(truth[n]):
            continue
        orders = list(permutations(range(len(attributions[n]))))
        total = 0.0
        for order in orders:
            total += share_found(attributions[n], truth[n], order, top)
        scores[n] = total / len(orders)
    return scores
