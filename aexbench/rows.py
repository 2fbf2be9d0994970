"""Rows that need not fit in memory: read in blocks, picked without a copy, and shuffled as disks
like it.

The splits of a Dataset are such rows. An array in memory, a memory map, `shards.Shards` and a
`Picked` part of any of them are all read the same way, with slices and arrays of row numbers.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aexbench.frames import array_of

Array = NDArray[Any]
BLOCK_BYTES = 2**24  # that are read at once
RUN_BYTES = 2**18  # that lie together when rows are shuffled: a disk reads them in one go
MOST_VALUES = 2**25  # of rows that are kept in memory: 128 MiB in float32
POOL_BYTES = 2**26  # that are shuffled with each other at a time


class Rows(Protocol):
    """What a split must be able to do; those that nobody can write into may say `fixed = True`:
    their moments are read once.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, …)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Any:
        """Return rows by a slice or by an array of their numbers."""
        ...

    def __array__(self) -> Array: ...


@dataclass(frozen=True)
class Picked:
    """Some rows of others, in the order of their numbers: nothing is copied before it is asked for.

    Examples
    --------
    >>> Picked(np.arange(10.0)[:, None], np.array([3, 5, 8]))[1:]
    array([[5.],
           [8.]])
    """

    rows: Any
    numbers: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, …)."""
        return (len(self.numbers), *self.rows.shape[1:])

    @property
    def fixed(self) -> bool:
        """Whether nobody can write into them."""
        return fixed(self.rows) and fixed(self.numbers)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values."""
        kind: np.dtype[Any] = self.rows.dtype
        return kind

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int | slice | NDArray[np.int64]) -> Array:
        if isinstance(index, slice | np.ndarray):
            return np.asarray(self.rows[self.numbers[index]])
        return np.asarray(self.rows[self.numbers[[index]]][0])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self[:], dtype=dtype)


@dataclass(frozen=True)
class Named:
    """Names (N,) that are kept as numbers, for as many rows as there are.

    Examples
    --------
    >>> Named(np.array([0, 1, 1, 0], np.int8), ("normal", "theft"))[1:]
    array(['theft', 'theft', 'normal'], dtype='<U6')
    """

    codes: Any
    names: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """(N,)."""
        return (len(self.codes),)

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, index: slice | NDArray[np.int64]) -> Array:
        return np.asarray(np.asarray(self.names)[self.codes[index]])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self[:], dtype=dtype)


def as_rows(values: ArrayLike) -> Any:
    """Return what can be read like rows as it is, and everything else as an array.

    Data frames become numbers, whatever the types of their columns; gaps in them, and the masked
    values of an array, become NaN. Tensors leave their graph, sparse matrices become dense.

    Raises
    ------
    RequestError
        If columns of a data frame hold no numbers, such as texts or dates: it names them.
    """
    values = _numbers(values)
    if isinstance(values, np.ma.MaskedArray):
        whole = values.data
        return np.where(values.mask, np.nan, whole) if np.any(values.mask) else whole
    framed = hasattr(values, "iloc")  # of pandas, which need not be imported here
    if not framed and isinstance(getattr(values, "dtype", None), np.dtype):
        found: Any = values
    else:
        found = np.asarray(values)
    if not isinstance(found, np.ndarray) or found.ndim not in (1, 2):
        return found
    unclear = found.dtype.kind == "O" or (framed and found.dtype.kind not in "biuf")
    return array_of(values) if unclear else found


def _numbers(values: Any) -> Any:
    """Return tensors and sparse matrices as what NumPy can read, and anything else as it is."""
    if hasattr(values, "detach"):  # a tensor, perhaps on a graph or a GPU
        plain = values.detach().cpu()
        return plain.float() if str(plain.dtype) == "torch.bfloat16" else plain
    if hasattr(values, "toarray") and not hasattr(values, "iloc"):
        return values.toarray()
    return values


def in_memory(rows: Any) -> bool:
    """Whether rows are an array, and no memory map below it."""
    if not isinstance(rows, np.ndarray) or isinstance(rows, np.memmap):
        return False
    return rows.base is None or not isinstance(rows.base, np.ndarray) or in_memory(rows.base)


def row_bytes(rows: Rows) -> int:
    """Return the bytes of one row, at least 1."""
    return max(1, int(np.prod(rows.shape[1:])) * rows.dtype.itemsize)


