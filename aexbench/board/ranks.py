"""Between which places a row may stand: a rank is an interval.

Rows stand in the order of their means. A row's interval goes from one more than how many rows are
surely better to how many are not surely worse, so that it holds the row's place in that order.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from aexbench.board.comparing import Array, Comparison

FAMILY_LEVEL = 0.96
"""Of Tukey's quantile. Each pair has a variance of its own, which makes it a little too short: for
.95 a board of 23 equal rows errs up to .066 of the time, for .96 no more than .055 (simulation)."""
NODES = (1.0, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0, 60.0, math.inf)
"""Degrees of freedom at which scipy computes the quantile, a tenth of a second each."""


def rank_intervals(comparison: Comparison, higher_is_better: bool = True) -> list[tuple[int, int]]:
    """Return the first and last rank that each of K rows may have, 1 for the best.

    Where the variance cannot be known, each row may have any rank.

    >>> from aexbench.board.comparing import Source, compare
    >>> rng = np.random.default_rng(0)
    >>> means = np.array([[0.5], [0.9], [0.501]])
    >>> values = [means + 0.02 * rng.normal(size=(3, 50)) for _ in range(5)]
    >>> rank_intervals(compare([Source("wine", values, [np.arange(50)] * 5)], "recipe"))
    [(2, 3), (1, 1), (2, 3)]
    """
    better = surely_better(comparison, higher_is_better)
    first = 1 + better.sum(axis=0)
    last = len(better) - better.sum(axis=1)
    return list(zip(first.tolist(), last.tolist(), strict=True))


def surely_better(comparison: Comparison, higher_is_better: bool = True) -> NDArray[np.bool_]:
    """Return whether row k is surely better than row j, (K, K): by Tukey's studentised range, with
    each pair's own variance (as Games and Howell do).
    """
    means = comparison.means if higher_is_better else -comparison.means
    variance, df = comparison.pairs
    # the range is in units of one mean's standard error, where a difference has √2 of them
    needed = np.sqrt(variance / 2) * studentised_range(len(means), df)
    return np.asarray(means[:, None] - means > needed)


def studentised_range(rows: int, df: Array) -> Array:
    """Return Tukey's quantile for K rows: its logarithm is interpolated over 1/df.

    From two degrees of freedom on it is right to .5 %, below it errs to the safe side; there is no
    pair with less than one.
    """
    if rows < 2:
        return np.zeros_like(df)
    df, inverse = np.maximum(df, NODES[0]), 1 / np.array(NODES)
    place = np.clip(np.searchsorted(NODES, df, side="right"), 1, len(NODES) - 1)
    low, high = (_logarithms(rows, place - step) for step in (1, 0))
    share = (inverse[place - 1] - 1 / df) / (inverse[place - 1] - inverse[place])
    return np.asarray(np.exp(low + share * (high - low)))


def _logarithms(rows: int, places: NDArray[np.intp]) -> Array:
    """Return the logarithm of the quantile at nodes, computing those that are asked for."""
    found = np.full(len(NODES), np.nan)
    for place in np.unique(places):
        found[place] = math.log(_at(rows, NODES[place]))
    return np.asarray(found[places])


@functools.cache
def _at(rows: int, df: float) -> float:
    return float(stats.studentized_range.ppf(FAMILY_LEVEL, rows, df))
