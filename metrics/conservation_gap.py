"""Conservation gap: do attributions sum to the error that they explain?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aexbench.metrics import register
from aexbench.probes import Asked


@register("conservation-gap", version=1, probe=1, higher_is_better=False, title="conservation gap")
class ConservationGap:
    """Return for each sample |Σ_i R_i − e(x, x̂)| / e(x, x̂), by the explainer's own loss.

    Known against it: it is a property of a definition, and no sign of being right. Rules that
    conserve to 1e-7 may name the wrong feature, and methods that explain a difference from a
    baseline (integrated gradients, Shapley values) sum to e(x) less the baseline's error, which is
    their gap here. Any map may be scaled to have none.

    Returns
    -------
    (N,) float64, 0 or more; lower is better. There is no chance level. A sample without any error
    scores the absolute sum.

    References
    ----------
    "Unlocking Layer-wise Relevance Propagation for Autoencoders", Eq. 6, 7 and Sec. 3 (conservation
    of relevance); Bach et al. 2015, "On Pixel-Wise Explanations for Non-Linear Classifier
    Decisions by Layer-Wise Relevance Propagation", Eq. 2.

    Examples
    --------
    >>> ConservationGap().score(np.array([[0.9, 1.0], [2.0, 2.0]]), np.ones((2, 3), dtype=bool))
    array([0.1, 0. ])
    """

    def probe(self, asked: Asked) -> NDArray[np.float64]:
        """Return the sum of the attributions of each sample, and its error (N, 2)."""
        found = asked.attributions.astype(np.float64)
        return np.stack([found.reshape(len(found), -1).sum(axis=1), asked.error(asked.x)], axis=1)

    def score(self, outcome: NDArray[np.float64], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the gap of each sample (N,)."""
        total, error = np.asarray(outcome).T
        return np.asarray(np.abs(total - error) / np.where(error > 0, error, 1))
