"""Tables of mixed columns: texts become one-hot groups, numbers are scaled, by the training split
alone. What is wrong with columns is told of all of them at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aexbench import Dataset, Features, RequestError
from aexbench.datasets.tools.splits import (
    Scaled,
    dropping,
    listed,
    notes,
    row_numbers,
    scaled,
    warn_of,
)
from aexbench.features import Kind
from aexbench.scaling import Scale

DATE = re.compile(r"\d{4}-\d\d-\d\d(?!\d)|\d\d?[./]\d\d?[./]\d{4}(?!\d)|\d\d?:\d\d(?!\d)")
MOST_CATEGORIES = 200  # of a column; more are names or texts, of which one-hot columns say nothing


class Column(NamedTuple):
    """A column as it comes: numbers, or texts."""

    name: str
    values: NDArray[Any]


class Block(NamedTuple):
    """What a column has become: its table (N, k), the names of that, and its scale."""

    table: NDArray[np.float32]
    names: list[str]
    scale: Scale


def dataset_of(
    columns: Sequence[Column],
    kinds: NDArray[np.str_],
    normal: str,
    logarithmic: str = "",
    *,
    autoencoder: str,
    seed: int,
    fill: bool = False,
) -> Dataset:
    """Return the Dataset of columns of numbers and texts, encoded and scaled by the training split
    alone.

    A number that is constant in training is scaled by other rows, see `training_scale`, and a
    `TableWarning` names it. Where columns are taken as logarithms, the Dataset has no scale: it
    speaks of scaled values.

    Parameters
    ----------
    columns
        Of N values each.
    kinds : (N,) str
        The class of each row.
    normal
        The class of normal rows.
    logarithmic
        A pattern of the names of columns that are taken as log(1 + value).
    autoencoder
        The data set's default autoencoder.
    seed
        Of the split.
    fill
        Whether gaps become the mean of the training split.

    Raises
    ------
    RequestError
        If columns have gaps that are not filled, too many texts, or values that overflow, or if
        fewer than ten rows are normal.
    """
    labels = kinds != normal
    train, validation, test = row_numbers(labels, seed)
    taken = [_logarithms(one) if re.fullmatch(logarithmic, one.name) else one for one in columns]
    taken = [_filled(one, train) if fill else one for one in taken]
    _check(taken, train)
    blocks = _encoded(taken, train, ~labels)
    groups = tuple(group for group, block in enumerate(blocks) for _ in block.names)
    names = tuple(name for block in blocks for name in block.names)
    table = np.concatenate([block.table for block in blocks], axis=1)
    features = Features(names=names)
    if len(blocks) < len(names):
        together: tuple[Kind, ...] = tuple("onehot" if _is_text(c) else "columns" for c in taken)
        features = Features(names=names, groups=groups, kinds=together)
    return Dataset(
        table[train],
        table[validation],
        table[test],
        features,
        labels[test],
        autoencoder=autoencoder,
        test_kinds=kinds[test],
        scale=Scale() if logarithmic else _joined([block.scale for block in blocks]),
        rows={"train": train, "validation": validation, "test": test},
    )


def _is_text(column: Column) -> bool:
    return column.values.dtype.kind == "U"


def _logarithms(column: Column) -> Column:
    if _is_text(column):
        return column
    return Column(column.name, np.log1p(column.values))


def _filled(column: Column, train: NDArray[np.int64]) -> Column:
    """Return a column of numbers with the mean of the training split in its gaps, where it has
    one.
    """
    if _is_text(column) or np.isfinite(column.values).all():
        return column
    missing = ~np.isfinite(column.values)
    if missing[train].all():
        return column
    mean = column.values[train][~missing[train]].mean()
    return Column(column.name, np.where(missing, mean, column.values))


def _check(columns: Sequence[Column], train: NDArray[np.int64]) -> None:
    """Raise RequestError for all columns with gaps or with too many texts."""
    wrong = [text for column in columns for text in _wrong(column, train)]
    if wrong:
        raise RequestError(listed(wrong, "; "))


def _wrong(column: Column, train: NDArray[np.int64]) -> Iterator[str]:
    way_out = dropping([column.name])
    if _is_text(column):
        distinct = np.unique(column.values[train])
        count = len(distinct)
        if all(map(DATE.match, distinct.tolist())):
            yield f"column {column.name!r} holds dates or times: {way_out}"
            return
        if count > MOST_CATEGORIES:
            yield f"column {column.name!r} holds {count} different texts: {way_out}"
        return
    count = int((~np.isfinite(column.values)).sum())
    if count:
        yield f"column {column.name!r} has {count} gaps: write gaps=mean, or {way_out}"


def _encoded(
    columns: Sequence[Column], train: NDArray[np.int64], normal: NDArray[np.bool_]
) -> list[Block]:
    """Return each column's block; one column at a time, as a table of millions of rows should not
    stand in memory twice.
    """
    blocks: list[Block] = []
    found: list[Scaled] = []
    wrong: list[str] = []
    for column in columns:
        if _is_text(column):
            blocks.append(_one_hot(column, train))
            continue
        try:
            made = scaled(column.values[:, None], [column.name], train, normal)
        except RequestError as error:
            wrong.append(str(error))
            continue
        blocks.append(Block(made.table, [column.name], made.scale))
        found.append(made)
    if wrong:
        raise RequestError(listed(wrong, "; "))
    warn_of(notes(found), stacklevel=5)
    return blocks


def _one_hot(column: Column, train: NDArray[np.int64]) -> Block:
    """Return a column of 0 and 1 for each text in the training split, and one for all others."""
    known = np.unique(column.values[train])
    position = np.minimum(np.searchsorted(known, column.values), len(known) - 1)
    position = np.where(known[position] == column.values, position, len(known))
    made = np.zeros((len(column.values), len(known) + 1), dtype=np.float32)
    made[np.arange(len(made)), position] = 1.0
    names = [f"{column.name}={text}" for text in [*known.tolist(), "(other)"]]
    count = len(names)
    return Block(made, names, Scale((0.0,) * count, (1.0,) * count, (0.0,) * count))


def _joined(scales: Sequence[Scale]) -> Scale:
    """Return the scale of a table of the scales of its blocks."""
    return Scale.of(
        np.hstack([scale.offset for scale in scales]),
        np.hstack([scale.factor for scale in scales]),
        np.hstack([scale.tolerance for scale in scales]),
    )
