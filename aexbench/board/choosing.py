"""What choosing by one score costs in another: agreement of two rankings, and regret.

All functions take one score an explainer, (K,), higher is better.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from aexbench.board.comparing import Estimate

Array = NDArray[np.float64]


def agreement(one: Array, other: Array) -> float:
    """Return Kendall's τ_b of two rankings; 0 where one of them ranks nothing.

    >>> agreement(np.array([0.1, 0.2, 0.3]), np.array([1.0, 2.0, 0.0]))
    -0.3333333333333333
    """
    if len(set(one.tolist())) < 2 or len(set(other.tolist())) < 2:
        return 0.0
    return float(stats.kendalltau(one, other).statistic)


def regret(chosen_by: Array, judged_by: Array) -> float:
    """Return by how much the best score is above that of the one that is chosen; where several are
    first, each is as likely to be chosen.

    >>> regret(np.array([0.9, 0.9, 0.1]), np.array([0.5, 0.3, 0.6]))
    0.2
    """
    first = chosen_by == chosen_by.max()
    return float(round(judged_by.max() - judged_by[first].mean(), 12))


def over_entities(values: Sequence[float]) -> Estimate:
    """Return the mean over entities with its variance: they are the sample."""
    known: NDArray[Any] = np.asarray(values, dtype=np.float64)
    count = len(known)
    variance = known.var(ddof=1) / count if count > 1 else np.nan
    return Estimate(float(known.mean()), float(variance), float(count - 1))
