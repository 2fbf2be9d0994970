"""Average precision of pooled columns, where every value is a threshold, as in scikit-learn.

The mean, over true columns, of the precision of marking all that reach the column's value. Sorting
the values suffices: no order of columns is needed, which is what makes it fast.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aexbench.metrics.tools.pooled import Mask, Scores, Values, at_least


def average_precision(values: Values, true: Mask) -> float:
    """Return the average precision of columns (P,), at least one of them true.

    >>> average_precision(np.array([0.1, 0.9, 0.8, 0.2]), np.array([0, 1, 0, 1], dtype=bool))
    0.8333333333333333
    """
    hits = np.sort(values[true])
    return float(np.mean(at_least(hits, hits) / at_least(np.sort(values), hits)))


def average_precision_without_each(parts: Sequence[tuple[Values, Mask]]) -> Scores:
    """Return the average precision of all samples but one, for each in turn: (N,).

    Each part is a sample's values and truth, (P,) each; the others must have a true column.

    >>> one, other = np.array([0.1, 0.9]), np.array([0.3, 0.2])
    >>> true = np.array([False, True])
    >>> average_precision_without_each([(one, true), (other, true)])
    array([0.5, 1. ])
    """
    every = np.sort(np.concatenate([values for values, _ in parts]))
    hits = np.sort(np.concatenate([values[true] for values, true in parts]))
    levels = np.unique(hits)
    marked, hit = at_least(every, levels), at_least(hits, levels)
    found = np.empty(len(parts))
    for left_out, (values, true) in enumerate(parts):
        others = hit - at_least(np.sort(values[true]), levels)
        precision = others / np.maximum(marked - at_least(np.sort(values), levels), 1)
        found[left_out] = np.sum(-np.diff(others, append=0) * precision) / others[0]
    return found
