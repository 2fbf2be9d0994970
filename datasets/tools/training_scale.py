"""The scale that training rows give to a table: of their range, their standard deviation, their
quartiles, or none.

A column that is constant in training has no scale of its own there, and its raw unit must not stand
elsewhere: one validation row of 5000 among values in [0, 1] would decide when training stops. So it
is 0 in training, and everywhere else its distance from that constant, in units of the furthest
normal row's; of the furthest row's of all, where every normal row has the constant. A changed value
is then of order 1, whatever the unit and whichever seed has split the rows. Values that differ by
rounding alone count as equal. Where no scale is asked for, such a column stays as it is.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aexbench.datasets.tools.scales import ROUNDING, ROUNDING_SINGLE, STRETCHED, rounding
from aexbench.scaling import Scale, scaled

Scaling = Literal["minmax", "standard", "robust", "none"]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Rows = NDArray[np.int64]
Bounds = tuple[tuple[float, ...], tuple[float, ...]]


class Fitted(NamedTuple):
    """What training rows give: offset, factor and tolerance of each column, or one for all; and
    which columns (M,) are constant there, and of which the quartiles coincide though they are not.
    """

    offset: Floats
    factor: Floats
    tolerance: Floats
    constant: Flags
    even: Flags

    @property
    def scale(self) -> Scale:
        """The map, once it is known to be finite."""
        return Scale.of(self.offset, self.factor, self.tolerance)

    def applied(self, table: Floats) -> Floats:
        """Return a table (N, M) scaled, in float64; not finite where it overflows."""
        return scaled(table, self.offset, self.factor, self.tolerance)


def fitted(
    table: Floats,
    train: Rows,
    normal: Flags,
    scaling: Scaling,
    *,
    one_scale: bool = False,
    kept: Flags | None = None,
) -> Fitted:
    """Return what the training rows (n,) of a table (N, M) give.

    `minmax`: least value and range. `standard`: mean and standard deviation (of the rows, not an
    estimate). `robust`: median and interquartile range; the whole range where the quartiles
    coincide. `none`: 0 and 1.

    Parameters
    ----------
    normal : (N,) bool
        The rows that scale a column which is constant in training.
    one_scale
        One scale for all columns; none of them counts as constant.
    kept : (M,) bool
        Columns that stay as they are, such as those of a category.
    """
    count = table.shape[1]
    kept = np.zeros(count, dtype=bool) if kept is None else kept
    constant = np.zeros(count, dtype=bool) if one_scale else constants(table[train]) & ~kept
    offset, factor, even = _of_kind(table[train], scaling, None if one_scale else 0)
    if kept.any():
        offset, factor = np.where(kept, 0.0, offset), np.where(kept, 1.0, factor)
    factor, tolerance = np.where(factor > 0, factor, 1.0), np.zeros_like(offset)
    if scaling != "none":
        for column in np.flatnonzero(constant):
            own = _of_constant(table[:, column], train, normal)
            offset[column], factor[column], tolerance[column] = own
    return Fitted(
        offset, factor, tolerance, constant, np.broadcast_to(even, (count,)) & ~constant & ~kept
    )


def _of_kind(rows: Floats, scaling: Scaling, axis: int | None) -> tuple[Floats, Floats, Flags]:
    """Return offset and factor of each column, and where the factor is not the one asked for."""
    low: Any = rows.min(axis=axis)
    spread: Any = rows.max(axis=axis) - low
    even: Any = np.zeros(np.shape(low), dtype=bool)
    if scaling == "minmax":
        return np.array(low), np.array(spread), even
    if scaling == "standard":
        return np.array(rows.mean(axis=axis)), np.array(rows.std(axis=axis)), even
    if scaling == "robust":
        first, median, third = np.percentile(rows, [25, 50, 75], axis=axis)
        even = _quartiles_coincide(rows)
        return np.array(median), np.where(even, spread, third - first), even
    return np.zeros(np.shape(low)), np.ones(np.shape(low)), even


def constants(rows: Floats) -> Flags:
    """Return which columns (M,) of rows (n, M) are constant, up to rounding."""
    return _equal(rows, rows.min(axis=0), rows.max(axis=0))


def _quartiles_coincide(rows: Floats) -> Flags:
    """Return in which columns (M,) of rows (n, M) the quartiles are equal, up to rounding."""
    low = np.percentile(rows, 25, axis=0, method="lower")  # values that there are
    return _equal(rows, low, np.percentile(rows, 75, axis=0, method="higher"))


def _equal(rows: Floats, low: Floats, high: Floats) -> Flags:
    """Return in which columns (M,) the values from low to high differ by rounding alone."""
    size = np.maximum(np.abs(low), np.abs(high))
    near = (high - low <= ROUNDING_SINGLE * size) | (size <= ROUNDING)
    for column in np.flatnonzero(near & (high > low)):
        values = rows[:, column]
        between = values[(values >= low[column]) & (values <= high[column])]
        near[column] = high[column] - low[column] <= rounding(between)
    return np.asarray(near)


def _of_constant(values: Floats, train: Rows, normal: Flags) -> tuple[float, float, float]:
    """Return the offset, the factor and the tolerance of a column that is constant in training: its
    values (N,) are distances from that constant, of order 1.
    """
    offset = float(np.median(values[train]))
    away = np.abs(values - offset)
    tolerance = max(rounding(values[train]), float(away[train].max()))
    beyond = np.where(away <= tolerance, 0.0, away)
    unit = float(beyond[normal].max()) or float(beyond.max())
    return offset, unit or 1.0, tolerance


def bounds(rows: Floats, constant: Flags, kept: Flags) -> Bounds:
    """Return the least and the greatest value of each column of training rows (n, M), as scaled.

    A constant column reaches from its value upwards by 1, or by its value's size, as `evaluate`
    takes it from a background; those that are kept, of categories, are 0 and 1.
    """
    low, high = rows.min(axis=0), rows.max(axis=0)
    high = np.where(constant | (high <= low), low + np.maximum(1.0, np.abs(low)), high)
    low, high = np.where(kept, 0.0, low), np.where(kept, 1.0, high)
    return tuple(low.tolist()), tuple(high.tolist())


def coarse(rows: Floats) -> Flags:
    """Return in which columns of training rows (n, M) float32 rounds by more than a thousandth of
    their range.

    >>> seconds = 1.7e9 + np.arange(100.0)[:, None]
    >>> coarse(seconds), coarse(seconds - 1.7e9)
    (array([ True]), array([False]))
    """
    step = np.spacing(np.abs(rows).max(axis=0).astype(np.float32)).astype(np.float64)
    return np.asarray(step > STRETCHED * np.ptp(rows, axis=0))
