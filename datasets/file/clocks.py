"""Which columns of a table are clocks: dates as numbers, what rises from row to row, counters.

The values tell most of them, the order of the rows or a column's name others. Where all three look
like those of any other numbers (days since 1900 or seconds of a day, shuffled and without a name
that says so; a count that always starts again after as many rows, as hours do) nothing is said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from aexbench.datasets.file.remarks import words
from aexbench.datasets.tools.splits import dropping, listed

Column = NDArray[np.float64]
LEAST = 10  # rows that show a clock, and different values that show a date
EVEN = 0.9  # of a clock's steps are within a half of the median one; of sorted numbers a third
DAY = 86_400  # seconds
FROM, UNTIL = 631_152_000, 2_208_988_800  # 1990 and 2040, in seconds since 1970
SPAN = 5 * 366 * DAY  # that most tables of events keep to; sizes, frequencies and money go beyond
ROUND = 10_000  # numbers that are all multiples of it are amounts, no seconds
EPOCHS = (  # units in a second, and seconds until 1970
    *((unit, 0.0) for unit in (1.0, 1e3, 1e6, 1e9)),  # of Unix
    (1e7, 11_644_473_600.0),  # FILETIME of Windows, from 1601
    (1e7, 62_135_596_800.0),  # ticks of .NET, from the year 1
)
TIME = re.compile(
    "clock|created|date(time)?s?|epochs?|modified|t|time(s|stamps?)?|ts|unix|updated|when"
)
DATE = re.compile("dates?")
SERIALS = 20_000, 60_000  # days since 1900, as spreadsheets count them: 1954 to 2064


def notes(values: NDArray[np.float64], names: Sequence[str]) -> list[str]:
    """Return the lines about columns of a table (N, M) that are clocks, each in one of them."""
    if len(values) < LEAST:
        return []
    found: dict[str, list[str]] = {what: [] for what in SAYS}
    with np.errstate(over="ignore", invalid="ignore"):
        for name, column in zip(names, values.T, strict=True):
            what = next((what for what, holds in KINDS.items() if holds(column, name)), None)
            if what is not None:
                found[what].append(name)
    return [
        f"{what} {listed(map(repr, own))} ({dropping(own)}{SAYS[what]})"
        for what, own in found.items()
        if own
    ]


def _is_even(column: Column, name: str) -> bool:
    """Whether a column rises or falls evenly."""
    return _steps_evenly(np.diff(column)) or _steps_evenly(-np.diff(column))


def _steps_evenly(steps: Column) -> bool:
    usual = np.median(steps)
    return bool((steps > 0).all() and (np.abs(steps - usual) <= usual / 2).mean() >= EVEN)


def _is_sorted(column: Column, name: str) -> bool:
    """Whether a column of many values never falls, or never rises."""
    steps = np.diff(column)
    return _many(column) and bool((steps >= 0).all() or (steps <= 0).all())


def _many(column: Column) -> bool:
    return len(np.unique(column)) >= LEAST


def _starts_again(column: Column, name: str) -> bool:
    """Whether a column counts evenly, again and again from its least value, and never as far: the
    hours of a day are no count of that kind.
    """
    steps = np.diff(column)
    starts = np.flatnonzero(steps < 0) + 1
    lengths = np.diff(starts, prepend=0)
    if len(set(lengths.tolist())) < 2 or LEAST * len(starts) > len(column):
        return False
    first = column[[0, *starts]]
    return bool((first == column.min()).all()) and _steps_evenly(steps[steps >= 0])


def _is_shuffled(column: Column, name: str) -> bool:
    """Whether a column holds consecutive whole numbers, each once, in any order."""
    if column.max() - column.min() != len(column) - 1:
        return False
    return bool((np.diff(np.sort(column)) == 1).all())


def _is_date(column: Column, name: str) -> bool:
    """Whether a column holds different dates or times as numbers: 20240131, 20240131235959,
    31012024, 240131, 202401; the seconds (milli-, micro-, nanoseconds) since 1970 and what Windows
    counts; and the days of a spreadsheet where its name says date.
    """
    distinct = np.unique(column)
    if len(distinct) < 2:
        return False
    if any(_are_times(distinct, column, name, *epoch) for epoch in EPOCHS):
        return True
    return _are_serials(distinct, name) or (not (distinct % 1).any() and _are_dates(distinct))


def _are_times(distinct: Column, column: Column, name: str, unit: float, before: float) -> bool:
    """Whether different numbers, sorted, are times of events since an epoch.

    Amounts may be as large: times are midnights, or their name or their order says so, or they are
    whole numbers that lie near each other.
    """
    since = distinct / unit - before
    span = since[-1] - since[0]
    if not FROM < since[0] <= since[-1] < UNTIL or span < 1:
        return False
    if not (since % DAY).any():
        return True
    near = span <= SPAN and not (distinct % 1).any() and bool((since % ROUND).any())
    return len(since) >= LEAST and (near or _says(TIME, name) or _mostly_one_way(column))


def _says(what: re.Pattern[str], name: str) -> bool:
    return any(map(what.fullmatch, words(name)))


def _mostly_one_way(column: Column) -> bool:
    steps = np.diff(column)
    rising, falling = int((steps > 0).sum()), int((steps < 0).sum())
    return max(rising, falling) >= EVEN * (rising + falling)


def _are_serials(distinct: Column, name: str) -> bool:
    low, high = SERIALS
    return (
        len(distinct) >= LEAST and low <= distinct[0] <= distinct[-1] < high and _says(DATE, name)
    )


def _are_dates(distinct: Column) -> bool:
    """Whether different whole numbers, sorted, are written dates, with or without their hours and
    minutes, and seconds.
    """
    forms = [np.unique(distinct // unit) for unit in (1.0, 1e4, 1e6)]
    if any(_are_days(days // 10_000, days // 100 % 100, days % 100) for days in forms):
        return True
    if len(distinct) < LEAST:  # some other numbers look so
        return False
    first, second, year = distinct // 1_000_000, distinct // 10_000 % 100, distinct % 10_000
    written = ((year, second, first), (year, first, second), (distinct // 100, distinct % 100, 1.0))
    return any(_are_days(*date) for date in written) or any(map(_are_short, forms))


def _are_short(days: Column) -> bool:
    """Whether numbers are days such as 240131, of several months and years from 2010 on."""
    several = len(days) >= LEAST and len(np.unique(days // 100)) > 1
    late = bool((days >= 100_000).all() and (days < 400_000).all())
    return several and late and _are_days(2000 + days // 10_000, days // 100 % 100, days % 100)


def _are_days(year: Column, month: Column, day: Column | float) -> bool:
    known = (year >= 1900) & (year < 2100) & (month >= 1) & (month <= 12)
    return bool((known & (day >= 1) & (day <= 31)).all())


KINDS: dict[str, Callable[[Column, str], bool]] = {
    "even steps, as of a clock or a counter:": _is_even,
    "dates or times written as numbers?": _is_date,
    "every row has its own number in": _is_shuffled,
    "a counter that starts again?": _starts_again,
    "a clock, or what the rows are sorted by?": _is_sorted,
}
UNLESS = " if it is no feature, and split="
SAYS = dict(zip(KINDS, (f"{UNLESS}time", "", "", f"{UNLESS}unit", f"{UNLESS}time"), strict=True))
