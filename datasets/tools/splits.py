"""From a table of numbers to a Dataset: a split of the normal rows, scaled by its training part."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aexbench.contracts import Dataset
from aexbench.datasets.tools.scales import LARGEST, fillers, stretch
from aexbench.datasets.tools.training_scale import Bounds, Scaling, bounds, coarse, fitted
from aexbench.errors import RequestError
from aexbench.features import Features
from aexbench.scaling import Scale
from aexbench.specs import write

TRAIN, VALIDATION = 0.6, 0.2  # of the normal rows; the rest, and all anomalies, are the test split
SHARES = (TRAIN, VALIDATION)
SHARES_BEFORE_TEST = (0.75, 0.25)  # where the test rows come from elsewhere
LEAST_NORMAL = 10
FAR = 10.0  # ranges of the training rows: normal values further off are said
WAYS_OUT = "clip, take logarithms, or drop it"
SHOWN = 10  # names in one line

Rows = NDArray[np.int64]
Shares = tuple[float, float]  # of the normal rows, for training and for validation


class TableWarning(UserWarning):
    """What was taken of a table and what was not: one line."""


class Parts(NamedTuple):
    """The row numbers of the three splits."""

    train: Rows
    validation: Rows
    test: Rows


class Scaled(NamedTuple):
    """A table as detectors take it, and what is to be said of its columns.

    Attributes
    ----------
    table, scale
        The rows, and how they became so.
    bounds
        Least and greatest values of the training rows; None where they are 0 and 1.
    constant
        Columns that are constant in training.
    stretched, far
        Those that few normal rows stretch, and others that reach far beyond the training rows.
    even
        Those whose quartiles coincide, if these were to give the scale.
    coarse
        Those that float32 rounds by much, as they are not scaled.
    gaps
        What may stand for gaps, by column.
    """

    table: NDArray[np.float32]
    scale: Scale
    bounds: Bounds | None
    constant: list[str]
    stretched: list[str]
    far: list[str]
    even: list[str]
    coarse: list[str]
    gaps: dict[str, str]


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
    training becomes 0 there, and its greatest distance from that among normal rows 1; a
    `TableWarning` names such columns.

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
        If fewer than ten rows are normal, or values overflow when they are scaled: it names their
        columns.
    """
    table = np.asarray(data, dtype=np.float64)
    if anomalous is None and truth is not None:
        anomalous = np.asarray(np.asarray(truth, dtype=bool).any(axis=1))
    labels = (
        np.zeros(len(table), dtype=bool) if anomalous is None else np.asarray(anomalous, dtype=bool)
    )
    train, validation, test = row_numbers(labels, seed)
    texts = tuple(str(name) for name in names)
    made = scaled(table, texts, train, ~labels, one_scale=one_scale)
    warn_of(notes([made]), stacklevel=3)
    return Dataset(
        made.table[train],
        made.table[validation],
        made.table[test],
        Features(names=texts),
        None if anomalous is None else labels[test],
        None if truth is None else np.asarray(truth, dtype=bool)[test],
        autoencoder,
        scale=made.scale,
        rows={"train": train, "validation": validation, "test": test},
    )


def row_numbers(anomalous: NDArray[np.bool_], seed: int, shares: Shares = SHARES) -> Parts:
    """Return the rows of the training, the validation and the test split: 60, 20 and 20 % of the
    normal ones at random, or other `shares`.

    All anomalous rows (N,) go to the test split, after its normal ones.

    Raises
    ------
    RequestError
        If fewer than ten rows are normal.
    """
    normal = np.random.default_rng(seed).permutation(_enough(anomalous))
    return _cut(normal, anomalous, shares)


def rows_in_time(anomalous: NDArray[np.bool_], shares: Shares = SHARES) -> Parts:
    """Return the rows of the three splits in their order: the first 60 % of the normal rows, the
    next 20 %, and the rest with all anomalous ones; or other `shares`.

    Raises
    ------
    RequestError
        If fewer than ten rows are normal.
    """
    train, validation, test = _cut(_enough(anomalous), anomalous, shares)
    return Parts(train, validation, np.sort(test))


