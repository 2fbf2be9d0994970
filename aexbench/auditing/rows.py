"""Rows that somebody has, as a data set: normal ones in the order of time, labelled ones for the
test.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aexbench import given
from aexbench.contracts import Dataset
from aexbench.detector import Detector
from aexbench.errors import RequestError

SHARES = (0.6, 0.8)
"""Where training ends, and where validation does, among the normal rows in their order."""


def as_dataset(
    detector: Detector, rows: object, labels: object = None, background: object = None
) -> Dataset:
    """Return rows (N, M) as a data set.

    Parameters
    ----------
    labels : (N,) or (N, M) bool, optional
        Which rows are anomalous, or which of their features make each so. These rows are for the
        test.
    background : (B, M), optional
        Rows that the detector was trained on; the first 60 % of the normal ones, if left out.

    Raises
    ------
    RequestError
        If something is no rows, or does not belong to the rest.
    """
    x = given.samples(rows, "rows")
    found = given.dataset(detector, x, x if background is None else background)
    every = np.asarray(found.test)
    truth = np.zeros(every.shape, dtype=bool) if labels is None else _truth(labels, every)
    odd = np.asarray(truth.reshape(len(truth), -1).any(axis=1))
    parts = np.split(np.flatnonzero(~odd), _cuts(int((~odd).sum()), background is not None))
    train, validation, normal = parts
    tested = np.sort(np.concatenate([normal, np.flatnonzero(odd)]))
    whole = labels is not None and np.asarray(labels).ndim > 1
    return Dataset(
        every[train] if background is None else found.train,
        every[validation],
        every[tested],
        detector.features,
        None if labels is None else odd[tested],
        truth[tested] if whole else None,
    )


def _truth(labels: object, rows: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which features of each row are labelled; all of them, where labels are of rows."""
    values = np.asarray(labels)
    if values.shape not in (rows.shape, rows.shape[:1]):
        raise RequestError(
            f"labels are of rows {rows.shape[:1]} or of their features {rows.shape}, not "
            f"{values.shape}"
        )
    columns = values if values.ndim > 1 else values.reshape(-1, *(1,) * (rows.ndim - 1))
    return np.broadcast_to(np.asarray(given.truths(columns)), rows.shape)


def _cuts(count: int, trained: bool) -> list[int]:
    """Return where normal rows are cut: without those for training, where a background is given,
    in two halves.
    """
    return [0, count // 2] if trained else [int(share * count) for share in SHARES]
