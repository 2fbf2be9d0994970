"""Relevance rank: which share of the t true features is among the t highest?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aexbench.metrics import register
from aexbench.metrics.tools.rankings import ranking


@register("relevance-rank", title="relevance rank", version=1)
def relevance_rank(attributions: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Return for each sample the share of its t true features among its t highest.

    The same as `recall[top=truth]` (R-precision), under the name that it has where the truth is an
    image's mask. Ties cost what chance costs.

    Known against it: what happens within and below the first t is not seen, so that a map which
    misses a damage by one pixel scores as one that looks elsewhere; and a large truth is found by
    chance (Arras et al. report it beside the mass for the first reason).

    Parameters
    ----------
    attributions : (N, …) float
        Higher is more responsible.
    truth : (N, …) bool
        At least one true feature per sample.

    Returns
    -------
    (N,) float64 in [0, 1]; a perfect order has 1, and chance t / M.

    Raises
    ------
    ValueError
        If shapes differ, an attribution is not finite, or a sample has no true feature.

    References
    ----------
    Arras, Osman & Samek, "CLEVR-XAI: A Benchmark Dataset for the Ground Truth Evaluation of Neural
    Network Explanations", Information Fusion 2022: relevance rank accuracy.

    Examples
    --------
    >>> relevance_rank([[0.9, 0.7, 0.5, 0.3]], [[0, 1, 1, 0]])
    array([0.5])
    """
    ranked = ranking(attributions, truth)
    return ranked.hits_among(ranked.causes) / ranked.causes