def rows_of_units(
    anomalous: NDArray[np.bool_], units: NDArray[np.int64], seed: int, shares: Shares = SHARES
) -> Parts:
    """Return the rows of the three splits, of whole units (N,) in random order: no unit is in two.

    A unit with an anomalous row goes to the test split. Of the others the first ones with 60 % of
    the rows are for training, the next with 20 % for validation; or other `shares`.

    Raises
    ------
    RequestError
        If fewer than ten rows are normal, or too few units hold normal rows alone: one for each
        part is needed.
    """
    _enough(anomalous)
    mixed = np.isin(units, units[anomalous])
    whole, counts = np.unique(units[~mixed], return_counts=True)
    kept = int(sum(shares) < 1)  # units for the test
    if len(whole) < 2 + kept:
        raise RequestError(
            f"units without an anomalous row are too few to split: {len(whole)}, and one for each "
            f"of {2 + kept} parts is needed"
        )
    order = np.random.default_rng(seed).permutation(len(whole))
    share = np.cumsum(counts[order]) / counts.sum()
    first, second = np.searchsorted(share, np.cumsum(shares), side="right").tolist()
    first = min(max(1, first), len(whole) - 1 - kept)
    second = min(max(first + 1, second), len(whole) - kept)
    train, validation = (
        np.flatnonzero(np.isin(units, whole[order[start:stop]]))
        for start, stop in ((0, first), (first, second))
    )
    rest = np.ones(len(units), dtype=bool)
    rest[train] = rest[validation] = False
    return Parts(train, validation, np.flatnonzero(rest))


def _enough(anomalous: NDArray[np.bool_]) -> Rows:
    """Return the normal rows; RequestError where there are fewer than ten."""
    normal = np.flatnonzero(~anomalous)
    if len(normal) < LEAST_NORMAL:
        raise RequestError(
            f"{len(normal)} normal rows are too few to split: at least {LEAST_NORMAL} are needed"
        )
    return normal


def _cut(normal: Rows, anomalous: NDArray[np.bool_], shares: Shares) -> Parts:
    first, second = int(shares[0] * len(normal)), int(sum(shares) * len(normal))
    test = np.concatenate([normal[second:], np.flatnonzero(anomalous)])
    return Parts(normal[:first], normal[first:second], test)


def scaled(
    table: NDArray[np.float64],
    names: Sequence[str],
    train: Rows,
    normal: NDArray[np.bool_],
    *,
    scaling: Scaling = "minmax",
    one_scale: bool = False,
    kept: NDArray[np.bool_] | None = None,
) -> Scaled:
    """Return a finite table (N, M) in float32, scaled by its training rows.

    Parameters
    ----------
    table, names
        The rows, and a name for each column.
    train : (n,) int
        The rows that give the scale.
    normal : (N,) bool
        The rows that give it to a column that is constant in training, see `training_scale`.
    scaling
        See `training_scale.fitted`.
    one_scale
        One scale for all columns; none of them counts as constant.
    kept : (M,) bool
        Columns that stay as they are, such as those of a category.

    Raises
    ------
    RequestError
        If values overflow: it names their columns.
    """
    none = np.zeros(len(names), dtype=bool)
    kept = none if kept is None else kept
    own = none if one_scale else ~kept
    with np.errstate(over="ignore", invalid="ignore"):
        found = fitted(table, train, normal, scaling, one_scale=one_scale, kept=kept)
        made = found.applied(table)
        stretched, lost = _stretches(table, normal, own)
        _check_size(made, table, names, train, lost, scaling)
    limits = None
    if scaling != "minmax":
        limits = bounds(made[train].astype(np.float32), found.constant, kept)
    rough = own & ~found.constant & coarse(table[train]) if scaling == "none" else none
    return Scaled(
        made.astype(np.float32),
        found.scale,
        limits,
        _named(names, found.constant),
        _named(names, stretched),
        _named(names, _far(made[normal], limits) & ~stretched),
        _named(names, found.even),
        _named(names, rough),
        {name: held for name, one in zip(names, table.T, strict=True) if (held := fillers(one))},
    )


def _far(rows: NDArray[np.float64], limits: Bounds | None) -> NDArray[np.bool_]:
    """Return in which columns (M,) normal rows lie far beyond the range of the training rows."""
    low, high = np.array((0.0, 1.0) if limits is None else limits)
    away = np.abs(rows - (low + high) / 2).max(axis=0, initial=0.0)
    return np.asarray(away > (FAR + 0.5) * (high - low))


