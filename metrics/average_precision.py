"""Average precision of each sample: how pure is the head of the list down to each true feature?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aexbench.metrics import register
from aexbench.metrics.tools.rankings import ranking


@register("average-precision", title="average precision", version=1)
def average_precision(attributions: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Return for each sample the mean, over its true features, of the precision at their ranks.

    Ties cost what chance costs: at place j of T tied features, r of them true, with h true ones
    above, a feature is true with the chance r / T, and the precision at its rank k is then
    expected to be `(h + 1 + (j − 1)(r − 1) / (T − 1)) / k`.

    Known against it: chance has about the share of true features, so that samples with many and
    with few do not compare (Boyd et al.), and a mean of precisions is of another scale than F
    scores: it can favour the order that is worse by those (Flach & Kull).

    Parameters
    ----------
    attributions : (N, …) float
        Higher is more responsible.
    truth : (N, …) bool
        At least one true feature per sample.

    Returns
    -------
    (N,) float64 in (0, 1]; a perfect order has 1. Chance has somewhat more than the share of true
    features: with one among M it is (1 + 1/2 + … + 1/M) / M.

    Raises
    ------
    ValueError
        If shapes differ, an attribution is not finite, or a sample has no true feature.

    References
    ----------
    McSherry & Najork, "Computing Information Retrieval Performance Measures Efficiently in the
    Presence of Tied Scores", ECIR 2008: average precision. Against it: Boyd et al., "Unachievable
    Region in Precision-Recall Space and Its Effect on Empirical Evaluation", ICML 2012; Flach &
    Kull, "Precision-Recall-Gain Curves: PR Analysis Done Right", NIPS 2015.

    Examples
    --------
    >>> average_precision([[0.9, 0.7, 0.5], [0.5, 0.5, 0.5]], [[0, 1, 1], [1, 1, 1]])
    array([0.58333333, 1.        ])
    """
    ranked = ranking(attributions, truth)
    others = (ranked.true - 1) / np.maximum(ranked.tied - 1, 1)  # true, of each other one tied
    hits = ranked.found + 1 + (ranked.places - 1) * others
    return np.asarray((ranked.chances * hits / ranked.ranks).sum(axis=1) / ranked.causes)
