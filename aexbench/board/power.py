"""What a board could have found: the difference that it would see, and the seeds it would need."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aexbench.board.comparing import LEVEL, Array, Comparison, added, credit, moderated, t_quantile

POWER = 0.8
"""How often a difference that can be detected is found, by a two-sided test of a named pair."""
MOST_SEEDS = 1000


def minimum_detectable_difference(comparison: Comparison) -> float | None:
    """Return the difference of two rows that 80 % of such boards would find, the median over pairs;
    None where nobody can know.
    """
    rows = len(comparison.means)
    above = np.triu_indices(rows, 1)
    variance, df = (values[above] for values in comparison.pairs)
    if rows < 2 or np.isnan(variance).any():
        return None
    return float(np.median(detectable(variance, df)))


def detectable(variance: Array, df: Array) -> Array:
    """Return (t₍₁₊level₎/₂ + t_power) √v, in the same unit as the scores."""
    quantiles = t_quantile((1 + LEVEL) / 2, df) + t_quantile(POWER, df)
    return np.asarray(quantiles * np.sqrt(variance))


def seeds_to_settle(comparison: Comparison, k: int, j: int) -> int | None:
    """Return the fewest seeds with which 80 % of boards would find the difference of rows k and j,
    if it is what this board shows.

    None of more than `MOST_SEEDS`, of no difference, of a given network (which has no more seeds),
    and where nobody can know.
    """
    difference = abs(comparison.pair(k, j).value)
    if comparison.target == "network" or comparison.seeds < 2 or difference == 0:
        return None
    seeds = np.arange(2, MOST_SEEDS + 1)
    enough = detectable(*_with(comparison, seeds, k, j)) <= difference
    return int(seeds[enough][0]) if enough.any() else None


def _with(comparison: Comparison, seeds: NDArray[np.int64], k: int, j: int) -> tuple[Array, Array]:
    """Return the variance of a pair with other numbers of seeds, and its degrees of freedom.

    What comes from seeds falls as 1/S, what comes from units stays.
    """
    now, rows = comparison.seeds, len(comparison.means)
    estimates = [moderated(part.pairs, part.pairs_df)[0][k, j] for part in comparison.parts]
    of_seeds = (estimates[0] * now / seeds, comparison.parts[0].pairs_df * (seeds - 1) / (now - 1))
    of_units = [
        (np.full(len(seeds), estimate), part.pairs_df)
        for estimate, part in zip(estimates[1:], comparison.parts[1:], strict=True)
    ]
    variance, df = added([of_seeds, *of_units])
    return variance, df + credit(rows, df)
