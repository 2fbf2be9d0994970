"""Pixel AP: average precision over all pixels of all images of a damage group (paper, Sec. 4.2 and
Table 1).
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge
from numpy.typing import ArrayLike, NDArray

from aexbench.metrics import register
from aexbench.metrics.tools.pooled import Counts, Mask, Values, above, pooled
from aexbench.metrics.tools.precision import average_precision, average_precision_without_each

CHUNK = 2**20  # columns that are counted at a time


def without_each(
    attributions: ArrayLike, truth: ArrayLike, *, thresholds: int | Literal["exact"] = "exact"
) -> NDArray[np.float64]:
    """Return the average precision (N,) of all samples but one, for each in turn: sorted once, not
    N times.

    Each of them is what `pixel_ap` returns for the others, which must have a true column among
    them.
    """
    values, true = pooled(attributions, truth)
    if thresholds != "exact":
        return _thresholds_without_each(values, true, thresholds)
    return average_precision_without_each(list(zip(values, true, strict=True)))


@register(
    "pixel-ap", pooled=True, title="pixel AP ({thresholds})", without_each=without_each, version=1
)
def pixel_ap(
    attributions: ArrayLike,
    truth: ArrayLike,
    *,
    thresholds: Annotated[int, Ge(2)] | Literal["exact"] = "exact",
) -> float:
    """Return the average precision over all columns of all samples, pooled.

    Known against it: chance is the share of true columns, so that damages of other sizes do not
    compare (Boyd et al.), large damages outweigh small ones, and attributions must be on one scale
    for all samples. Linear thresholds see little where most values are near the least one.

    Parameters
    ----------
    attributions : (N, …) float
        Higher is more responsible.
    truth : (N, …) bool
        At least one true column in all.
    thresholds
        `"exact"` takes every value as a threshold, as scikit-learn does. A number (the paper's is
        1000) takes so many, linear between the least and the greatest attribution; columns strictly
        above one count as damaged, and the area is `Σ (R_k − R_{k+1}) P_k`. No threshold reaches
        the columns at the least value; they are counted with the precision of marking everything,
        so that a constant map has the chance level here too. They are counted in one pass, in
        memory that depends on their number alone.

    Returns
    -------
    float in (0, 1]; the chance level is the share of true columns, and the truth as map has 1.

    Raises
    ------
    ValueError
        If shapes differ, an attribution is not finite, or nothing is true.

    References
    ----------
    "Unlocking Layer-wise Relevance Propagation for Autoencoders", Sec. 4.2. Against it: Boyd et
    al., "Unachievable Region in Precision-Recall Space and Its Effect on Empirical Evaluation",
    ICML 2012.

    Examples
    --------
    >>> pixel_ap([[0.1, 0.9], [0.8, 0.2]], [[0, 1], [0, 1]])
    0.8333333333333333
    """
    values, true = pooled(attributions, truth)
    if thresholds == "exact":
        return average_precision(values.ravel(), true.ravel())
    grid = _grid(values.min(), values.max(), thresholds)
    return _area(_marked(values.ravel(), true.ravel(), grid))


def _thresholds_without_each(values: Values, true: Mask, thresholds: int) -> NDArray[np.float64]:
    lows, highs = values.min(axis=1), values.max(axis=1)
    each = range(len(values))
    bounds = [(np.delete(lows, one).min(), np.delete(highs, one).max()) for one in each]
    found = np.empty(len(values))
    for low, high in set(bounds):  # three at most: only an extreme's own sample moves the grid
        grid = _grid(low, high, thresholds)
        own = np.array([_marked(v, t, grid) for v, t in zip(values, true, strict=True)])
        every = own.sum(axis=0)
        for left_out in each:
            if bounds[left_out] == (low, high):
                found[left_out] = _area(every - own[left_out])
    return found


def _grid(low: float, high: float, thresholds: int) -> NDArray[np.float64]:
    return np.linspace(float(low), float(high), thresholds)


def _marked(values: Values, true: Mask, grid: NDArray[np.float64]) -> Counts:
    """Return how many columns there are in all, and how many above each threshold, whatever they
    are and true ones alone: (2, thresholds + 1).
    """
    counts = np.zeros((2, len(grid) + 1), dtype=np.int64)
    for start in range(0, len(values), CHUNK):
        chunk, hit = values[start : start + CHUNK], true[start : start + CHUNK]
        for row, part in zip(counts, (chunk, chunk[hit]), strict=True):
            row[0] += len(part)
            row[1:] += above(np.sort(part), grid)
    return counts


def _area(counts: Counts) -> float:
    """Return the area of marking everything, and then what is above each threshold in turn."""
    marked, hit = counts
    recall, precision = hit / hit[0], hit / np.maximum(marked, 1)
    return float(np.sum((recall[:-1] - recall[1:]) * precision[:-1]))
