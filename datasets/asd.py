"""Application Server Dataset: real anomalies of servers of a web shop, with the features that are
abnormal in each.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aexbench import Dataset, RequestError
from aexbench.datasets import register
from aexbench.datasets.tools.pickled import read_array
from aexbench.datasets.tools.segments import (
    Segment,
    Series,
    dataset_of,
    finite,
    labels_of,
    read_segments,
)
from aexbench.datasets.tools.splits import listed
from aexbench.datasets.tools.windows import Windows
from aexbench.fetching.downloads import Download
from aexbench.fetching.local_data import folder

NAMES = ("InterFusion/data", "asd/data", "data")
SEGMENTS = "interpretation_label"
TYPES = f"{SEGMENTS}/anomaly_type.txt"
PAGE = "https://github.com/zhhlee/InterFusion"
DOWNLOAD = Download(size=0, folders=NAMES, contains="processed", page=PAGE, by_hand=True)


def _place(root: Path | None) -> Path:
    return folder(root, NAMES, "processed", page=PAGE)


def _files(*, entity: str, root: Path | None, **_: Any) -> dict[str, Path]:
    """Return the files of an entity; that of the kinds of anomalies where it is there."""
    place = _place(root)
    parts = {part: _pickle(place, entity, part) for part in ("train", "test", "test_label")}
    types = place / TYPES
    named = {"anomaly_type": types} if types.is_file() else {}
    return {**parts, SEGMENTS: place / SEGMENTS / f"{entity}.txt", **named}


def _pickle(place: Path, entity: str, part: str) -> Path:
    path = place / "processed" / f"{entity}_{part}.pkl"
    if not path.is_file():
        here = sorted(p.name.removesuffix("_test.pkl") for p in path.parent.glob("omi-*_test.pkl"))
        raise RequestError(f"there is no {path}; the entities here are: {listed(here) or 'none'}")
    return path


@register(
    "asd",
    version=1,
    images=False,
    series="window",
    licence="MIT",
    download=DOWNLOAD,
    reads=_files,
)
def asd(
    *,
    entity: str = "omi-1",
    root: Path | None = None,
    windows: Windows = Windows(),  # noqa: B008
) -> Dataset:
    """Application Server Dataset, one entity: 19 measurements every five minutes of a server,
    scaled to [0, 1] by its publishers.

    The labelled anomalies are segments of rows with the features that people have found abnormal in
    them: symptoms. A segment is a unit. Its kind is the one that the publishers name, where their
    list of these is there. The first 80 % of the training rows are for training.

    Values are taken as published: one scale for the training and the test file, cut off at 0 and 1.
    A column that is constant in training (0.5 in most entities) stays as it is. No value is
    missing. Labels and segments that contradict one another are warned of, and values beyond
    [0, 1].

    The publishers' files are pickles. They are read by a reader that knows arrays of numbers and
    nothing else, and runs nothing that they name (`aexbench.datasets.tools.pickled`).

    Parameters
    ----------
    entity
        `omi-1` to `omi-12`.
    windows
        Of the rows, which are in the order of time.
    root
        The folder `data` of its publishers' repository (`processed` and `interpretation_label`),
        or the repository; `AEXBENCH_DATA` names that, or the folder that `InterFusion` lies in.

    Raises
    ------
    RequestError
        If files are missing, or are not what they should be: it says which, and where.

    References
    ----------
    Li et al. 2021, "Multivariate Time Series Anomaly Detection and Interpretation using
    Hierarchical Inter-Metric and Temporal Embedding" (InterFusion), KDD, whose repository holds the
    data (MIT licence). Its files `interpretation_label` count rows from 0 and features from 1, and
    the last row of a segment belongs to it: other than in `smd`.
    """
    place = _place(root)
    train, test = (
        _table(_pickle(place, entity, "train")),
        _table(_pickle(place, entity, "test")),
    )
    path = _pickle(place, entity, "test_label")
    label = read_array(path)
    if label.shape != (len(test),) or train.shape[1] != test.shape[1]:
        raise RequestError(
            f"{place}: the files of {entity} do not fit: {train.shape}, {test.shape}, {label.shape}"
        )
    segments = read_segments(place / SEGMENTS / f"{entity}.txt", test.shape, past_the_end=False)
    series = Series(train, test, labels_of(label, path), segments)
    kinds = _kinds(place / TYPES, entity, segments, len(test))
    where, autoencoder = f"{place}, {entity}", "mlp[widths=[12, 6]]"
    data = dataset_of(series, where, autoencoder=autoencoder, kinds=kinds)
    return windows.of(data)


def _table(path: Path) -> NDArray[np.float32]:
    """Return a file's table (N, M)."""
    table = read_array(path)
    if table.ndim != 2:
        raise RequestError(f"{path}: rows of features are needed; it holds {table.shape}")
    return finite(table, path)


def _kinds(path: Path, entity: str, segments: list[Segment], rows: int) -> NDArray[np.str_] | None:
    """Return each row's kind of anomaly (N,), or None where no file names kinds."""
    if not path.is_file():
        return None
    lines = path.read_text(encoding="utf-8-sig", errors="replace").split()
    entries = [line.split(",") for line in lines[1:]]
    if any(len(entry) != 3 for entry in entries):
        raise RequestError(f"{path}: each line must be dataset,anomaly_segment,anomaly_type")
    named = {(owner, segment): kind for owner, segment, kind in entries}
    kinds: NDArray[Any] = np.full(rows, "normal", dtype=object)
    for first, stop, _ in segments:
        kinds[first:stop] = named.get((entity, f"{first}-{stop - 1}"), "unknown")
    return kinds.astype(np.str_)
