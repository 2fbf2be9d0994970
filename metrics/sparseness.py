"""Sparseness: does a map name few features, or a little of each?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aexbench.metrics import register


@register("sparseness", version=1, truthless=True, from_zero=True)
def sparseness(attributions: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Return for each sample the Gini index of its absolute attributions.

    With |a| in rising order, a_1 ≤ … ≤ a_M:

        G = Σ_i (2 i − M − 1) a_i / (M Σ_i a_i)

    It needs no truth, and no model either: it derives from stored attributions.

    Known against it: it says how short an explanation is, not whether it is right; a random map
    that is sparse scores as high. The square of a map scores higher than the map. One that spreads
    an anomaly of many features over all of them is penalised for being right.

    Parameters
    ----------
    attributions : (N, …) float
        Their signs do not count; scaled but not shifted they score the same.
    truth : (N, …) bool
        Not looked at.

    Returns
    -------
    (N,) float64 in [0, 1 − 1/M]; 0 for a map that is the same everywhere, also where it is 0, and
    1 − 1/M for one that is 0 but for one feature. There is no chance level.

    References
    ----------
    Hurley & Rickard 2009, "Comparing Measures of Sparsity"; as a measure of explanations Chalasani
    et al. 2020, "Concise Explanations of Neural Networks using Adversarial Training".

    Examples
    --------
    >>> sparseness([[0.0, -3.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]], [[1, 0, 0, 0]] * 2)
    array([0.75, 0.  ])
    """
    values = np.asarray(attributions, dtype=np.float64)
    rising = np.sort(np.abs(values.reshape(len(values), -1)), axis=1)
    total, features = rising.sum(axis=1), rising.shape[1]
    weights = 2 * np.arange(1, features + 1) - features - 1
    return np.asarray(rising @ weights / (features * np.where(total > 0, total, 1)))
