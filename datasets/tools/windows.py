"""From rows in time order to windows of them: samples (T, D) that are views of the rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from aexbench import Dataset, Features, RequestError
from aexbench.contracts import Split
from aexbench.declarations import Later
from aexbench.errors import unknown
from aexbench.rows import Picked

By = Literal["channels", "steps", "cells", "patches"]  # what counts as one feature of a window
PATCH = 8  # steps
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
NONE = -1  # the run of rows that are in no window


def windowed(
    data: Dataset,
    window: int,
    stride: int = 1,
    *,
    by: By = "channels",
    patch: int = PATCH,
    autoencoder: str = "gru",
    runs: Mapping[Split, NDArray[np.int64]] = MappingProxyType({}),
    gap: bool = True,
) -> Dataset:
    """Return the windows of a data set whose splits are rows in time order.

    Samples are (T, D), T = `window`, and begin every `stride` rows. They are views: overlapping
    windows take no memory of their own. Rows of validation less than `window` rows behind training
    are left out. A window is anomalous if one of its rows is, and its kind is the one of the first
    that is. Windows that meet one segment are one unit; normal ones are one where they begin in the
    same `window` rows. A window's number is that of its first row.

    Parameters
    ----------
    by
        What counts as one feature: a channel at all steps, a step of all channels, each value by
        itself, or a patch, some steps of a channel.
    patch
        Steps of a patch; the last one of a channel has what is left.
    autoencoder
        The default one of the windows.
    runs
        By split, the number of the run that each of its rows (N,) is of, see `runs_of`: no window
        crosses from one to the next. A split is one run where it is left out.
    gap
        Whether rows of validation right behind training are left out: not where they are of
        another unit.

    Raises
    ------
    RequestError
        If no run of a split is as long as a window.
    """
    if by not in get_args(By):
        raise unknown("what is a feature of a window", by, get_args(By))
    every = {split: runs.get(split, _one_run(getattr(data, split))) for split in SPLITS}
    if gap:
        every["validation"] = np.where(_behind_training(data, window), NONE, every["validation"])
    begin = {split: starts_of(every[split], window, stride, split) for split in SPLITS}
    starts, truth = begin["test"], data.test_truth
    return Dataset(
        views_of(data.train, window, begin["train"]),
        views_of(data.validation, window, begin["validation"]),
        views_of(data.test, window, starts),
        features_of(data.features, (window, data.test.shape[1]), by, patch),
        _any(data.test_labels, window, starts),
        None if truth is None else views_of(truth, window, starts),
        autoencoder,
        _units(data, window, starts),
        _kinds(data, window, starts),
        data.test_truth_kind,
        data.scale.repeated(window),
        {split: known[begin[split]] for split in SPLITS if len(known := data.numbers(split))},
    )


@dataclass(frozen=True)
class Windows:
    """How rows in time order become windows: four parameters of each data set that has such rows.

    Parameters
    ----------
    window, stride
        Rows of a window, and from the beginning of one to that of the next: samples are windows
        (T, D) then, views of the rows (`aexbench.datasets.tools.windows`).
    by
        What counts as one feature of a window: `channels`, `steps`, each value by itself (`cells`),
        or some steps of a channel (`patches`).
    patch
        Steps of a patch.
    """

    window: Annotated[int | None, Ge(1), Later(None)] = None
    stride: Annotated[int, Ge(1), Later(1)] = 1
    by: Annotated[By, Later("channels")] = "channels"
    patch: Annotated[int, Ge(1), Later(PATCH)] = PATCH

    def check(self) -> None:
        """Raise RequestError where something is said of windows, and there are none; or of
        patches.
        """
        if self.patch != PATCH and self.by != "patches":
            raise RequestError("patch is how many steps a patch has: give by=patches too")
        if self.window is None and self != Windows():
            raise RequestError("stride and by are of windows: give window=T too")

    def of(self, data: Dataset, **how: Any) -> Dataset:
        """Return the windows of a data set, or itself without `window`; see `windowed`."""
        self.check()
        if self.window is None:
            return data
        return windowed(data, self.window, self.stride, by=self.by, patch=self.patch, **how)


def runs_of(numbers: NDArray[np.int64], units: NDArray[Any] | None = None) -> NDArray[np.int64]:
    """Return the number of the run that each row (N,) is of: rows that follow one another where
    they come from, of one unit.

    >>> runs_of(np.array([3, 4, 7, 8]), np.array(["a", "a", "a", "b"]))
    array([0, 0, 1, 2])
    """
    new = np.diff(numbers, prepend=numbers[:1] - 1) != 1
    if units is not None:
        new[1:] |= units[1:] != units[:-1]
    return np.asarray(np.cumsum(new))


def starts_of(runs: NDArray[np.int64], window: int, stride: int, name: str) -> NDArray[np.int64]:
    """Return where windows begin: every `stride` rows from the first of each run.

    Parameters
    ----------
    runs : (N,)
        The number of each row's run; -1 of rows that are to be in no window.
    name
        Of the split.

    Examples
    --------
    >>> starts_of(np.array([0, 0, 0, 1, 1, 1, 1, -1, -1]), 2, 2, "test")
    array([0, 3, 5])
    """
    if window < 1 or stride < 1:
        raise RequestError(f"window and stride must be at least 1; got {window} and {stride}")
    rows = np.arange(len(runs))
    opens = np.flatnonzero(np.diff(runs, prepend=runs[:1] - 1))
    since = rows - np.repeat(opens, np.diff(opens, append=len(runs)))
    longest = int(since[runs != NONE].max(initial=-1)) + 1
    if longest < window:
        raise RequestError(
            f"no window of {window} fits in {name}: at most {longest} of its rows lie together"
        )
    starts = rows[: len(rows) - window + 1]
    within = (runs[starts] != NONE) & (runs[starts] == runs[starts + window - 1])
    return np.asarray(starts[within & (since[starts] % stride == 0)])


def views_of(rows: NDArray[Any], window: int, starts: NDArray[np.int64]) -> NDArray[Any]:
    """Return the windows (N, T, …) of rows (n, …) that begin at some of them, without a copy.

    >>> views_of(np.arange(5)[:, None], 3, np.array([0, 2]))[:, :, 0]
    array([[0, 1, 2],
           [2, 3, 4]])
    """
    every = np.moveaxis(np.lib.stride_tricks.sliding_window_view(rows, window, axis=0), -1, 1)
    apart = np.unique(np.diff(starts))
    if len(apart) > 1:
        return Picked(every, starts)  # type: ignore[return-value]  # read like an array
    return every[starts[0] : starts[-1] + 1 : int(apart[0]) if len(apart) else 1]


def _one_run(rows: NDArray[Any]) -> NDArray[np.int64]:
    return np.zeros(len(rows), dtype=np.int64)


def _behind_training(data: Dataset, window: int) -> NDArray[np.bool_]:
    """Return which rows of validation (N,) lie less than `window` rows behind training."""
    train, own = data.numbers("train"), data.numbers("validation")
    if not len(train):
        train, own = np.array([-1]), np.arange(len(data.validation))
    behind = own - train[-1] - 1
    return np.asarray((behind >= 0) & (behind < window))


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
