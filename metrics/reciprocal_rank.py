"""Reciprocal rank: how soon does the list come to a true feature?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aexbench.metrics import register
from aexbench.metrics.tools.rankings import ranking


@register("reciprocal-rank", title="reciprocal rank", version=1)
def reciprocal_rank(attributions: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Return for each sample 1 / k, where k is the rank of its first true feature.

    Ties cost what chance costs. Where no true feature has come before, the one at place j of T
    tied features, r of them true, is true with the chance `r / (T − j + 1)`; the score is the
    expectation of 1 / k, not 1 over the expected k.

    Known against it: from rank 1 to 2 it falls as much as from 2 to the end, so that a mean says
    little of ranks (whether such a mean is allowed is disputed: Moffat); further true features are
    not seen.

    Parameters
    ----------
    attributions : (N, …) float
        Higher is more responsible.
    truth : (N, …) bool
        At least one true feature per sample.

    Returns
    -------
    (N,) float64 in (0, 1]; a true feature in the first place has 1. Chance has, with one among M,
    (1 + 1/2 + … + 1/M) / M.

    Raises
    ------
    ValueError
        If shapes differ, an attribution is not finite, or a sample has no true feature.

    References
    ----------
    Voorhees, "The TREC-8 Question Answering Track Report", 1999; ties as in McSherry & Najork,
    "Computing Information Retrieval Performance Measures Efficiently in the Presence of Tied
    Scores", ECIR 2008. On what is said against it: Moffat, "Batch Evaluation Metrics in Information
    Retrieval: Measures, Scales, and Meaning", 2022.

    Examples
    --------
    >>> reciprocal_rank([[0.9, 0.7, 0.5], [0.5, 0.5, 0.1]], [[0, 0, 1], [1, 0, 0]])
    array([0.33333333, 0.75      ])
    """
    ranked = ranking(attributions, truth)
    left = ranked.tied - ranked.places + 1  # of the block, where this rank comes
    hit = np.minimum(ranked.true / left, 1.0)  # after the first true feature it does not matter
    missed = np.cumprod(1 - hit, axis=1)
    hit[:, 1:] *= missed[:, :-1]
    return np.asarray((hit / ranked.ranks).sum(axis=1))
