"""Tables of mixed columns: texts become one-hot groups, numbers are scaled, by the training split
alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aexbench import Dataset, Features, RequestError
from aexbench.datasets.tools.splits import row_numbers

MOST_CATEGORIES = 200  # of a column; more are names or texts, of which one-hot columns say nothing


class Column(NamedTuple):
    """A column as it comes: numbers, or texts."""

    name: str
    values: NDArray[Any]


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
    """
    labels = kinds != normal
    train, validation, test = row_numbers(labels, seed)
    blocks = [
        _one_hot(column, train)
        if column.values.dtype.kind == "U"
        else _number(column, train, re.fullmatch(logarithmic, column.name) is not None, fill)
        for column in columns
    ]
    groups = tuple(group for group, (_, names) in enumerate(blocks) for _ in names)
    names = tuple(name for _, block_names in blocks for name in block_names)
    table = np.concatenate([block for block, _ in blocks], axis=1)
    features = Features(names=names, groups=groups if len(blocks) < len(names) else None)
    return Dataset(
        table[train],
        table[validation],
        table[test],
        features,
        labels[test],
        autoencoder=autoencoder,
        test_kinds=kinds[test],
    )


def _number(
    column: Column, train: NDArray[np.int64], logarithmic: bool, fill: bool
) -> tuple[NDArray[np.float32], list[str]]:
    """Return a column of numbers, scaled by the training split to [0, 1]; 0 where
    that is constant.
    """
    values = np.log1p(column.values) if logarithmic else column.values
    missing = ~np.isfinite(values)
    if missing.any():
        if not fill or missing[train].all():
            count = int(missing.sum())
            raise RequestError(
                f"column {column.name!r} has {count} gaps: write gaps=mean, or drop=[{column.name}]"
            )
        values = np.where(missing, values[train][~missing[train]].mean(), values)
    low = values[train].min()
    spread = values[train].max() - low
    return ((values - low) / (spread or 1.0)).astype(np.float32)[:, None], [column.name]


def _one_hot(column: Column, train: NDArray[np.int64]) -> tuple[NDArray[np.float32], list[str]]:
    """Return a column of 0 and 1 for each text in the training split, and one for all others."""
    known = np.unique(column.values[train])
    if len(known) > MOST_CATEGORIES:
        raise RequestError(
            f"column {column.name!r} holds {len(known)} different texts: drop=[{column.name}]"
        )
    position = np.minimum(np.searchsorted(known, column.values), len(known) - 1)
    position = np.where(known[position] == column.values, position, len(known))
    made = np.zeros((len(column.values), len(known) + 1), dtype=np.float32)
    made[np.arange(len(made)), position] = 1.0
    return made, [f"{column.name}={text}" for text in [*known.tolist(), "(other)"]]
