"""The area under the PRO curve, by its definition (Bergmann et al. 2020 and 2021): threshold by
threshold, where no two pixels have one value.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, permutations

import numpy as np
from numpy.typing import NDArray

Pixel = tuple[int, int, int]


def regions(truth: NDArray[np.bool_]) -> list[set[Pixel]]:
    """Connected regions of images (N, H, W): pixels that touch at an edge or a corner."""
    left = {tuple(map(int, place)) for place in np.argwhere(truth)}
    found = []
    while left:
        region, new = set(), {left.pop()}
        while new:
            region |= new
            new = {p for p in left if any(touch(p, one) for one in new)}
            left -= new
        found.append(region)
    return found


def touch(one: Pixel, other: Pixel) -> bool:
    image, row, column = (abs(a - b) for a, b in zip(one, other, strict=True))
    return image == 0 and max(row, column) <= 1


def curve(attributions: NDArray[np.float64], truth: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """False-positive rate and mean overlap of the regions, from marking nothing to everything."""
    parts, points = regions(truth), [(0.0, 0.0)]
    for threshold in sorted(set(attributions.ravel().tolist()), reverse=True):
        marked = attributions >= threshold
        overlaps = [sum(bool(marked[p]) for p in part) / len(part) for part in parts]
        rate = np.sum(marked & ~truth) / np.sum(~truth)
        points.append((float(rate), sum(overlaps) / len(overlaps)))
    return points


def area(points: list[tuple[float, float]], limit: float) -> float:
    """Area under straight lines between points, up to a false-positive rate, divided by it."""
    total = 0.0
    for (x, y), (end, top) in pairwise(points):
        if x < limit and end > x:
            stop = min(end, limit)
            height = y + (top - y) * (stop - x) / (end - x)
            total += (stop - x) * (y + height) / 2
    return total / limit


def pro(attributions: NDArray[np.float64], truth: NDArray[np.bool_], limit: float) -> float:
    return area(curve(attributions, truth), limit)


def expected(attributions: NDArray[np.float64], truth: NDArray[np.bool_], limit: float) -> float:
    """The mean over every order of pixels that are tied: for few pixels only."""
    each = [pro(one, truth, limit) for one in untied(attributions)]
    return sum(each) / len(each)


def untied(attributions: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    values = attributions.ravel().tolist()
    for order in permutations(range(len(values))):
        ordered = [values[i] for i in order]
        if ordered == sorted(ordered):
            ranks = np.empty(len(values))
            ranks[list(order)] = np.arange(len(values))
            yield ranks.reshape(attributions.shape)
