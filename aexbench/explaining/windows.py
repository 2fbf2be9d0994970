"""When: at which steps of a window the relevance lies, of each feature and of the whole window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aexbench import series
from aexbench.contracts import Dataset
from aexbench.declarations import kind_of
from aexbench.explaining.describing import Normal, Seen
from aexbench.explaining.parts import Steps, Window
from aexbench.explaining.views import Floats, View


def spans(view: View, attributions: Floats) -> list[list[Steps | None]] | None:
    """Return for each window of attributions (N, T, D) where each feature's relevance lies; None
    for samples that are no windows, and for features of one step.
    """
    if kind_of(view.shape) != "series":
        return None
    found = attributions.reshape(len(attributions), -1)
    owner = np.indices(view.shape)[0].ravel()  # the step of each column
    return [[_span(row, members, owner) for members in view.members] for row in found]


def _span(row: Floats, members: NDArray[np.int64], owner: NDArray[np.int64]) -> Steps | None:
    steps = owner[members]
    if steps.min() == steps.max():
        return None
    by_step = np.zeros(owner[-1] + 1)
    np.add.at(by_step, steps, row[members])
    return series.half(by_step)


def windows(
    view: View,
    seen: Seen,
    attributions: NDArray[Any],
    normal: Normal | None,
    first_rows: Sequence[int | None],
) -> list[Window | None]:
    """Return windows in the user's units with their maps; None for samples that are none."""
    if kind_of(view.shape) != "series":
        return [None] * len(seen.x)
    steps, count = view.shape
    names = series.channels(view.features, (steps, count))
    x, x_hat = (view.values(one).reshape(one.shape) for one in (seen.x, seen.x_hat))
    usual = None if normal is None else normal.quantiles[[0, -1]].reshape(2, steps, count)
    parts = zip(x, x_hat, attributions, first_rows, strict=True)
    return [Window(names, own, hat, found, first, usual) for own, hat, found, first in parts]


def first_rows(data: Dataset | None, view: View, numbers: Sequence[int | None]) -> list[int | None]:
    """Return the number of each window's first row in the source, where the data set numbers its
    rows: a window's number is that one.
    """
    known = data is not None and bool(data.rows) and kind_of(view.shape) == "series"
    return [number if known else None for number in numbers]


def label(place: int, number: int | None, first: int | None, shape: tuple[int, ...]) -> str:
    """Return what a sample is called.

    >>> label(0, 7, 7, (32, 38)), label(0, 7, None, (32, 38)), label(0, 7, None, (13,))
    ('Window of rows 7–38', 'Window 7', 'Row 7')
    """
    if number is None:
        return f"Sample {place}"
    if first is not None:
        return f"Window of rows {first}–{first + shape[0] - 1}"
    kind = "Window" if kind_of(shape) == "series" else "Row"
    return f"{kind} {number}"
