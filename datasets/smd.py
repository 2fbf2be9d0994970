"""Server Machine Dataset: real anomalies of servers, with the features that each is due to."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aexbench import Dataset, RequestError
from aexbench.datasets import register
from aexbench.datasets.tools.segments import (
    Series,
    dataset_of,
    finite,
    labels_of,
    read_segments,
)
from aexbench.datasets.tools.windows import Windows
from aexbench.fetching.downloads import Download
from aexbench.fetching.local_data import folder

PARTS = ("train", "test", "test_label", "interpretation_label")
NAMES = ("ServerMachineDataset", "smd/ServerMachineDataset")


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
    folders=NAMES,
    contains="interpretation_label",
    page="https://github.com/NetManAIOps/OmniAnomaly",
)


def _files(*, machine: str, root: Path | None, **_: Any) -> dict[str, Path]:
    """Return the files of a machine."""
    place = folder(root, NAMES, "interpretation_label", "smd")
    return {part: place / part / f"machine-{machine}.txt" for part in PARTS}


@register(
    "smd",
    version=2,
    images=False,
    series="window",
    licence="MIT",
    download=DOWNLOAD,
    reads=_files,
)
def smd(
    *,
    machine: str = "1-1",
    root: Path | None = None,
    windows: Windows = Windows(),  # noqa: B008
) -> Dataset:
    """Server Machine Dataset, one machine: 38 measurements a minute, scaled to [0, 1] by its
    publishers.

    The labelled anomalies are segments of rows with the features that people have found abnormal in
    them: symptoms. Rows of a segment are not independent: the segment is their unit, and segments
    that share rows are one. The first 80 % of the training rows are for training. Labels and
    segments that contradict one another, and values beyond [0, 1], are warned of.

    Parameters
    ----------
    machine
        Such as `1-7`: the number of its group and its own.
    windows
        Of the rows, which are in the order of time.
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
        folder(root, NAMES, "interpretation_label", "smd"),
        f"machine-{machine}.txt",
    )
    train, test, label = (
        _numbers(place / part / name, place) for part in ("train", "test", "test_label")
    )
    if label.shape != (len(test), 1) or train.shape[1] != test.shape[1]:
        raise RequestError(
            f"{place}: the files of {name} do not fit: {train.shape}, {test.shape}, {label.shape}"
        )
    labels = labels_of(label[:, 0], place / "test_label" / name)
    segments = read_segments(place / "interpretation_label" / name, test.shape, past_the_end=True)
    series = Series(train, test, labels, segments)
    data = dataset_of(series, f"{place}, {name}", autoencoder="mlp[widths=[24, 8]]")
    return windows.of(data)


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
    return finite(table, path)
