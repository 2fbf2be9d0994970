"""What in a table is no feature: numbers of rows, empty columns, clocks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aexbench.datasets.tools.splits import listed

if TYPE_CHECKING:
    import pandas as pd

UNNAMED = re.compile(r"Unnamed: \d+(\.\d+)?|__index_level_\d+__|")  # by pandas, by Arrow
LEAST = 10  # rows that show a clock, and different days that show a date
FROM, UNTIL = 978_307_200, 2_208_988_800  # 2001 and 2040, in seconds since 1970
EVEN = 0.9  # of a clock's steps are within a half of the median one; of sorted numbers a third


def no_features(frame: pd.DataFrame) -> dict[str, str]:
    """Return the columns without a name that are no features, and what they are."""
    found = {}
    for position, name in enumerate(map(str, frame.columns)):
        if not UNNAMED.fullmatch(name):
            continue
        column = frame.iloc[:, position]
        if column.isna().all():
            found[name] = "empty"
        elif _numbers_rows(column.to_numpy(), position == 0):
            found[name] = "numbers of rows"
    return found


def _numbers_rows(values: NDArray[np.int64], first: bool) -> bool:
    """Whether a column counts rows; the first one may number them in any order."""
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all() or (values % 1).any():
        return False
    counts = bool((np.diff(values) == 1).all())
    return counts or (first and len(np.unique(values)) == len(values))


def left_out(columns: dict[str, str]) -> list[str]:
    """Return the line about columns that are left out."""
    texts = [f"{name!r} ({what})" for name, what in columns.items()]
    return [f"left out: {listed(texts)}"] if texts else []


def clocks(values: NDArray[np.float64], names: Sequence[str]) -> list[str]:
    """Return the lines about columns of a table (N, M) that hold dates, that rise or fall evenly
    from row to row, or that number the rows in another order.
    """
    if len(values) < LEAST:
        return []
    columns = dict(zip(names, values.T, strict=True))
    with np.errstate(over="ignore", invalid="ignore"):
        even = [name for name, column in columns.items() if _is_clock(column)]
        dates = [n for n, column in columns.items() if n not in even and _is_date(column)]
        ids = [name for name, column in columns.items() if _is_shuffled(column)]
    notes = []
    if dates:
        named = listed(map(repr, dates))
        notes.append(f"dates or times written as numbers: {named} (drop=[{listed(dates)}])")
    if even:
        way_out = f"drop=[{listed(even)}] if it is no feature, and split=time"
        notes.append(
            f"even steps, as of a clock or a counter: {listed(map(repr, even))} ({way_out})"
        )
    if ids:
        named = listed(map(repr, ids))
        notes.append(f"every row has its own number in {named} (drop=[{listed(ids)}])")
    return notes


def _is_date(column: NDArray[np.float64]) -> bool:
    """Whether a column holds days or times as whole numbers: 20240131, or 20240131235959; or the
    seconds (milli-, micro-, nanoseconds) since 1970 of different times in this century.
    """
    if (column % 1).any() or len(np.unique(column)) < LEAST:
        return False
    seconds = [column / unit for unit in (1.0, 1e3, 1e6, 1e9)]
    if any(((since > FROM) & (since < UNTIL)).all() for since in seconds):
        return True
    days = [column // unit for unit in (1.0, 1e4, 1e6)]  # with hours and minutes, with seconds
    return any(_are_days(day) for day in days)


def _are_days(numbers: NDArray[np.float64]) -> bool:
    """Whether all of some numbers are days, such as 20240131."""
    year, month, day = numbers // 10_000, numbers // 100 % 100, numbers % 100
    known = (year >= 1900) & (year < 2100) & (month >= 1) & (month <= 12)
    return bool((known & (day >= 1) & (day <= 31)).all())


def _is_shuffled(column: NDArray[np.float64]) -> bool:
    """Whether a column holds consecutive whole numbers, each once, in any order but theirs."""
    if column.max() - column.min() != len(column) - 1:
        return False
    return bool((np.diff(np.sort(column)) == 1).all()) and not _is_clock(column)


def _is_clock(column: NDArray[np.float64]) -> bool:
    steps = np.diff(column)
    if not ((steps > 0).all() or (steps < 0).all()):
        return False
    usual = np.median(steps)
    return bool((np.abs(steps - usual) <= abs(usual) / 2).mean() >= EVEN)
