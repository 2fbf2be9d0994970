"""Relevance mass: which share of the positive relevance lies on the truth?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aexbench.metrics import register
from aexbench.metrics.tools.rankings import rows


@register("relevance-mass", title="relevance mass", from_zero=True, version=1)
def relevance_mass(attributions: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Return for each sample the positive relevance of its true features by that of all.

    Negative relevance speaks against a feature and counts as none; a sample without any positive
    one scores what chance scores, the share of its true features.

    Known against it: it is no matter of order. The square of a map scores higher than the map, one
    whose relevance lies on a single true feature has 1, and a faint background over many features
    outweighs a clear peak (Arras et al. show other figures for each way of pooling channels).

    Parameters
    ----------
    attributions : (N, …) float
        Higher is more responsible, and 0 says nothing; scaled but not shifted they score the same.
    truth : (N, …) bool
        At least one true feature per sample.

    Returns
    -------
    (N,) float64 in [0, 1]; all positive relevance on the truth has 1, and chance, with t of M
    features true, t / M.

    Raises
    ------
    ValueError
        If shapes differ, an attribution is not finite, or a sample has no true feature.

    References
    ----------
    Arras, Osman & Samek, "CLEVR-XAI: A Benchmark Dataset for the Ground Truth Evaluation of Neural
    Network Explanations", Information Fusion 2022: relevance mass accuracy.

    Examples
    --------
    >>> relevance_mass([[0.6, 0.2, -3.0], [0.0, 0.0, 0.0]], [[1, 0, 0], [1, 0, 0]])
    array([0.75      , 0.33333333])
    """
    values, true = rows(attributions, truth)
    positive = np.maximum(values, 0)
    mass = positive.sum(axis=1)
    with_chance = np.where(mass > 0, (positive * true).sum(axis=1), true.mean(axis=1))
    return np.asarray(with_chance / np.where(mass > 0, mass, 1))
