"""How many false columns an analyst meets before each true one: areas under ROC and PRO curves.

Where thresholds fall from the highest value, a true column is found at the false-positive rate of
the false ones that stand above it. A curve that it lifts by its weight gains that weight times what
is left of the rate's range: the area is the weighted mean of what is left. Of columns that are tied
every order is as likely as any other, so that a true one stands behind 0 … T of T false ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aexbench.metrics.tools.pooled import Counts, Mask, Scores, Values, above, at_least


def area(values: Values, true: Mask, weights: Scores, limit: float) -> float:
    """Return the area under a curve up to a false-positive rate, as a share of that rate.

    Parameters
    ----------
    values, true
        Attributions and truth (N, M).
    weights
        By how much each column (N, M) lifts the curve, if it is true.
    limit
        The false-positive rate that the curve ends at, above 0 and at most 1.

    Raises
    ------
    ValueError
        If nothing is false.

    Examples
    --------
    >>> true = np.array([[True, False, False, True]])
    >>> area(np.array([[0.9, 0.5, 0.1, 0.3]]), true, np.ones((1, 4)), limit=1.0)
    0.75
    """
    false = np.sort(values[~true])
    if not len(false):
        raise ValueError("everything is true: a false-positive rate is not defined")
    hits = values[true]
    order = np.argsort(hits)
    levels = hits[order]  # in order, counting is faster
    higher, tied = _met(false, levels)
    left = _left(higher, tied, len(false), limit)
    return float(np.average(left, weights=weights[true][order]))


def area_without_each(values: Values, true: Mask, weights: Scores, limit: float) -> Scores:
    """Return the area of all samples but one, for each in turn: (N,).

    Raises
    ------
    ValueError
        If some of the others have no true column, or no false one.
    """
    hits, sample = values[true], np.nonzero(true)[0]
    order = np.argsort(hits)
    levels, sample, weight = hits[order], sample[order], weights[true][order]
    false = np.sort(values[~true])
    for kind in (true, ~true):
        counts = kind.sum(axis=1)
        if (counts == counts.sum()).any():
            raise ValueError("without one sample, all columns are true, or none is")
    higher, tied = _met(false, levels)
    found = np.empty(len(values))
    for left_out, (own_values, own_true) in enumerate(zip(values, true, strict=True)):
        others, own = sample != left_out, np.sort(own_values[~own_true])
        own_higher, own_tied = _met(own, levels[others])
        counts = higher[others] - own_higher, tied[others] - own_tied
        left = _left(*counts, len(false) - len(own), limit)
        found[left_out] = np.average(left, weights=weight[others])
    return found


def _met(false: Values, levels: Values) -> tuple[Counts, Counts]:
    """Return how many false values, in ascending order, stand above each level, and how many at
    it.
    """
    higher = above(false, levels)
    return higher, at_least(false, levels) - higher


def _left(higher: Counts, tied: Counts, false: int, limit: float) -> NDArray[np.float64]:
    """Return what is expected to be left of the range, as a share of it, when a column is found.

    The mean of `max(limit · false − higher − j, 0)` over j = 0 … tied.
    """
    room = limit * false - higher
    last = np.clip(np.floor(room), -1, tied)  # the greatest j with something left
    return np.asarray((last + 1) * (room - last / 2) / (tied + 1) / (limit * false))
