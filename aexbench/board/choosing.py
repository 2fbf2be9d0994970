"""What choosing by one score costs in another: agreement of two rankings, and regret.

All functions of two rankings take one score an explainer, (K,), higher is better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from aexbench.board.comparing import Estimate

DIGITS = 12
"""Scores that are the same to so many decimals are tied: sums in another order differ by less."""

Array = NDArray[np.float64]
Entity = TypeVar("Entity")


def agreement(one: Array, other: Array) -> float:
    """Return Kendall's τ_b of two rankings; 0 where one of them ranks nothing.

    >>> round(agreement(np.array([0.1, 0.2, 0.3, 0.4]), np.array([1.0, 2.0, 0.0, 3.0])), 3)
    0.333
    """
    tau = float(stats.kendalltau(np.round(one, DIGITS), np.round(other, DIGITS)).statistic)
    return 0.0 if np.isnan(tau) else tau


def regret(chosen_by: Array, judged_by: Array) -> float:
    """Return by how much the best score is above that of the one that is chosen; where several are
    first, each is as likely to be chosen.

    >>> regret(np.array([0.9, 0.9, 0.1]), np.array([0.5, 0.25, 0.75]))
    0.375
    """
    by = np.round(chosen_by, DIGITS)
    return float(judged_by.max() - judged_by[by == by.max()].mean())


def over_entities(values: Sequence[float]) -> Estimate:
    """Return the mean over entities, each of which has a value of its own: they are the sample."""
    return jackknife(lambda own: float(np.mean(own)), values)


def jackknife(of: Callable[[Sequence[Entity]], float], entities: Sequence[Entity]) -> Estimate:
    """Return a figure of all entities, with the jackknife's variance, (n − 1)/n Σ (θ₋ᵢ − θ̄)².

    Of a mean that is the variance of the values divided by n; of values that look at each other's
    entities it counts what they have in common, too.
    """
    count = len(entities)
    without = [of([*entities[:i], *entities[i + 1 :]]) for i in range(count) if count > 1]
    variance = (count - 1) * np.var(without) if without else np.nan
    return Estimate(of(entities), float(variance), float(count - 1))
