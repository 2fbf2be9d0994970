"""Recall at m: is the corrupted feature among the m highest attributions (paper, Sec. 4.1 and
Figure 2)?
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge
from numpy.typing import ArrayLike, NDArray

from aexbench.metrics import register
from aexbench.metrics.tools.rankings import ranking


@register("recall", title="recall@{top}", version=1)
def recall(
    attributions: ArrayLike,
    truth: ArrayLike,
    *,
    top: Annotated[int, Ge(1)] | Literal["truth"] = 1,
) -> NDArray[np.float64]:
    """Return for each sample the share of its true features among the `top` highest attributions.

    Ties cost what chance costs: a true feature with a features above it and t tied with it (itself
    included) counts `clip((top − a) / t, 0, 1)`, its expectation over random orders.

    Known against it: the order among the first m is not seen, nor whether a true feature comes next
    or last; and m among few features is found by chance where it is not among many (Hoyt et al.).

    Parameters
    ----------
    attributions : (N, …) float
        Higher is more responsible.
    truth : (N, …) bool
        At least one true feature per sample.
    top
        m; `"truth"` takes as many as are true in the sample (R-precision).

    Returns
    -------
    (N,) float64 in [0, 1]; its mean over samples with one true feature each is the paper's recall.
    Chance has min(m, M) / M; with t true features of M none has more than min(m, t) / t.

    Raises
    ------
    ValueError
        If shapes differ, an attribution is not finite, or a sample has no true feature.

    References
    ----------
    "Unlocking Layer-wise Relevance Propagation for Autoencoders", Sec. 4.1. Against it: Hoyt et
    al., "A Unified Framework for Rank-based Evaluation Metrics for Link Prediction in Knowledge
    Graphs", 2022.

    Examples
    --------
    >>> recall([[0.1, 0.7, 0.2], [0.5, 0.5, 0.5]], [[0, 1, 0], [0, 1, 0]], top=1)
    array([1.        , 0.33333333])
    """
    ranked = ranking(attributions, truth)
    return ranked.hits_among(ranked.causes if top == "truth" else top) / ranked.causes


def recall_curve(attributions: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Return for each sample its recall at m = 1 … M: (N, M); the mean over samples is a curve of
    Figure 2.

    >>> recall_curve([[0.1, 0.7, 0.2]], [[0, 0, 1]])
    array([[0., 1., 1.]])
    """
    ranked = ranking(attributions, truth)
    return np.asarray(ranked.hits() / ranked.causes[:, None])
