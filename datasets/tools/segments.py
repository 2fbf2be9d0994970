"""Rows in time whose labelled anomalies are segments: files `first-last:feature,feature,…`, which
count rows from 0 and features from 1, and what they say of each row.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aexbench import Dataset, Features, RequestError
from aexbench.errors import plain

TRAIN = 0.8  # of the training rows; the end of them is for validation
ROUNDED = 1e-3  # beyond [0, 1]: figures of a text
LINE = re.compile(r"(\d+)-(\d+):(\d+(?:,\d+)*)")
BLANKS = re.compile(r"[ \t]*([-:,])[ \t]*")  # around what divides a line


class Segment(NamedTuple):
    """Rows first … stop − 1, and the columns that are abnormal in them."""

    first: int
    stop: int
    columns: NDArray[np.int64]


class Series(NamedTuple):
    """What is read of one machine: training rows (n, M), test rows (N, M), which of these are
    labelled (N,), and the segments.
    """

    train: NDArray[np.float32]
    test: NDArray[np.float32]
    labels: NDArray[np.bool_]
    segments: Sequence[Segment]


def dataset_of(
    series: Series,
    where: str,
    *,
    autoencoder: str,
    kinds: NDArray[np.str_] | None = None,
) -> Dataset:
    """Return the Dataset of one machine, whose values its publishers have scaled to [0, 1].

    The first 80 % of the training rows are for training, the rest for validation. A segment is a
    unit, and segments that share rows are one. Labels and segments that contradict one another, and
    values beyond [0, 1], are warned of in one line that begins with `where`.
    """
    train, test, labels, segments = series
    truth = truth_of(segments, test.shape)
    doubts = _contradictions(labels, np.asarray(truth.any(axis=1))) + _beyond(train, test)
    if doubts:
        warnings.warn(plain(f"{where}: {'; '.join(doubts)}"), stacklevel=3)
    first = int(TRAIN * len(train))
    names = tuple(f"feature-{number}" for number in range(1, test.shape[1] + 1))
    return Dataset(
        train[:first],
        train[first:],
        test,
        Features(names=names),
        labels,
        truth,
        autoencoder,
        units_of(segments, len(test)),
        kinds,
        "symptom",
    )


def finite(table: NDArray[Any], path: Path) -> NDArray[np.float32]:
    """Return a table (N, M) in float32; RequestError where it is empty or not finite."""
    if table.size == 0:
        raise RequestError(f"{path}: it is empty")
    with np.errstate(over="ignore"):
        made: NDArray[np.float32] = table.astype(np.float32, copy=False)
    wrong = np.argwhere(~np.isfinite(made))
    if len(wrong):
        row, column = wrong[0]
        raise RequestError(
            f"{path}: not every value is a finite number: {table[row, column]} in row {row + 1}, "
            f"column {column + 1} ({len(wrong)} such values)"
        )
    return made


def labels_of(values: NDArray[Any], path: Path) -> NDArray[np.bool_]:
    """Return which rows (N,) are anomalous; RequestError where a label is neither 0 nor 1."""
    wrong = np.flatnonzero((values != 0) & (values != 1))
    if len(wrong):
        raise RequestError(
            f"{path}: labels must be 0 or 1: row {wrong[0] + 1} holds {values[wrong[0]]:g} "
            f"({len(wrong)} such rows)"
        )
    return np.asarray(values == 1)


def read_segments(path: Path, shape: tuple[int, ...], *, past_the_end: bool) -> list[Segment]:
    """Return the segments of a file, for a table of this shape (N, M).

    Parameters
    ----------
    past_the_end
        Whether the last row that a line names is the first one after the segment, or belongs to it.

    Raises
    ------
    RequestError
        If there is no file, or a line is not what it should be: it says which.
    """
    if not path.is_file():
        raise RequestError(f"there is no {path}")
    text = BLANKS.sub(r"\1", path.read_text(encoding="utf-8-sig", errors="replace"))
    found = []
    for number, line in enumerate(text.split(), start=1):
        parts = LINE.fullmatch(line)
        if parts is None:
            raise RequestError(
                f"{path}, line {number}: not first-last:feature,feature,…: {line[:60]!r}"
            )
        segment = _segment(parts, shape, past_the_end)
        if segment is None:
            rule = "the last row of a segment must not lie before its first"
            if past_the_end:
                rule = "the last row, the first one after a segment, must be greater than its first"
            raise RequestError(
                f"{path}, line {number}: {rule}, and all within {shape[0]} rows and {shape[1]} "
                f"features: {line[:60]!r}"
            )
        found.append(segment)
    return found


def _segment(parts: re.Match[str], shape: tuple[int, ...], past_the_end: bool) -> Segment | None:
    """Return the segment of a line, or None where it does not fit a table of this shape."""
    try:
        first, stop = int(parts[1]), int(parts[2]) + (not past_the_end)
        columns = np.array(parts[3].split(","), dtype=np.int64) - 1
    except (ValueError, OverflowError):  # numbers with more digits than Python or NumPy read
        return None
    fits = first < stop <= shape[0] and columns.min() >= 0 and columns.max() < shape[1]
    return Segment(first, stop, columns) if fits else None


def truth_of(segments: Sequence[Segment], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which columns are abnormal in each row (N, M)."""
    truth = np.zeros(shape, dtype=bool)
    for first, stop, columns in segments:
        truth[first:stop, columns] = True
    return truth


def units_of(segments: Sequence[Segment], rows: int) -> NDArray[np.int64]:
    """Return each row's unit (N,): the first row of its segments, those that share rows joined;
    itself outside of them.

    >>> units_of([Segment(1, 3, np.array([0])), Segment(2, 4, np.array([1]))], 6)
    array([0, 1, 1, 1, 4, 5])
    """
    unit = np.arange(rows)
    start = end = 0
    for first, stop, _ in sorted(segments, key=lambda segment: segment[:2]):
        if first >= end:
            start = first
        end = max(end, stop)
        unit[start:end] = start
    return unit


def _contradictions(labels: NDArray[np.bool_], marked: NDArray[np.bool_]) -> list[str]:
    """Return in words where rows are labelled (N,) and lie in segments (N,), but not both."""
    doubts = [] if labels.any() else ["test_label labels no row"]
    for rows, what in (
        (labels & ~marked, "are labelled 1, and interpretation_label has no feature for them"),
        (marked & ~labels, "have features in interpretation_label, and are labelled 0"),
    ):
        if rows.any():
            doubts.append(f"{rows.sum()} rows {what} (first: line {rows.argmax() + 1})")
    return doubts


def _beyond(train: NDArray[np.float32], test: NDArray[np.float32]) -> list[str]:
    """Return in words that values are not scaled, if they are not."""
    low, high = min(train.min(), test.min()), max(train.max(), test.max())
    if low >= -ROUNDED and high <= 1 + ROUNDED:
        return []
    scale = "scale each feature to [0, 1], as its publishers do"
    return [f"values lie between {low:g} and {high:g}: {scale}"]
