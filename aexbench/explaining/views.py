"""What a person sees of a sample: columns in the user's units, and the features that they encode.

A table's columns are seen as they are, an image by regions, whose value is their mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aexbench import series
from aexbench.contracts import Dataset
from aexbench.explaining.regions import regions
from aexbench.features import SEPARATORS, Codes, Features

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """How samples of one shape are seen.

    Attributes
    ----------
    names : (G,)
        The features, one bar each.
    columns : (M,)
        The columns' names.
    members : (G,) of (k,)
        The columns of each feature.
    features
        The samples' own, or the regions of an image.
    shape
        Of a sample.
    inverse
        From the detector's units to the user's.
    by_region
        Whether a column is the mean of a region.
    """

    names: tuple[str, ...]
    columns: tuple[str, ...]
    members: tuple[NDArray[np.int64], ...]
    features: Features
    shape: tuple[int, ...]
    inverse: Callable[[ArrayLike], Floats]
    by_region: bool

    def values(self, x: ArrayLike) -> Floats:
        """Return samples (N, …) as columns (N, M) in the user's units."""
        own = np.asarray(self.inverse(x), dtype=np.float64)
        if not self.by_region:
            return own.reshape(len(own), -1)
        return self.sums(own) / np.bincount(np.asarray(self.features.groups))

    def sums(self, shares: ArrayLike) -> Floats:
        """Return attributions or shares of an error (N, …) summed over each feature (N, G)."""
        values = np.asarray(shares, dtype=np.float64)
        return np.asarray(self.features.sum_groups(values)).reshape(len(values), -1)

    def by_column(self, shares: ArrayLike) -> Floats:
        """Return shares of an error (N, …) by column (N, M)."""
        values = np.asarray(shares, dtype=np.float64)
        return self.sums(values) if self.by_region else values.reshape(len(values), -1)

    def codes(self, feature: int) -> Codes | None:
        """Return a feature's categories where its columns are one-hot, else None; a single column
        is seen as a number.
        """
        kinds = self.features.kinds
        if kinds is None or kinds[feature] != "onehot" or len(self.members[feature]) == 1:
            return None
        mask = self.features.masks(np.array([feature]), self.shape)
        return self.features.touched(mask)[0]

    def category(self, feature: int, number: int) -> str:
        """Return what a category is called: what its column's name adds to the feature's."""
        if number < 0:
            return "none"
        column = self.columns[int(self.members[feature][number])]
        return column.removeprefix(self.names[feature]).lstrip(SEPARATORS) or column


def view(features: Features, shape: tuple[int, ...], data: Dataset | None) -> View:
    """Return how samples of a shape are seen; in the units of a data set's source, if there is
    one.
    """
    inverse = _unchanged if data is None else data.inverse
    if len(shape) == 3 and features.groups is None:
        parts, names = regions(shape)
        alone = tuple(np.arange(len(names))[:, None])
        return View(names, names, alone, parts, shape, inverse, by_region=True)
    names = features.group_names(shape)
    owner = np.arange(len(names)) if features.groups is None else np.asarray(features.groups)
    members = tuple(np.flatnonzero(owner == number) for number in range(len(names)))
    if len(shape) == 2 and features.groups is not None:
        names = _of_windows(features, names, members, shape)
    columns = features.names or _numbered(features, names, shape)
    return View(names, columns, members, features, shape, inverse, by_region=False)


def _of_windows(
    features: Features,
    names: tuple[str, ...],
    members: Sequence[NDArray[np.int64]],
    shape: tuple[int, int],
) -> tuple[str, ...]:
    """Return the names of a window's features: a channel's own where that is one at all steps, and
    a step's number where it is a step of all channels.
    """
    channels, found = series.channels(features, shape), list(names)
    for number, columns in enumerate(members):
        steps, owners = (np.unique(part) for part in np.unravel_index(columns, shape))
        if len(owners) == 1 and len(steps) == shape[0]:
            found[number] = channels[owners[0]]
        elif len(steps) == 1 and len(owners) == shape[1]:
            found[number] = f"step {steps[0]}"
    return tuple(found)


def _numbered(
    features: Features, names: tuple[str, ...], shape: tuple[int, ...]
) -> tuple[str, ...]:
    """Return names for columns without any."""
    if features.groups is None:
        return names
    return tuple(f"column {number}" for number in range(int(np.prod(shape))))


def _unchanged(x: ArrayLike) -> Floats:
    return np.asarray(x, dtype=np.float64)
