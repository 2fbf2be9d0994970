"""What a metric of a ranking without ties is expected to be where ties stand in random order: the
mean over every order, for few features only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

Hits = tuple[bool, ...]


def rankings(attributions: Sequence[float], truth: Sequence[bool]) -> Iterator[Hits]:
    """Yield, for every order of the features that keeps higher attributions first, which ranks hold
    a true one; each such order once.
    """
    for order in permutations(range(len(attributions))):
        values = [attributions[i] for i in order]
        if values == sorted(values, reverse=True):
            yield tuple(bool(truth[i]) for i in order)


def expected(
    metric: Callable[[Hits], float],
    attributions: NDArray[np.float64],
    truth: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return for each sample (N,) the mean of a metric over the orders of its ties."""
    scores = []
    for values, true in zip(attributions.tolist(), truth.tolist(), strict=True):
        each = [metric(hits) for hits in rankings(values, true)]
        scores.append(sum(each) / len(each))
    return np.array(scores)
