"""Windows of a table's rows: of rows that follow one another in the file, of one unit and split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from aexbench import Dataset, RequestError
from aexbench.contracts import Split
from aexbench.datasets.file.table import Table
from aexbench.datasets.tools.splits import Parts
from aexbench.datasets.tools.windows import Windows, runs_of, starts_of

Runs = Mapping[Split, NDArray[np.int64]]


def check(windows: Windows, split: str, encoding: str, groups: Sequence[object]) -> None:
    """Raise RequestError where windows are asked of what has none."""
    windows.check()
    if windows.window is None:
        return
    if split == "random":
        raise RequestError("windows need rows in the order of time: give split=time")
    if encoding == "embedding":
        raise RequestError("encoding=embedding takes rows: leave window out")
    if groups:
        raise RequestError("windows take one column a channel: leave groups out")


def runs_by_split(table: Table, parts: Parts) -> Runs:
    """Return the number of each row's run, by split."""
    every: dict[Split, NDArray[np.int64]] = {
        "train": parts.train,
        "validation": parts.validation,
        "test": parts.test,
    }
    numbers, units = table.numbers, table.units
    return {
        split: runs_of(numbers[rows], None if units is None else units[rows])
        for split, rows in every.items()
    }


def in_no_window(
    windows: Windows, runs: NDArray[np.int64], anomalous: NDArray[np.bool_]
) -> list[str]:
    """Return a line about anomalous rows (N,) that too few others lie beside, if there are any."""
    if windows.window is None:
        return []
    starts = starts_of(runs, windows.window, windows.stride, "test")
    edges = np.zeros(len(runs) + 1, dtype=np.int64)
    edges[starts] += 1
    edges[starts + windows.window] -= 1
    lost = int((anomalous & (np.cumsum(edges)[:-1] == 0)).sum())
    rows = "row is" if lost == 1 else "rows are"
    return [f"{lost} anomalous {rows} in no window of {windows.window}"] if lost else []


def windowed(dataset: Dataset, windows: Windows, runs: Runs, *, gap: bool) -> Dataset:
    """Return the windows of a data set of rows, with a gap behind training or without. They are of
    its rows' units; where rows have none, those that meet one run of anomalous rows are of one.
    """
    units, labels = dataset.test_units, dataset.test_labels
    if units is None and labels is not None:
        dataset.test_units = _segments(labels, runs["test"])
    made = windows.of(dataset, autoencoder=dataset.autoencoder, runs=runs, gap=gap)
    if units is not None and windows.window is not None:
        made.test_units = units[starts_of(runs["test"], windows.window, windows.stride, "test")]
    return made


def _segments(labels: NDArray[np.bool_], runs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first row of the segment that each row (N,) is of: anomalous ones of one run that
    lie together. A normal row is its own.

    >>> _segments(np.array([False, True, True, True]), np.array([0, 0, 0, 1]))
    array([0, 1, 1, 3])
    """
    goes_on = np.zeros(len(labels), dtype=bool)
    goes_on[1:] = labels[1:] & labels[:-1] & (runs[1:] == runs[:-1])
    return np.asarray(np.maximum.accumulate(np.where(goes_on, 0, np.arange(len(labels)))))
