"""Server Machine Dataset: real anomalies of servers, with the features that each is due to."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aexbench import Dataset, Features, RequestError
from aexbench.datasets import register
from aexbench.errors import plain
from aexbench.fetching.downloads import Download
from aexbench.fetching.local_data import folder

TRAIN = 0.8  # of a machine's training file; the end of it is for validation
ROUNDED = 1e-3  # beyond [0, 1]: figures of a text
PARTS = ("train", "test", "test_label", "interpretation_label")
LINE = re.compile(r"(\d+)-(\d+):(\d+(?:,\d+)*)")
BLANKS = re.compile(r"[ \t]*([-:,])[ \t]*")  # around what divides a line


# The data set's own repository at a fixed commit. Size and checksum are those that a public project
# records which has fetched it; GitHub makes the archive of a commit and does not promise the same
# bytes for ever.
COMMIT = "7fb0e0acf89ea49908896bcc9f9e80fcfff6baf4"
DOWNLOAD = Download(
    url=f"https://github.com/NetManAIOps/OmniAnomaly/archive/{COMMIT}.zip",
    sha256="5bcce77823a9ed2ea872c733895ccb6a7edb40476306ab8626b49481803b831e",
    size=105_339_616,
    unpacked=500_000_000,
    inside=f"OmniAnomaly-{COMMIT}/ServerMachineDataset",
    folders=["ServerMachineDataset"],
    contains="interpretation_label",
    page="https://github.com/NetManAIOps/OmniAnomaly",
)


def _files(*, machine: str, root: Path | None) -> dict[str, Path]:
    """Return the files of a machine."""
    place = folder(root, "ServerMachineDataset", "interpretation_label", "smd")
    return {part: place / part / f"machine-{machine}.txt" for part in PARTS}


@register("smd", version=2, images=False, licence="MIT", download=DOWNLOAD, reads=_files)
def smd(*, machine: str = "1-1", root: Path | None = None) -> Dataset:
    """Server Machine Dataset, one machine: 38 measurements a minute, scaled to [0, 1] by its
    publishers.

    The labelled anomalies are segments of rows with the features that they are due to. Rows of a
    segment are not independent: the segment is their unit, and segments that share rows are one.
    Labels and causes that contradict one another, and values beyond [0, 1], are warned of.

    Parameters
    ----------
    machine
        Such as `1-7`: the number of its group and its own.
    root
        The folder `ServerMachineDataset` as it is published, or the one that it lies in;
        `AEXBENCH_DATA` names that too.

    Raises
    ------
    RequestError
        If files are missing, or are not what they should be: it says which, and where.

    References
    ----------
    Su et al. 2019, "Robust Anomaly Detection for Multivariate Time Series through Stochastic
    Recurrent Neural Network" (OmniAnomaly), whose repository holds the data (MIT licence). Its
    files `interpretation_label` count rows from 0 and features from 1, and the last row of a
    segment is the first one after it.
    """
    place, name = (
        folder(root, "ServerMachineDataset", "interpretation_label", "smd"),
        f"machine-{machine}.txt",
    )
    train, test, label = (
        _numbers(place / part / name, place) for part in ("train", "test", "test_label")
    )
    if label.shape != (len(test), 1) or train.shape[1] != test.shape[1]:
        raise RequestError(
            f"{place}: the files of {name} do not fit: {train.shape}, {test.shape}, {label.shape}"
        )
    labels = _labels(label[:, 0], place / "test_label" / name)
    truth, unit = _causes(place / "interpretation_label" / name, test.shape)
    doubts = _contradictions(labels, np.asarray(truth.any(axis=1))) + _beyond(train, test)
    if doubts:
        warnings.warn(plain(f"{place}, {name}: {'; '.join(doubts)}"), stacklevel=2)
    first = int(TRAIN * len(train))
    names = tuple(f"feature-{number}" for number in range(1, test.shape[1] + 1))
    return Dataset(
        train[:first],
        train[first:],
        test,
        Features(names=names),
        labels,
        truth,
        autoencoder="mlp[widths=[24, 8]]",
        test_units=unit,
    )


def _numbers(path: Path, place: Path) -> NDArray[np.float32]:
    """Return a file's table (N, M)."""
    if not path.is_file():
        machines = sorted(
            p.stem.removeprefix("machine-") for p in (place / "test").glob("machine-*.txt")
        )
        raise RequestError(
            f"there is no {path}; the machines here are: {', '.join(machines) or 'none'}"
        )
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*input contained no data")  # it is said below
            table: NDArray[Any] = np.loadtxt(
                path, delimiter=",", dtype=np.float32, ndmin=2, encoding="utf-8-sig"
            )
    except ValueError as error:
        raise RequestError(f"{path}: {str(error).splitlines()[0]}") from None
    if table.size == 0:
        raise RequestError(f"{path}: it is empty")
    wrong = np.argwhere(~np.isfinite(table))
    if len(wrong):
        row, column = wrong[0]
        raise RequestError(
            f"{path}: not every value is a finite number: {table[row, column]} in row {row + 1}, "
            f"column {column + 1} ({len(wrong)} such values)"
        )
    return table