def blocks(rows: Rows) -> Iterator[Array]:
    """Yield the rows in their order, about 16 MiB at a time; one empty block where there are none.

    >>> [len(block) for block in blocks(np.zeros((5, 2**21)))]
    [1, 1, 1, 1, 1]
    """
    count = max(1, BLOCK_BYTES // row_bytes(rows))
    for start in range(0, max(1, len(rows)), count):
        block = np.asarray(rows[start : start + count])
        plain = block.flags.c_contiguous and block.flags.writeable and block.dtype.isnative
        yield (
            block if plain else np.array(block, dtype=block.dtype.newbyteorder("="), order="C")
        )  # as torch wants them


def moments(rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each column's mean and standard deviation, float64 of the shape of one row.

    Sums of squares are taken around the first block's mean, so that a large mean does not swallow a
    small spread. What is known of rows that cannot be written is kept as long as they are.
    """
    if not fixed(rows):
        return _moments(rows)
    key = id(rows)
    if key not in _KNOWN:
        _KNOWN[key] = _moments(rows)
        weakref.finalize(rows, _KNOWN.pop, key, None)
    mean, spread = _KNOWN[key]
    return mean.copy(), spread.copy()


def fixed(rows: Any) -> bool:
    """Whether nobody can write into rows: an array that says so, or rows whose `fixed` is true."""
    if isinstance(rows, np.ndarray):
        return not rows.flags.writeable
    return bool(getattr(rows, "fixed", False))


def forget() -> None:
    """Forget the moments that are known: who times what needs them pays for them."""
    _KNOWN.clear()


_KNOWN: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}


def _moments(rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    shift: Any = None
    first: Any = 0.0
    second: Any = 0.0
    for block in blocks(rows):
        values = block.astype(np.float64)
        shift = values.mean(axis=0) if shift is None else shift
        values -= shift
        first, second = (
            first + values.sum(axis=0),
            second + np.einsum("n...,n...->...", values, values),
        )
    mean = first / len(rows)
    return shift + mean, np.sqrt(np.maximum(second / len(rows) - mean**2, 0.0))


def shuffled(rows: Rows, order: Callable[[int], NDArray[np.int64]]) -> Iterator[Array]:
    """Yield all rows once, in pools of at most 64 MiB in random order: small data is one pool,
    shuffled as a whole.

    Rows of a memory map taken in random order are many times slower than rows that lie together. So
    runs of rows that lie together are taken in random order, and the rows of one pool of runs are
    shuffled with each other.

    Parameters
    ----------
    rows : (N, …)
        Read once.
    order
        `order(n)` returns a random permutation of 0 … n − 1.
    """
    size = row_bytes(rows)
    if len(rows) * size <= POOL_BYTES:
        yield np.asarray(rows[order(len(rows))])
        return
    run = max(1, RUN_BYTES // size)
    starts = run * order(-(-len(rows) // run))
    together = max(1, POOL_BYTES // (run * size))
    for first in range(0, len(starts), together):
        pool = np.concatenate(
            [rows[start : start + run] for start in starts[first : first + together].tolist()]
        )
        yield pool[order(len(pool))]


def most(background: ArrayLike, count: int) -> int:
    """Return how many samples of the background may be kept: `count`, fewer where they have more
    than 2²⁵ values.

    >>> most(np.zeros((5, 1000)), 10_000), most(np.broadcast_to(0.0, (5, 3, 2048, 2048)), 10_000)
    (10000, 2)
    """
    columns: int = math.prod(as_rows(background).shape[1:])
    return min(count, max(1, MOST_VALUES // max(1, columns)))


def sample(background: ArrayLike, count: int, seed: int = 0) -> Array:
    """Return `count` random samples of the background (B, …) without repetition, in their order;
    all if it has fewer.

    Examples
    --------
    >>> sample(np.arange(10.0)[:, None], 3, seed=0).shape
    (3, 1)
    """
    rows = as_rows(background)
    if count >= len(rows):
        return np.array(rows[:])  # a copy: of a memory map that cannot be written torch warns
    chosen = np.random.default_rng(seed).choice(len(rows), size=count, replace=False)
    return np.asarray(rows[np.sort(chosen)])
