"""From rows in time order to windows of them: samples (T, D) that are views of the rows."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from aexbench import Dataset, Features, RequestError
from aexbench.errors import unknown

By = Literal["channels", "steps", "cells", "patches"]  # what counts as one feature of a window
PATCH = 8  # steps


def windowed(
    data: Dataset,
    window: int,
    stride: int = 1,
    *,
    by: By = "channels",
    patch: int = PATCH,
    autoencoder: str = "gru",
) -> Dataset:
    """Return the windows of a data set whose splits are rows in time order.

    Samples are (T, D), T = `window`, and begin every `stride` rows. They are views: overlapping
    windows take no memory of their own. The first `window` rows of validation are left out, as
    those of training lie right before them. A window is anomalous if one of its rows is, and its
    kind is the one of the first that is. Windows that meet one segment are one unit; normal ones
    are one where they begin in the same `window` rows. A window's number is that of its first row.

    Parameters
    ----------
    by
        What counts as one feature: a channel at all steps, a step of all channels, each value by
        itself, or a patch, some steps of a channel.
    patch
        Steps of a patch; the last one of a channel has what is left.
    autoencoder
        The default one of the windows.

    Raises
    ------
    RequestError
        If a split is shorter than a window.
    """
    if by not in get_args(By):
        raise unknown("what is a feature of a window", by, get_args(By))
    test = views_of(data.test, window, stride, "test")
    starts, truth = np.arange(len(test)) * stride, data.test_truth
    return Dataset(
        views_of(data.train, window, stride, "train"),
        views_of(data.validation[window:], window, stride, "validation"),
        test,
        features_of(data.features, (window, data.test.shape[1]), by, patch),
        _any(data.test_labels, window, starts),
        None if truth is None else views_of(truth, window, stride, "test_truth"),
        autoencoder,
        _units(data, window, starts),
        _kinds(data, window, starts),
        data.test_truth_kind,
        rows={"test": data.numbers("test")[starts]},
    )


def rows_or_windows(
    data: Dataset, window: int | None, stride: int, by: By, patch: int = PATCH
) -> Dataset:
    """Return the windows of a data set, or itself without `window`.

    Raises
    ------
    RequestError
        If something is said of windows, and there are none; or of patches.
    """
    if patch != PATCH and by != "patches":
        raise RequestError("patch is how many steps a patch has: give by=patches too")
    if window is not None:
        return windowed(data, window, stride, by=by, patch=patch)
    if stride != 1 or by != "channels":
        raise RequestError("stride and by are of windows: give window=T too")
    return data


def views_of(rows: NDArray[Any], window: int, stride: int, name: str) -> NDArray[Any]:
    """Return windows (N, T, …) of rows (n, …), without a copy.

    >>> views_of(np.arange(5)[:, None], 3, 2, "test")[:, :, 0]
    array([[0, 1, 2],
           [2, 3, 4]])
    """
    if window < 1 or stride < 1:
        raise RequestError(f"window and stride must be at least 1; got {window} and {stride}")
    if len(rows) < window:
        raise RequestError(f"{name} has {len(rows)} rows: no window of {window} fits in it")
    made = np.lib.stride_tricks.sliding_window_view(rows, window, axis=0)[::stride]
    return np.moveaxis(made, -1, 1)


def features_of(features: Features, shape: tuple[int, int], by: By, patch: int = PATCH) -> Features:
    """Return the description of windows (T, D) of rows that are described (D,).

    >>> of_rows = Features(names=("cpu", "disk"))
    >>> features_of(of_rows, (12, 2), "patches").group_names((12, 2))
    ('cpu/0-7', 'cpu/8-11', 'disk/0-7', 'disk/8-11')
    """
    steps, channels = shape
    names = features.names or tuple(f"channel-{number}" for number in range(1, channels + 1))
    step, channel = (part.ravel().tolist() for part in np.indices(shape))
    patches = -(-steps // patch)
    of_patch = [c * patches + t // patch for t, c in zip(step, channel, strict=True)]
    groups = {"channels": channel, "steps": step, "cells": None, "patches": of_patch}[by]
    place = [_place(t, steps, patch) if by == "patches" else str(t) for t in range(steps)]
    low, high = (
        bound * steps if isinstance(bound, tuple) else bound
        for bound in (features.low, features.high)
    )
    return Features(
        names=tuple(_name(names[c], place[t], by) for t, c in zip(step, channel, strict=True)),
        low=low,
        high=high,
        groups=None if groups is None else tuple(groups),
    )


def _place(step: int, steps: int, patch: int) -> str:
    """Return where a step is: the steps of its patch, and itself where these are several."""
    first = step - step % patch
    last = min(first + patch, steps) - 1
    return f"{first}-{last}/{step}" if last > first else str(step)


def _name(channel: str, step: str, by: By) -> str:
    """Return the name of a value; what its feature is called comes first."""
    return f"step-{step}/{channel}" if by == "steps" else f"{channel}/{step}"


def _any(
    rows: NDArray[np.bool_] | None, window: int, starts: NDArray[np.int64]
) -> NDArray[np.bool_] | None:
    """Return whether any row of each window is marked (N,)."""
    if rows is None:
        return None
    before = np.concatenate([[0], np.cumsum(rows)])
    return np.asarray(before[starts + window] > before[starts])


def _kinds(data: Dataset, window: int, starts: NDArray[np.int64]) -> NDArray[np.str_] | None:
    """Return the kind of each window's first anomalous row (N,), or of its first row."""
    if data.test_kinds is None or data.test_labels is None:
        return None
    marked = np.append(np.flatnonzero(data.test_labels), len(data.test_labels))
    following = marked[np.searchsorted(marked, starts)]
    return np.asarray(data.test_kinds[np.where(following < starts + window, following, starts)])


def _units(data: Dataset, window: int, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each window's unit (N,): the first row of the segment that it meets, or of the first
    of several that windows join; the normal ones have numbers behind those of all rows.
    """
    rows = len(data.test)
    unit = rows + starts // window
    if data.test_labels is None:
        return unit
    own = np.arange(rows) if data.test_units is None else np.asarray(data.test_units)
    marked = np.flatnonzero(data.test_labels)
    first = np.searchsorted(marked, starts)  # of the marked rows from each start on
    stop = np.searchsorted(marked, starts + window)
    meets = np.flatnonzero(stop > first)
    opens, ends = own[marked[first[meets]]], own[marked[stop[meets] - 1]]
    reach = np.concatenate([[-1], np.maximum.accumulate(ends)])[: len(ends)]  # of those before
    begins = opens > reach
    unit[meets] = opens[begins][np.cumsum(begins) - 1]
    return unit
