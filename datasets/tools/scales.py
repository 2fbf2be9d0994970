"""What the values of a column say of its scale: how far rounding reaches, whether few of them
stretch it, which ones stand for gaps.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

LARGEST = 1e15  # of a scaled value: float32 holds the sum of such squares, and what networks do
STRETCHED = 1e-3  # of a range: an autoencoder errs by more, and does not see what varies by less
FEW = 3  # values that must not decide on a scale; of many one in a hundred
ROUNDING = 2.0**-40  # of its size: 4096 steps of float64, more than long sums lose
ROUNDING_SINGLE = 2.0**-20  # 8 steps of float32: it has no digits to spare
RESIDUE = 2.0**-60  # differences of equal numbers of order 1 to 1000 are multiples of it
LEAST_CHANCE = 0.01  # that numbers rounded to float32 are decimal ones by accident
COMPARED = 10  # numbers that tell whether all come from float32
FILLERS = frozenset(
    [
        *(sign * (10.0**places - 1) for sign in (-1, 1) for places in range(3, 9)),
        *(-99.0, -999.25, -9999.25),
        *(-(2.0**15), -(2.0**31), 2.0**31 - 1),
    ]
)  # what files write in gaps


def rounding(values: NDArray[np.float64]) -> float:
    """Return how far values may lie apart that are one number but for rounding.

    Whole numbers are exact. Numbers that float32 holds, or prints with its few digits, have been
    rounded there. Tiny ones that are few multiples of a step of larger numbers are what is left of
    a difference of equal ones.

    >>> shares = np.array([0.1 + 0.2 + 0.7, 0.7 + 0.2 + 0.1])
    >>> np.ptp(shares) > 0, np.ptp(shares) <= rounding(shares)
    (np.True_, np.True_)
    """
    size = float(np.abs(values).max())
    if size <= ROUNDING and not np.mod(values, RESIDUE).any():
        return 2 * size
    if size <= 2.0**53 and not np.mod(values, 1.0).any():
        return 0.0
    return size * (ROUNDING_SINGLE if _single(values) else ROUNDING)


def _single(values: NDArray[np.float64]) -> bool:
    """Whether values come from float32: it holds them, or they are the digits that it prints, and
    these are no decimal numbers.
    """
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    if not np.array_equal(single.astype(np.float64), values):
        distinct, first = np.unique(values, return_index=True)
        printed = [float(str(number)) for number in single[first[:COMPARED]]]
        if printed != distinct[:COMPARED].tolist():
            return False
    return not _decimal(single)


def _decimal(single: NDArray[np.float32]) -> bool:
    """Whether nearly equal numbers were written with few digits, such as 52.12341 and 52.12345.

    Rounding takes any float32 number between the least and the greatest; what was written takes
    multiples of a decimal step alone, which are fewer. So it is improbable that each number which
    differs from the usual one is such a multiple by accident.
    """
    distinct, counts = np.unique(single, return_counts=True)
    width = float(distinct[-1]) - float(distinct[0])
    if not 0 < width <= 2 * ROUNDING_SINGLE * float(np.abs(distinct).max()):
        return False
    written = [Decimal(str(number)).normalize() for number in distinct]
    places = min(int(number.as_tuple().exponent) for number in written)
    decimals = int((written[-1] - written[0]).scaleb(-places))
    singles = round(width / float(np.spacing(np.abs(distinct).max())))
    others = len(single) - int(counts.max())
    return decimals < singles and (decimals / singles) ** others < LEAST_CHANCE


def stretch(values: NDArray[np.float64]) -> tuple[bool, bool]:
    """Return whether few of a column's values (n,) stretch the range of all others, and whether
    they do so by more than float32 can hold.
    """
    ordered = np.sort(values)
    shares = [_share(ordered, few) for few in (FEW, max(FEW, len(ordered) // 100))]
    return min(shares) < STRETCHED, shares[0] < 1 / LARGEST


def _share(ordered: NDArray[np.float64], few: int) -> float:
    """Return the share of its range that a sorted column (n,) keeps without its `few` outermost
    values; 1 where what is left is one number.
    """
    if len(ordered) <= few:
        return 1.0
    with np.errstate(over="ignore"):
        widths = ordered[len(ordered) - few - 1 :] - ordered[: few + 1]
        whole = ordered[-1] - ordered[0]
    start = int(widths.argmin())
    width = float(widths[start])
    if width >= STRETCHED * whole or width <= rounding(ordered[start:][: len(ordered) - few]):
        return 1.0
    return width / float(whole)


def fillers(values: NDArray[np.float64]) -> str:
    """Return which of a column's values (N,) may stand for gaps, being far from all others, and in
    how many rows; "" without any.

    >>> fillers(np.array([0.5, -999.0, 0.1, -999.0]))
    '-999 in 2 rows'
    """
    if FILLERS.isdisjoint((float(values.min()), float(values.max()))):
        return ""
    held = np.isin(values, list(FILLERS))
    if held.all():
        return ""
    low, high = values[~held].min(), values[~held].max()
    far = held & (np.maximum(low - values, values - high) > high - low)
    found = zip(*np.unique(values[far], return_counts=True), strict=True)
    rows = {1: "row"}
    return ", ".join(f"{value:.10g} in {n} {rows.get(n, 'rows')}" for value, n in found)
