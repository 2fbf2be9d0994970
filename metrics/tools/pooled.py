"""Attributions of all samples as one list of columns: what pooled metrics count."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[Any]  # float32 or float64
Mask = NDArray[np.bool_]
Counts = NDArray[np.int64]
Scores = NDArray[np.float64]


def pooled(attributions: ArrayLike, truth: ArrayLike) -> tuple[Values, Mask]:
    """Return attributions and truth by sample and column: (N, M) each.

    Single precision is kept: it orders as well, and takes half the memory.

    Parameters
    ----------
    attributions : (N, …) float
        Higher is more responsible.
    truth : (N, …) bool
        At least one true column in all.

    Raises
    ------
    ValueError
        If shapes differ, an attribution is not finite, or nothing is true.

    Examples
    --------
    >>> pooled([[[1.0, 2.0]]], [[[1, 0]]])
    (array([[1., 2.]]), array([[ True, False]]))
    """
    values, true = np.asarray(attributions), np.asarray(truth, dtype=bool)
    if values.dtype != np.float32:
        values = values.astype(np.float64, copy=False)
    if values.shape != true.shape:
        raise ValueError(f"attributions {values.shape} and truth {true.shape} must have one shape")
    if not true.any():
        raise ValueError("nothing is true: there is nothing that could be found")
    if not (np.isfinite(values.min()) and np.isfinite(values.max())):
        raise ValueError("attributions are not finite")
    return values.reshape(len(values), -1), true.reshape(len(true), -1)


def at_least(ordered: Values, levels: Values) -> Counts:
    """Return how many of some values in ascending order reach each level.

    >>> at_least(np.array([0.1, 0.5, 0.5]), np.array([0.5, 0.6]))
    array([2, 0])
    """
    return np.asarray(len(ordered) - np.searchsorted(ordered, levels, side="left"))


def above(ordered: Values, levels: Values) -> Counts:
    """Return how many of some values in ascending order exceed each level.

    >>> above(np.array([0.1, 0.5, 0.5]), np.array([0.4, 0.5]))
    array([2, 0])
    """
    return np.asarray(len(ordered) - np.searchsorted(ordered, levels, side="right"))
