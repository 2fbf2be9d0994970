"""Pixel AP: average precision over all pixels of all images of a damage group (paper, Sec. 4.2 and
Table 1).
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge
from numpy.typing import ArrayLike, NDArray

from aexbench.metrics import register


def without_each(
    attributions: ArrayLike, truth: ArrayLike, *, thresholds: int | Literal["exact"] = "exact"
) -> NDArray[np.float64]:
    """Return the average precision (N,) of all samples but one, for each in turn: sorted once, not
    N times.

    Each of them is what `pixel_ap` returns for the others, which must have a true column among
    them.
    """
    values = np.asarray(attributions, dtype=np.float64).reshape(len(np.asarray(attributions)), -1)
    true = np.asarray(truth, dtype=bool).reshape(values.shape)
    if thresholds != "exact":
        return _thresholds_without_each(values, true, thresholds)
    order = np.argsort(-values, axis=None, kind="stable")
    sample, hit, ranked = order // values.shape[1], true.ravel()[order], values.ravel()[order]
    ends = np.flatnonzero(
        np.append(ranked[1:] != ranked[:-1], True)
    )  # columns of one value are marked together
    found = np.empty(len(values))
    for left_out in range(len(values)):
        kept = sample != left_out
        hits, marked = (np.cumsum(part)[ends] for part in (hit & kept, kept))
        found[left_out] = np.sum(np.diff(hits, prepend=0) / hits[-1] * hits / np.maximum(marked, 1))
    return found


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
        so that a constant map has the chance level here too.

    Returns
    -------
    float in [0, 1]; the chance level is the share of true columns.

    Raises
    ------
    ValueError
        If shapes differ, an attribution is not finite, or nothing is true.

    References
    ----------
    "Unlocking Layer-wise Relevance Propagation for Autoencoders", Sec. 4.2.

    Examples
    --------
    >>> pixel_ap([[0.1, 0.9], [0.8, 0.2]], [[0, 1], [0, 1]])
    0.8333333333333333
    """
    values, true = np.asarray(attributions, dtype=np.float64), np.asarray(truth, dtype=bool)
    if values.shape != true.shape:
        raise ValueError(f"attributions {values.shape} and truth {true.shape} must have one shape")
    if not np.isfinite(values).all():
        raise ValueError("attributions are not finite")
    if not true.any():
        raise ValueError("nothing is true: average precision is not defined")
    if thresholds != "exact":
        return _threshold_ap(values.ravel(), true.ravel(), thresholds)
    from sklearn.metrics import average_precision_score  # takes seconds to import

    return float(average_precision_score(true.ravel(), values.ravel()))


def _threshold_ap(values: NDArray[np.float64], true: NDArray[np.bool_], thresholds: int) -> float:
    grid = np.linspace(values.min(), values.max(), thresholds)
    return _area(_above(np.sort(values), grid), _above(np.sort(values[true]), grid))


def _thresholds_without_each(
    values: NDArray[np.float64], true: NDArray[np.bool_], thresholds: int
) -> NDArray[np.float64]:
    every, hits = np.sort(values, axis=None), np.sort(values[true])
    lows, highs = values.min(axis=1), values.max(axis=1)
    found = np.empty(len(values))
    for left_out, (own, own_hits) in enumerate(zip(values, true, strict=True)):
        grid = np.linspace(
            np.delete(lows, left_out).min(), np.delete(highs, left_out).max(), thresholds
        )
        marked = _above(every, grid) - _above(np.sort(own), grid)
        found[left_out] = _area(marked, _above(hits, grid) - _above(np.sort(own[own_hits]), grid))
    return found


def _above(ordered: NDArray[np.float64], grid: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many values there are in all, and how many above each threshold."""
    return np.concatenate(
        [[len(ordered)], len(ordered) - np.searchsorted(ordered, grid, side="right")]
    )


def _area(marked: NDArray[np.int64], hit: NDArray[np.int64]) -> float:
    recall, precision = hit / hit[0], hit / np.maximum(marked, 1)
    return float(np.sum((recall[:-1] - recall[1:]) * precision[:-1]))
