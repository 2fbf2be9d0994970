"""What in a table is no feature: numbers of rows, empty columns, clocks, labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aexbench.datasets.tools.splits import dropping, listed, written

if TYPE_CHECKING:
    import pandas as pd

UNNAMED = re.compile(r"Unnamed: \d+(\.\d+)?|__index_level_\d+__|")  # by pandas, by Arrow
LEAST = 10  # rows that show a clock, and different days that show a date
FROM, UNTIL = 978_307_200, 2_208_988_800  # 2001 and 2040, in seconds since 1970
DAY = 86_400  # seconds
FIRST_DAY = 19_000_101  # the least number that is a date
EVEN = 0.9  # of a clock's steps are within a half of the median one; of sorted numbers a third
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")  # of a name such as is_anomaly or isAnomaly
FLAG = ("is", "flag", "bool", "binary", "id")
LABEL = re.compile(
    "abnormal|anomal(y|ies|ous)|attacks?|benign|class|defect(ive)?|failure|faulty?|fraud(ulent)?|"
    "intrusion|labels?|malicious|malware|normal|outliers?|target|truth"
)


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
    """Whether a column counts rows; the first one may number them in any order, or those of several
    tables, one below the other.
    """
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all() or (values % 1).any():
        return False
    steps = np.diff(values)
    starts = 1 + int((steps <= 0).sum())  # of tables, if they number their rows
    several = bool(values.min(initial=0) >= 0) and starts * LEAST <= len(values)
    own = len(np.unique(values)) == len(values)
    return bool((steps == 1).all()) or (first and (own or several))


def left_out(columns: dict[str, str]) -> list[str]:
    """Return the line about columns that are left out."""
    texts = [f"{name!r} ({what})" for name, what in columns.items()]
    return [f"left out: {listed(texts)}"] if texts else []


def nameless(values: NDArray[np.float64], names: Sequence[str]) -> list[str]:
    """Return the line about columns of a table (N, M) without a name that may number its rows."""
    found = [
        name
        for name, column in zip(names, values.T, strict=True)
        if UNNAMED.fullmatch(name) and not (column % 1).any()
    ]
    shown = listed(map(repr, found))
    way_out = f"{dropping(found)} if it numbers rows"
    return [f"whole numbers without a name: {shown} ({way_out})"] if found else []


def labels(values: NDArray[np.float64], names: Sequence[str]) -> list[str]:
    """Return the line about columns of a table (N, M) of two values that have a label's name."""
    found = [
        name
        for name, column in zip(names, values.T, strict=True)
        if _names_label(name) and len(np.unique(column)) == 2
    ]
    if not found:
        return []
    way_out = f"label={written(found[0])}, or {dropping(found)}"
    return [f"labels that are taken for features? {listed(map(repr, found))} ({way_out})"]


def unasked(arrays: Iterable[str]) -> list[str]:
    """Return the line about arrays that have a label's name, where no label is asked for."""
    found = [name for name in arrays if _names_label(name)]
    if not found:
        return []
    shown = listed(map(repr, found))
    return [f"labels that are not used? {shown} (label={written(found[0])})"]


def _names_label(name: str) -> bool:
    """Whether a name says label: `isFraud`, `attack_flag`; but not `class_1`, one of several."""
    words = [word for word in map(str.lower, WORD.findall(name)) if word not in FLAG]
    one = not any(map(str.isdigit, name))
    return name in ("y", "Y") or (one and bool(words) and bool(LABEL.fullmatch(words[-1])))


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
        notes.append(f"dates or times written as numbers: {named} ({dropping(dates)})")
    if even:
        way_out = f"{dropping(even)} if it is no feature, and split=time"
        notes.append(
            f"even steps, as of a clock or a counter: {listed(map(repr, even))} ({way_out})"
        )
    if ids:
        named = listed(map(repr, ids))
        notes.append(f"every row has its own number in {named} ({dropping(ids)})")
    return notes


def _is_date(column: NDArray[np.float64]) -> bool:
    """Whether a column holds different days or times as whole numbers: 20240131, 20240131235959; or
    the seconds (milli-, micro-, nanoseconds) since 1970 of times in this century.
    """
    if column.min() < FIRST_DAY or column.max() == column.min():
        return False
    distinct = np.unique(column)
    if any(_are_seconds(distinct / unit) for unit in (1.0, 1e3, 1e6, 1e9)):
        return True
    days = [distinct // unit for unit in (1.0, 1e4, 1e6)]  # with hours and minutes, with seconds
    return not (distinct % 1).any() and any(_are_days(day) for day in days)


def _are_seconds(since: NDArray[np.float64]) -> bool:
    """Whether different numbers, sorted, are seconds since 1970: some may be frequencies or sizes
    (2**30), but not many that lie apart, nor all of them midnights.
    """
    known = bool(((since > FROM) & (since < UNTIL)).all())
    apart = since[-1] - since[0] >= 1
    return known and ((len(since) >= LEAST and apart) or not (since % DAY).any())


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
