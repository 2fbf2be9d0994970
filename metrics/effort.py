"""Effort: how many features does an analyst look at until the true ones are found, where chance
needs 1?
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aexbench.metrics import register
from aexbench.metrics.tools.rankings import Ranking, ranking


@register("effort", title="effort until {until}", higher_is_better=False, version=1)
def effort(
    attributions: ArrayLike, truth: ArrayLike, *, until: Literal["first", "all"] = "first"
) -> NDArray[np.float64]:
    """Return for each sample the rank of its first, or last, true feature, divided by chance's.

    In random order the first of t true features among M is expected at rank (M + 1) / (t + 1), the
    last at t (M + 1) / (t + 1). Ties cost what chance costs: of T tied features below a others, r
    of them true, the first is expected at `a + (T + 1) / (r + 1)`, the last at
    `a + r (T + 1) / (r + 1)`.

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
    causes, first = ranked.causes, until == "first"
    by_chance = _rank(np.int64(0), np.int64(ranked.features), causes, first)
    return _rank(*_block(ranked, first), first) / by_chance


def _rank(
    above: NDArray[np.int64] | np.int64,
    tied: NDArray[np.int64] | np.int64,
    true: NDArray[np.int64],
    first: bool,
) -> NDArray[np.float64]:
    """Return the expected rank of the first or last true feature of a block in random order."""
    apart = (tied + 1) / (true + 1)  # from one true feature to the next, and from both ends
    return np.asarray(above + (apart if first else true * apart))


def _block(ranked: Ranking, first: bool) -> list[NDArray[np.int64]]:
    """Return how many features stand above the first or last block with a true one, how many are in
    it, and how many of these are true.
    """
    has = ranked.true > 0
    rank = has.argmax(axis=1) if first else has.shape[1] - 1 - has[:, ::-1].argmax(axis=1)
    rows = np.arange(len(has))
    return [part[rows, rank] for part in (ranked.above, ranked.tied, ranked.true)]
