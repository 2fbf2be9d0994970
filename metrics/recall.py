"""Recall at m: is the corrupted feature among the m highest attributions (paper, Sec. 4.1 and
Figure 2)?
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.typing import ArrayLike, NDArray

from aexbench.metrics import register


@register("recall", title="recall@{top}", version=1)
def recall(
    attributions: ArrayLike, truth: ArrayLike, *, top: Annotated[int, Ge(1)] = 1
) -> NDArray[np.float64]:
    """Return for each sample the share of its true features among the `top` highest attributions.

    Ties cost what chance costs: a true feature with a features above it and t tied with it (itself
    included) counts `clip((top − a) / t, 0, 1)`, its expectation over random orders.

    Parameters
    ----------
    attributions : (N, …) float
        Higher is more responsible.
    truth : (N, …) bool
        At least one true feature per sample.
    top
        m.

    Returns
    -------
    (N,) float64 in [0, 1]; its mean over samples with one true feature each is the paper's recall.

    Raises
    ------
    ValueError
        If shapes differ, an attribution is not finite, or a sample has no true feature.

    References
    ----------
    "Unlocking Layer-wise Relevance Propagation for Autoencoders", Sec. 4.1.

    Examples
    --------
    >>> recall([[0.1, 0.7, 0.2], [0.5, 0.5, 0.5]], [[0, 1, 0], [0, 1, 0]], top=1)
    array([1.        , 0.33333333])
    """
    hits, counts = _hits(attributions, truth, np.array([top]))
    return np.asarray(hits[:, 0] / counts)


def recall_curve(attributions: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Return for each sample its recall at m = 1 … M: (N, M); the mean over samples is a curve of
    Figure 2.

    >>> recall_curve([[0.1, 0.7, 0.2]], [[0, 0, 1]])
    array([[0., 1., 1.]])
    """
    features = int(np.prod(np.shape(truth)[1:]))
    hits, counts = _hits(attributions, truth, np.arange(1, features + 1))
    return np.asarray(hits / counts[:, None])


def _hits(
    attributions: ArrayLike, truth: ArrayLike, tops: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the expected number of true features among the m highest, (N, len(tops)), and how many
    there are (N,).
    """
    values, true = _rows(attributions, truth)
    hits = np.zeros((len(values), len(tops)))
    for sample, mask in enumerate(true):
        ordered, own = np.sort(values[sample]), values[sample, mask]
        below, up_to = np.searchsorted(ordered, own, "left"), np.searchsorted(ordered, own, "right")
        above, tied = len(ordered) - up_to, up_to - below
        hits[sample] = np.clip((tops - above[:, None]) / tied[:, None], 0.0, 1.0).sum(axis=0)
    return hits, true.sum(axis=1)


def _rows(
    attributions: ArrayLike, truth: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values, true = np.asarray(attributions, dtype=np.float64), np.asarray(truth, dtype=bool)
    if values.shape != true.shape or values.ndim < 2:
        raise ValueError(
            f"attributions {values.shape} and truth {true.shape} must have one shape (N, …)"
        )
    values, true = values.reshape(len(values), -1), true.reshape(len(true), -1)
    if not np.isfinite(values).all():
        raise ValueError("attributions are not finite")
    if not true.any(axis=1).all():
        raise ValueError("a sample has no true feature")
    return values, true
