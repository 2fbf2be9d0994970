"""Average precision of pixels (Sec. 4.2), pooled over all images: exact, and with the thresholds of
the paper.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def recall_precision(marked: Sequence[bool], truth: Sequence[bool]) -> tuple[float, float]:
    """Recall and precision of the marked pixels.

    Precision of marking nothing is 0; recall is 1 where no pixel is true (as scikit-learn has it,
    AP is then 0).
    """
    hits = sum(1 for m, t in zip(marked, truth, strict=True) if m and t)
    n_marked = sum(1 for m in marked if m)
    n_true = sum(1 for t in truth if t)
    return (hits / n_true if n_true else 1.0), (hits / n_marked if n_marked else 0.0)


def exact(attributions: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """Step-wise average precision, sum_n (R_n - R_{n-1}) P_n, R_0 = 0 (scikit-learn's definition).

    Every distinct value is a threshold, from the greatest to the least; a pixel at or above it is
    marked. Both arrays have the same shape, whatever it is: all pixels of all images are pooled.
    """
    values = [float(v) for v in np.ravel(attributions)]
    true = [bool(t) for t in np.ravel(truth)]
    area, recall_before = 0.0, 0.0
    for threshold in sorted(set(values), reverse=True):
        recall, precision = recall_precision([v >= threshold for v in values], true)
        area += (recall - recall_before) * precision
        recall_before = recall
    return area


def protocol(attributions: NDArray[np.float64], truth: NDArray[np.bool_], thresholds: int) -> float:
    """Area under the precision-recall curve of Sec. 4.2, sum_k (R_k - R_{k+1}) P_k.

    `thresholds` values, at least 2, lie linearly between the least and the greatest attribution
    over all pixels of all images; a pixel strictly above t_k is marked. The point "everything
    marked" (recall 1, precision the prevalence) stands before the first. At the last, the maximum,
    nothing is marked: recall 0, no point added.
    """
    if thresholds < 2:
        raise ValueError(
            f"thresholds between the least and the greatest value are at least 2, not {thresholds}"
        )
    values = [float(v) for v in np.ravel(attributions)]
    true = [bool(t) for t in np.ravel(truth)]
    points = [recall_precision([True] * len(values), true)]
    for threshold in np.linspace(min(values), max(values), thresholds):
        points.append(recall_precision([v > threshold for v in values], true))
    area = 0.0
    for k in range(len(points) - 1):
        area += (points[k][0] - points[k + 1][0]) * points[k][1]
    return area
