"""Hit rate at P%: how many of the true features are among the first, as many as are true or half as
many again?
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aexbench.metrics import register
from aexbench.metrics.tools.rankings import ranking


@register("hit-rate", title="hit rate@{percent}%", version=1)
def hit_rate(
    attributions: ArrayLike, truth: ArrayLike, *, percent: Literal[100, 150] = 100
) -> NDArray[np.float64]:
    """Return for each sample the share of its t true features among the ⌊P% · t⌋ highest.

    The number is rounded down, as the authors define it (one feature of one, three of two, four of
    three); TranAD's program, which others compare with, rounds half to even (two of one, eight of
    five), and takes the last of tied columns first. Ties cost what chance costs here, as in
    `recall`; `hit-rate[percent=100]` is `recall[top=truth]`.

    Known against it: the order among the first is not seen, nor what lies below them; a large truth
    is found by chance, and rates at different sizes of the truth do not compare (Hoyt et al., of
    hits among the first k).

    Parameters
    ----------
    attributions : (N, …) float
        Higher is more responsible.
    truth : (N, …) bool
        At least one true feature per sample.
    percent
        P.

    Returns
    -------
    (N,) float64 in [0, 1]; a perfect order has 1, and chance ⌊P% · t⌋ / M, at most 1.

    Raises
    ------
    ValueError
        If shapes differ, an attribution is not finite, or a sample has no true feature.

    References
    ----------
    Su et al., "Robust Anomaly Detection for Multivariate Time Series through Stochastic Recurrent
    Neural Network", KDD 2019: HitRate@P% of OmniAnomaly on SMD. Against it: Hoyt et al., "A Unified
    Framework for Rank-based Evaluation Metrics for Link Prediction in Knowledge Graphs", 2022.

    Examples
    --------
    >>> hit_rate([[0.9, 0.7, 0.5, 0.3]], [[0, 1, 1, 0]], percent=100)
    array([0.5])
    >>> hit_rate([[0.9, 0.7, 0.5, 0.3]], [[0, 1, 1, 0]], percent=150)
    array([1.])
    """
    ranked = ranking(attributions, truth)
    return ranked.hits_among(ranked.causes * percent // 100) / ranked.causes
