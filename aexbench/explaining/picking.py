"""Which samples of a data set to explain: by their numbers, or those with the greatest errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aexbench.contracts import Dataset


@dataclass(frozen=True)
class Picked:
    """Samples (N, …) with their numbers in the source, and how many more there would be."""

    x: NDArray[Any]
    numbers: list[int]
    more: int = 0


def by_number(data: Dataset, numbers: Sequence[int]) -> Picked:
    """Return the rows of these numbers, in any split; RequestError where there is none."""
    return Picked(np.concatenate([data.sample(number) for number in numbers]), list(numbers))


def most_anomalous(data: Dataset, found: NDArray[np.float64], least: float, count: int) -> Picked:
    """Return test samples whose error is above `least`, the greatest first, `count` at most.

    Parameters
    ----------
    found : (N,)
        The errors of the test split.
    """
    order = np.argsort(-found, kind="stable")
    above = order[found[order] > least]
    chosen = above[:count]
    numbers = data.numbers()[chosen] if len(data.numbers()) else chosen
    return Picked(np.asarray(data.test[chosen]), numbers.tolist(), len(above) - len(chosen))