def _named(names: Sequence[str], which: NDArray[np.bool_]) -> list[str]:
    return [names[column] for column in np.flatnonzero(which).tolist()]


def _stretches(
    table: NDArray[np.float64], normal: NDArray[np.bool_], own: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which columns (M,), of those with their `own` scale, few normal rows stretch, be these
    for training or not; and where float32 loses all others.
    """
    found = np.zeros((2, table.shape[1]), dtype=bool)
    for column in np.flatnonzero(own):
        found[:, column] = stretch(table[normal, column])
    return found[0], found[1]


def _check_size(
    made: NDArray[np.float64],
    table: NDArray[np.float64],
    names: Sequence[str],
    train: Rows,
    lost: NDArray[np.bool_],
    scaling: Scaling,
) -> None:
    """Raise RequestError for columns whose scaled values float32 cannot reckon with, or that few
    rows stretch so far that it loses all others.
    """
    spread = np.ptp(table[train], axis=0)
    fits = (np.abs(made) <= LARGEST).all(axis=0)
    if scaling in ("minmax", "standard"):  # the other two do not follow few rows
        fits &= np.isfinite(spread) & ~lost
    wrong = [
        f"column {names[column]!r} reaches {table[np.abs(table[:, column]).argmax(), column]:.3g} "
        + ("in few rows" if lost[column] else f"and spans {spread[column]:.3g} in training")
        for column in np.flatnonzero(~fits).tolist()
    ]
    if not wrong:
        return
    what, way_out = "values overflow when they are scaled by the training rows", ""
    if scaling == "none":
        what, way_out = "values are too large for float32", "choose a scale, "
    raise RequestError(
        f"{what}: {listed(wrong, '; ')}: {way_out}take logarithms, clip, or leave it out"
    )


def notes(found: Sequence[Scaled]) -> list[str]:
    """Return the lines about columns that have no scale of their own, or one that few rows decide;
    and about those whose normal rows lie far beyond it, so that few decide when training stops.
    """
    constant = [name for made in found for name in made.constant]
    even = [name for made in found for name in made.even]
    coarse = [name for made in found for name in made.coarse]
    gaps = {name: held for made in found for name, held in made.gaps.items()}
    stretched = [name for made in found for name in made.stretched if name not in gaps]
    far = [name for made in found for name in made.far if name not in gaps]
    lines = []
    if constant:
        plural = "columns" if len(constant) > 1 else "column"
        lines.append(f"constant in training: {plural} {listed(map(repr, constant))}")
    if even:
        lines.append(f"quartiles coincide, scaled by the range: {listed(map(repr, even))}")
    if coarse:
        rounds = "float32 rounds by more than a thousandth of the range"
        lines.append(f"{rounds}: {listed(map(repr, coarse))}: choose a scale")
    if gaps:
        held = listed(f"{name!r} ({texts})" for name, texts in gaps.items())
        lines.append(f"may stand for gaps: {held}: fill them, or {dropping(gaps)}")
    if stretched:
        reach = "few normal rows reach over a thousand ranges of the others"
        lines.append(f"{reach} in {listed(map(repr, stretched))}: {WAYS_OUT}")
    if far:
        reach = f"normal rows lie more than {FAR:.0f} ranges of the training rows away"
        lines.append(f"{reach} in {listed(map(repr, far))}: {WAYS_OUT}")
    return lines


def warn_of(lines: Sequence[str], stacklevel: int) -> None:
    """Give one `TableWarning` of all lines, if there are any."""
    if lines:
        warnings.warn(TableWarning("; ".join(lines)), stacklevel=stacklevel + 1)


def listed(texts: Iterable[str], between: str = ", ") -> str:
    """Return texts in one line, the first ten and how many more there are.

    >>> listed(map(str, range(12)))
    '0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more'
    """
    found = list(texts)
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return between.join(found[:SHOWN]) + more


def dropping(names: Iterable[str]) -> str:
    """Return the parameter that leaves columns out, the first ten, as the command line reads it.

    >>> dropping(["a", "b, c"])
    'drop=[a, "b, c"]'
    """
    return f"drop=[{', '.join(map(written, list(names)[:SHOWN]))}]"


def written(name: str) -> str:
    """Return a name as a value of a parameter, with quotes where it needs some."""
    text = write("", {"": name})[2:-1]  # between brackets, after the equals sign
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)
