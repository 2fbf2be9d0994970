"""Pixel AP: average precision over all pixels of all images of a damage group (paper, Sec. 4.2 and Table 1)."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge
from numpy.typing import ArrayLike, NDArray

from aexbench.metrics import register


@register("pixel-ap", pooled=True, title="pixel AP ({thresholds})")
def pixel_ap(
    attributions: ArrayLike, truth: ArrayLike, *, thresholds: Annotated[int, Ge(2)] | Literal["exact"] = "exact"
) -> float:
    """Return the average precision over all columns of all samples, pooled.

    Parameters
    ----------
    attributions : (N, …) float
        Higher is more responsible.
    truth : (N, …) bool
        At least one true column in all.
    thresholds
        `"exact"` takes every value as a threshold, as scikit-learn does. A number (the paper's is 1000) takes so many,
        linear between the least and the greatest attribution; columns strictly above one count as damaged, and the
        area is `Σ (R_k − R_{k+1}) P_k`. No threshold reaches the columns at the least value; they are counted
        with the precision of marking everything, so that a constant map has the chance level here too.

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
    marked = len(values) - np.searchsorted(np.sort(values), grid, side="right")
    hit = true.sum() - np.searchsorted(np.sort(values[true]), grid, side="right")
    marked, hit = np.concatenate([[len(values)], marked]), np.concatenate([[true.sum()], hit])
    recall, precision = hit / true.sum(), hit / np.maximum(marked, 1)
    return float(np.sum((recall[:-1] - recall[1:]) * precision[:-1]))
