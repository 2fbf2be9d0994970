"""Features: what the input columns are; one description that travels along the whole road."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aexbench.errors import RequestError
from aexbench.rows import Array


@dataclass(frozen=True)
class Features:
    """Describes the input columns; travels with Dataset, Detector and AnomalySet.

    Parameters
    ----------
    names
        One name per input column, or none at all (images).
    low, high
        Least and greatest regular value, one for all columns or one each.
    groups
        For each column the number (0 … G−1) of the feature that it encodes, where several columns
        encode one feature. Corruptions change whole groups, and attributions are summed over groups
        before a metric sees them.
    """

    names: tuple[str, ...] = ()
    low: float | tuple[float, ...] = 0.0
    high: float | tuple[float, ...] = 1.0
    groups: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Reject descriptions that contradict themselves."""
        lengths = {
            len(part)
            for part in (self.names, self.low, self.high, self.groups)
            if isinstance(part, tuple)
        }
        if len(lengths - {0}) > 1:
            raise RequestError(
                f"names, low, high and groups of Features differ in length: {sorted(lengths)}"
            )
        if self.groups is not None and sorted(set(self.groups)) != list(
            range(len(set(self.groups)))
        ):
            raise RequestError("groups of Features must be numbered 0, 1, 2, … without a gap")
        if np.any(np.greater_equal(self.low, self.high)):
            raise RequestError("low of Features must lie below high")

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise RequestError unless samples of this shape have the columns described here."""
        for name in ("names", "low", "high", "groups"):
            value = getattr(self, name)
            if isinstance(value, tuple) and value and len(value) != int(np.prod(shape)):
                raise RequestError(
                    f"Features.{name} describes {len(value)} columns, a sample has shape {shape}"
                )

    def bounds(self, shape: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return `low` and `high` as arrays of the shape of one sample."""
        low, high = (np.asarray(bound, dtype=np.float64) for bound in (self.low, self.high))
        return tuple(np.broadcast_to(b.reshape(shape) if b.ndim else b, shape) for b in (low, high))  # type: ignore[return-value]

    def count(self, shape: tuple[int, ...]) -> int:
        """Return how many features a sample of this shape has: its groups, or its columns where
        there are none.
        """
        return int(np.prod(shape)) if self.groups is None else len(set(self.groups))

    def masks(self, features: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Return for each feature number a mask (B, *shape) of the columns that encode it."""
        groups = np.arange(np.prod(shape)) if self.groups is None else np.asarray(self.groups)
        return np.asarray(groups[None, :] == features[:, None]).reshape(len(features), *shape)

    def sum_groups(self, attributions: ArrayLike) -> Array:
        """Sum attributions (N, …) over the columns of each feature: (N, G), or unchanged without
        groups.
        """
        values = np.asarray(attributions)
        if self.groups is None:
            return values
        columns = values.reshape(len(values), -1)
        belongs = np.asarray(self.groups)[:, None] == np.arange(max(self.groups) + 1)
        return np.asarray(columns @ belongs.astype(values.dtype))

    def any_groups(self, truth: ArrayLike) -> NDArray[np.bool_]:
        """Return the truth (N, …) by feature: (N, G), true where any of its columns is, or
        unchanged without groups.
        """
        return np.asarray(self.sum_groups(np.asarray(truth).astype(np.float64)) > 0)