def _labels(values: NDArray[np.float32], path: Path) -> NDArray[np.bool_]:
    """Return which rows (N,) are anomalous."""
    wrong = np.flatnonzero((values != 0) & (values != 1))
    if len(wrong):
        raise RequestError(
            f"{path}: labels must be 0 or 1: row {wrong[0] + 1} holds {values[wrong[0]]:g} "
            f"({len(wrong)} such rows)"
        )
    return np.asarray(values == 1)


def _contradictions(labels: NDArray[np.bool_], caused: NDArray[np.bool_]) -> list[str]:
    """Return in words where rows are labelled (N,) and have causes (N,), but not both."""
    doubts = [] if labels.any() else ["test_label labels no row"]
    for rows, what in (
        (labels & ~caused, "are labelled 1, and interpretation_label has no cause for them"),
        (caused & ~labels, "have a cause in interpretation_label, and are labelled 0"),
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


def _causes(path: Path, shape: tuple[int, ...]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return which features are the cause in each row (N, M), and each row's unit (N,): its
    segment, or itself. Segments that share rows, such as one inside another, are one unit.
    """
    if not path.is_file():
        raise RequestError(f"there is no {path}")
    truth = np.zeros(shape, dtype=bool)
    segments = []
    text = BLANKS.sub(r"\1", path.read_text(encoding="utf-8-sig", errors="replace"))
    for number, line in enumerate(text.split(), start=1):
        found = LINE.fullmatch(line)
        if found is None:
            raise RequestError(
                f"{path}, line {number}: not first-last:feature,feature,…: {line[:60]!r}"
            )
        try:
            first, last = int(found[1]), int(found[2])
            features = np.array(found[3].split(","), dtype=np.int64) - 1
            fits = first < last <= shape[0] and features.min() >= 0 and features.max() < shape[1]
        except (ValueError, OverflowError):  # numbers with more digits than Python or NumPy read
            fits = False
        if not fits:
            held = f"{shape[0]} rows and {shape[1]} features: {line[:60]!r}"
            raise RequestError(
                f"{path}, line {number}: the last row, the first one after a segment, must be "
                f"greater than its first, and all within {held}"
            )
        truth[first:last, features] = True
        segments.append((first, last))
    return truth, _units(segments, shape[0])


def _units(segments: Sequence[tuple[int, int]], rows: int) -> NDArray[np.int64]:
    """Return each row's unit: the first row of its segments, those that share rows joined."""
    unit = np.arange(rows)
    start = end = 0
    for first, last in sorted(segments):
        if first >= end:
            start = first
        end = max(end, last)
        unit[start:end] = start
    return unit
