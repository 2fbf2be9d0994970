"""Windows of series: samples (T, D), T steps of D channels, whatever counts as one feature."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aexbench.features import Features

ROUNDING = 1e-12  # of a half
UNNAMED = " … "  # in the name of a group whose columns' names have nothing in common


def channels(features: Features, shape: tuple[int, int]) -> tuple[str, ...]:
    """Return a name for each channel of windows (T, D): what its columns' names begin with, or end
    with where steps are named first; its number from 1 on where that says nothing.

    Examples
    --------
    >>> names = ("cpu/0", "disk/0", "cpu/1", "disk/1")
    >>> channels(Features(names=names), (2, 2))
    ('cpu', 'disk')
    >>> channels(Features(names=("step-0/cpu", "step-0/disk", "step-1/cpu", "step-1/disk")), (2, 2))
    ('cpu', 'disk')
    """
    owner = tuple(np.indices(shape)[1].ravel().tolist())
    backwards = tuple(name[::-1] for name in features.names)
    for names, way in ((features.names, 1), (backwards, -1)):
        found = Features(names=names, groups=owner).group_names(shape) if names else ()
        if found and not any(UNNAMED in name for name in found):
            return tuple(name[::way] for name in found)
    return tuple(f"channel {number}" for number in range(1, shape[1] + 1))


def leading(relevance: NDArray[np.float64], most: int) -> list[int]:
    """Return the channels of one window's relevance (T, D) that have the most in all, the first
    first; none without any.

    >>> leading(np.array([[0.1, 0.5, 0.0], [0.6, 0.1, -0.2]]), 2)
    [0, 1]
    """
    sums = relevance.sum(axis=0)
    order = np.argsort(-sums, kind="stable")[:most]
    return [int(channel) for channel in order if sums[channel] > 0]


def half(by_step: NDArray[np.float64]) -> tuple[int, int] | None:
    """Return the first and last of the fewest steps in a row that have at least half of what is
    positive at all steps (T,); of several runs as short the one that has the most, then the first.
    None where nothing is positive.

    Examples
    --------
    >>> half(np.array([0.0, 0.1, 0.4, 0.3, 0.2, -5.0]))
    (2, 3)
    >>> half(np.ones(6)), half(np.zeros(6))
    ((0, 2), None)
    """
    positive = np.maximum(np.asarray(by_step, dtype=np.float64), 0.0)
    whole = positive.sum()
    if not whole > 0:
        return None
    for length in range(1, len(positive)):
        sums = np.convolve(positive, np.ones(length), mode="valid")
        best = int(sums.argmax())
        if sums[best] >= whole / 2 * (1 - ROUNDING):
            return best, best + length - 1
    return 0, len(positive) - 1
