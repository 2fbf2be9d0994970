"""Windows that overlap share rows: an anomaly set in a file keeps each of them once.

So do a window and what was made of it. The numbers of the rows take their place, where that is
shorter; what is read is the same, bit by bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
WINDOWS = ("x", "clean")  # arrays (N, T, D) of an anomaly set
ROWS = "rows"


def folded(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """Return arrays by name, with windows (N, T, D) as numbers (N, T) of rows (R, D), if that is
    shorter.
    """
    windows = {name: arrays[name] for name in WINDOWS if name in arrays}
    if any(one.ndim != 3 or one.dtype != arrays["x"].dtype for one in windows.values()):
        return dict(arrays)
    every = np.concatenate([np.asarray(one).reshape(-1, one.shape[2]) for one in windows.values()])
    _, first, number = np.unique(_whole(every), return_index=True, return_inverse=True)
    numbers = number.astype(np.int32).reshape(-1, arrays["x"].shape[1])
    if every[first].nbytes + numbers.nbytes >= every.nbytes:
        return dict(arrays)
    parts = np.split(numbers, np.cumsum([len(one) for one in windows.values()])[:-1])
    kept = {name: array for name, array in arrays.items() if name not in windows}
    named = {f"{ROWS}:{name}": part for name, part in zip(windows, parts, strict=True)}
    return {**kept, ROWS: every[first], **named}


def unfolded(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """Return arrays as they were before; ValueError where they cannot have been folded."""
    found = dict(arrays)
    if ROWS not in found:
        return found
    rows = found.pop(ROWS)
    for name in WINDOWS:
        numbers = found.pop(f"{ROWS}:{name}", None)
        if numbers is not None:
            found[name] = rows[_checked(numbers, len(rows))]
    return found


def _checked(numbers: NDArray[Any], rows: int) -> NDArray[Any]:
    whole = numbers.ndim == 2 and np.issubdtype(numbers.dtype, np.integer)
    if not whole or (numbers.size and not 0 <= numbers.min() <= numbers.max() < rows):
        raise ValueError("its windows are of rows that are not there")
    return numbers


def _whole(rows: NDArray[Any]) -> NDArray[np.void]:
    """Return rows (R, D) as one value each (R,), which are equal where all their bits are."""
    kept = np.ascontiguousarray(rows)
    return kept.view(np.dtype((np.void, kept.dtype.itemsize * kept.shape[1]))).ravel()
