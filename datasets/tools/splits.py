"""From a table of numbers to a Dataset: a seeded split of the normal rows, scaled by its training
part alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aexbench.contracts import Dataset
from aexbench.errors import RequestError
from aexbench.features import Features

TRAIN, VALIDATION = 0.6, 0.2  # of the normal rows; the rest, and all anomalies, are the test split
LEAST_NORMAL = 10


def split(
    data: ArrayLike,
    names: Sequence[object],
    anomalous: NDArray[np.bool_] | None = None,
    truth: NDArray[np.bool_] | None = None,
    *,
    seed: int = 0,
    autoencoder: str = "mlp",
    one_scale: bool = False,
) -> Dataset:
    """Return a Dataset of a table's rows, scaled to [0, 1] by the least and greatest value in the
    training split.

    Test values may lie outside of [0, 1]: they are not clipped. A column that is constant in
    training becomes 0 there.

    Parameters
    ----------
    data : (N, M) numbers
        Finite.
    names
        One name per column.
    anomalous : (N,) bool, optional
        Anomalous rows go to the test split. Without it, rows with a true column are anomalous, or
        none.
    truth : (N, M) bool, optional
        The columns that make a row anomalous.
    seed
        Of the split.
    autoencoder
        The data set's default autoencoder.
    one_scale
        All columns measure one thing (grey values): they share the least and the greatest value of
        them all.

    Raises
    ------
    RequestError
        If fewer than ten rows are normal.
    """
    table = np.asarray(data, dtype=np.float64)
    if anomalous is None and truth is not None:
        anomalous = np.asarray(np.asarray(truth, dtype=bool).any(axis=1))
    labels = (
        np.zeros(len(table), dtype=bool) if anomalous is None else np.asarray(anomalous, dtype=bool)
    )
    train, validation, test = row_numbers(labels, seed)
    axis = None if one_scale else 0
    low = table[train].min(axis=axis)
    spread = table[train].max(axis=axis) - low
    scaled = ((table - low) / np.where(spread > 0, spread, 1.0)).astype(np.float32)
    return Dataset(
        scaled[train],
        scaled[validation],
        scaled[test],
        Features(names=tuple(str(name) for name in names)),
        None if anomalous is None else labels[test],
        None if truth is None else np.asarray(truth, dtype=bool)[test],
        autoencoder,
    )


def row_numbers(
    anomalous: NDArray[np.bool_], seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of the training, the validation and the test split: 60, 20 and 20 % of the
    normal ones at random.

    All anomalous rows (N,) go to the test split, after its normal ones.

    Raises
    ------
    RequestError
        If fewer than ten rows are normal.
    """
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(~anomalous))
    if len(normal) < LEAST_NORMAL:
        raise RequestError(
            f"{len(normal)} normal rows are too few to split: at least {LEAST_NORMAL} are needed"
        )
    first, second = int(TRAIN * len(normal)), int((TRAIN + VALIDATION) * len(normal))
    return (
        normal[:first],
        normal[first:second],
        np.concatenate([normal[second:], np.flatnonzero(anomalous)]),
    )
