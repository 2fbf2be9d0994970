"""Effort: how many features does an analyst look at until the true ones are found, where chance
needs 1?
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aexbench.metrics import register
from aexbench.metrics.tools.rankings import ranking


@register("effort", title="effort until {until}", higher_is_better=False, version=1)
def effort(
    attributions: ArrayLike, truth: ArrayLike, *, until: Literal["first", "all"] = "first"
) -> NDArray[np.float64]:
    """Return for each sample the rank of its first, or last, true feature, divided by chance's.

    In random order the first of t true features among M is expected at rank (M + 1) / (t + 1), the
    last at t (M + 1) / (t + 1). Ties cost what chance costs: of T tied features below a others, r
    of them true, the first is expected at `a + (T + 1) / (r + 1)`, the last at
    `a + r (T + 1) / (r + 1)`.

    Known against it: it is ours, so that nothing compares with it; it has no greatest value that
    all samples share, (M + 1) less the true ones over chance's rank, and a few samples whose truth
    comes last outweigh many that are found at once.

    Parameters
    ----------
    attributions : (N, …) float
        Higher is more responsible.
    truth : (N, …) bool
        At least one true feature per sample.
    until
        `"first"`: one true feature is found. `"all"`: none is left.

    Returns
    -------
    (N,) float64, lower is better: chance has 1, and a perfect order (t + 1) / (M + 1).

    Raises
    ------
    ValueError
        If shapes differ, an attribution is not finite, or a sample has no true feature.

    Examples
    --------
    >>> effort([[0.9, 0.7, 0.5], [0.5, 0.5, 0.5]], [[0, 1, 0], [0, 1, 0]])
    array([1., 1.])
    >>> effort([[0.9, 0.1, 0.2, 0.3, 0.4]], [[1, 0, 0, 0, 0]])
    array([0.33333333])
    """
    ranked = ranking(attributions, truth)
    blocks = np.arange(len(ranked.true)), _rank_of_block(ranked.true > 0, until)
    above, tied, true = (part[blocks] for part in (ranked.above, ranked.tied, ranked.true))
    by_chance = _looked_at(np.int64(ranked.features), ranked.causes, until)
    return (above + _looked_at(tied, true, until)) / by_chance


def _rank_of_block(has: NDArray[np.bool_], until: str) -> NDArray[np.int64]:
    """Return a rank, counted from 0, in the first or last block that has a true feature: (N,)."""
    if until == "first":
        return np.asarray(has.argmax(axis=1))
    return np.asarray(has.shape[1] - 1 - has[:, ::-1].argmax(axis=1))


def _looked_at(
    tied: NDArray[np.int64] | np.int64, true: NDArray[np.int64], until: str
) -> NDArray[np.float64]:
    """Return the expected place of the first or last true feature of those in random order."""
    apart = (tied + 1) / (true + 1)  # from one true feature to the next, and from both ends
    return np.asarray(apart if until == "first" else true * apart)
