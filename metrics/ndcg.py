"""NDCG: are the true features high up, where the first ranks count most?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aexbench.metrics import register
from aexbench.metrics.tools.rankings import ranking


@register("ndcg", title="NDCG", version=1)
def ndcg(attributions: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Return for each sample the discounted gain of its ranking, as a share of the best one's.

    A true feature at rank k gains `1 / log2(k + 1)`, another nothing; all ranks count. Ties cost
    what chance costs: tied features share the mean gain of their ranks. The NDCG@P% of TranAD's
    program counts the first P% · t ranks alone, rounded half to even: it is never higher, and the
    same where all true features are among them.

    Known against it: the discount falls so slowly that among many features every order comes near
    1 (Wang et al., who show that better ones stay above worse ones nevertheless); chance depends on
    how many features there are.

    Parameters
    ----------
    attributions : (N, …) float
        Higher is more responsible.
    truth : (N, …) bool
        At least one true feature per sample.

    Returns
    -------
    (N,) float64 in (0, 1]; a perfect order has 1. Chance has, with t true features of M, t / M of
    the gain of all ranks, divided by that of the first t: 0.45 for one of ten, 0.28 for one of 40.

    Raises
    ------
    ValueError
        If shapes differ, an attribution is not finite, or a sample has no true feature.

    References
    ----------
    Järvelin & Kekäläinen, "Cumulated Gain-Based Evaluation of IR Techniques", TOIS 2002, with the
    discount log2(k + 1) that is usual since; ties as in McSherry & Najork, "Computing Information
    Retrieval Performance Measures Efficiently in the Presence of Tied Scores", ECIR 2008. NDCG@P%:
    Tuli et al., "TranAD: Deep Transformer Networks for Anomaly Detection in Multivariate Time
    Series Data", VLDB 2022. Against it: Wang et al., "A Theoretical Analysis of NDCG Type Ranking
    Measures", COLT 2013.

    Examples
    --------
    >>> ndcg([[0.9, 0.7, 0.5], [0.1, 0.5, 0.9]], [[1, 0, 0], [1, 0, 0]])
    array([1. , 0.5])
    """
    ranked = ranking(attributions, truth)
    gains = 1 / np.log2(ranked.ranks + 1)
    best = np.cumsum(gains)[ranked.causes - 1]
    return np.asarray((ranked.chances * gains).sum(axis=1) / best)
