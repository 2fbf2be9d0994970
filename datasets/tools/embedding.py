"""Features as several dense columns each: sines of a value's rank among the training rows.

Rows are encoded when they are read: ten million of them take no more room than their scalars.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from aexbench import Dataset, Features, RequestError
from aexbench.declarations import Later
from aexbench.rows import Array, fixed, sample

Codes = Literal["known", "any"]
KINDS: dict[str, Literal["embedding", "columns"]] = {"known": "embedding", "any": "columns"}
FIT_ROWS = 65_536  # training rows that ranks are taken from, at most
TOGETHER = 4096  # rows: their codes stay in a cache while they are made
TURNS = 4  # a column of frequency 1 goes round once: the first one goes a quarter of the way


@dataclass(frozen=True, eq=False)
class Embedding:
    """The code of a value: column k of K is `(1 + sin(2π ((k + 1) u / 4 + k / K))) / 2`.

    u is the value's rank among the training rows in [0, 1]; of equal values it is the middle of
    theirs, between two values it is interpolated. What lies beyond all training rows has the code
    of the outermost.

    Attributes
    ----------
    values, ranks
        Of each feature, the different values of the training rows, rising, and their ranks.
    columns
        K, of each feature.
    """

    values: tuple[NDArray[np.float64], ...]
    ranks: tuple[NDArray[np.float64], ...]
    columns: int

    @staticmethod
    def fit(train: Any, columns: int) -> Embedding:
        """Take the ranks from training rows (n, M), of more than 65,536 from a sample."""
        known = np.asarray(sample(train, FIT_ROWS), dtype=np.float64)
        found = [np.unique(column, return_counts=True) for column in known.T]
        values = tuple(value for value, _ in found)
        ranks = tuple((np.cumsum(n) - n / 2) / len(known) for _, n in found)
        return Embedding(values, ranks, columns)

    def encode(self, x: Array) -> NDArray[np.float32]:
        """Return rows (N, M) as their codes (N, M K), the columns of a feature side by side."""
        codes = np.empty((len(x), len(self.values), self.columns), np.float32)
        for start in range(0, len(x), TOGETHER):
            self._write(x[start : start + TOGETHER], codes[start : start + TOGETHER])
        return codes.reshape(len(x), len(self.values) * self.columns)

    def _write(self, x: Array, codes: NDArray[np.float32]) -> None:
        """Write the codes (n, M, K) of rows (n, M) where they are to lie."""
        known = zip(x.T, self.values, self.ranks, strict=True)
        rank = np.stack([np.interp(*one) for one in known], axis=1).astype(np.float32)
        number = np.arange(self.columns, dtype=np.float32)
        np.multiply(rank[..., None], (number + 1) / TURNS, out=codes)
        codes += number / self.columns
        codes *= np.float32(2 * np.pi)
        np.sin(codes, out=codes)
        codes += 1
        codes /= 2

    def spread(self, truth: Array) -> NDArray[np.bool_]:
        """Return a truth (N, M) by features as one by columns (N, M K)."""
        return np.repeat(truth, self.columns, axis=1)

    def features(self, names: tuple[str, ...], codes: Codes) -> Features:
        """Return what the columns are: a group each feature, called `bytes:1`, `bytes:2`, …"""
        titles = [f"{name}:{k + 1}" for name in names for k in range(self.columns)]
        groups = np.repeat(np.arange(len(names)), self.columns)
        return Features(tuple(titles), 0.0, 1.0, tuple(groups), (KINDS[codes],) * len(names))


@dataclass(frozen=True, eq=False)
class EncodedRows:
    """Rows (N, width) that are made from others when they are read.

    Examples
    --------
    >>> EncodedRows(np.eye(3), lambda rows: 1 - rows[:, :2], 2, np.dtype(float))[1:]
    array([[1., 0.],
           [1., 1.]])
    """

    rows: Any
    encode: Callable[[Array], Array]
    width: int
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, width)."""
        return len(self.rows), self.width

    @property
    def fixed(self) -> bool:
        """Whether nobody can write into those that they are made from."""
        return fixed(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Array:
        found = np.asarray(self.rows[index])
        made = self.encode(found.reshape(-1, self.rows.shape[1]))
        return made.reshape(*found.shape[:-1], self.width)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self[:], dtype=dtype)


@dataclass(frozen=True)
class Coding:
    """How features are embedded: two parameters of each data set that has `encoding=embedding`.

    Parameters
    ----------
    columns
        Of each feature, with `encoding=embedding`.
    codes
        What corruptions give an embedded feature. `known`: the code of another value that clean
        samples have, as often as they have it, and never a vector that stands for none (null: 0 in
        all columns). `any`: a number in each column by itself.
    """

    columns: Annotated[int, Ge(1), Le(256), Later(8)] = 8
    codes: Annotated[Codes, Later("known")] = "known"

    def check(self, encoding: str) -> None:
        """Raise RequestError where either is asked of features that are not embedded."""
        if encoding != "embedding" and self != Coding():
            raise RequestError("columns and codes are for encoding=embedding: give that too")

    def embedded(self, dataset: Dataset) -> Dataset:
        """Return a data set of one column a feature with `columns` of them each; it has no scale.

        Raises
        ------
        RequestError
            If its features have several columns already.
        """
        if dataset.features.groups is not None:
            raise RequestError("encoding=embedding takes one column a feature: leave groups out")
        shape = dataset.train.shape[1:]
        embedding = Embedding.fit(dataset.train, self.columns)
        width = shape[0] * self.columns

        def encoded(rows: Any) -> Any:
            return EncodedRows(rows, embedding.encode, width, np.dtype(np.float32))

        truth = dataset.test_truth
        return Dataset(
            encoded(dataset.train),
            encoded(dataset.validation),
            encoded(dataset.test),
            embedding.features(dataset.features.group_names(shape), self.codes),
            dataset.test_labels,
            None if truth is None else EncodedRows(truth, embedding.spread, width, np.dtype(bool)),  # type: ignore[arg-type]
            dataset.autoencoder,
            dataset.test_units,
            dataset.test_kinds,
            dataset.test_truth_kind,
            rows=dataset.rows,
        )
