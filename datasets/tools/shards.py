"""Splits that are larger than memory: rows in files of equal length, written once and read as
memory maps.

Every file appears whole or not at all, so a run that is interrupted goes on where it stopped, and
several hosts can write different shards of one folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from aexbench import files
from aexbench.errors import RequestError, StoreError
from aexbench.rows import Array

SHARD_ROWS = 2**19


@dataclass(frozen=True)
class Shards:
    """Rows (N, …) that lie in several `.npy` files; they are read like one array and never loaded
    as a whole.

    Parameters
    ----------
    paths
        The files, in the order of their rows.

    Raises
    ------
    StoreError
        When it is read: if a file is no array, or has other columns than the first.
    """

    fixed: ClassVar[bool] = True  # the maps cannot be written
    paths: tuple[Path, ...]

    @cached_property
    def _maps(self) -> list[Array]:
        maps = [_open(path) for path in self.paths]
        for path, part in zip(self.paths, maps, strict=True):
            if (part.shape[1:], part.dtype) != (maps[0].shape[1:], maps[0].dtype):
                raise StoreError(
                    f"{path} holds {part.dtype} {part.shape[1:]}, {self.paths[0]} "
                    f"{maps[0].shape[1:]}"
                )
        return maps

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        return np.cumsum([len(part) for part in self._maps])

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, …)."""
        return (int(self._ends[-1]), *self._maps[0].shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values."""
        return self._maps[0].dtype

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int | slice | NDArray[np.int64] | NDArray[np.bool_]) -> Array:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            return (
                self._between(start, stop)
                if step == 1
                else self._taken(np.arange(start, stop, step))
            )
        numbers = np.asarray(index)
        if numbers.dtype == np.bool_:
            if numbers.shape != (len(self),):
                raise IndexError(f"a mask of shape {numbers.shape} for {len(self)} rows")
            numbers = np.flatnonzero(numbers)
        taken = self._taken(numbers.reshape(-1))
        return np.asarray(taken if numbers.ndim else taken[0])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self[:], dtype=dtype)

    def _between(self, start: int, stop: int) -> Array:
        first = int(np.searchsorted(self._ends, start, side="right"))
        last = int(np.searchsorted(self._ends, stop, side="left"))
        parts = []
        for number in range(first, min(last + 1, len(self._maps))):
            before = int(self._ends[number]) - len(self._maps[number])
            parts.append(self._maps[number][max(0, start - before) : max(0, stop - before)])
        return parts[0] if len(parts) == 1 else np.concatenate([self._maps[0][:0], *parts])

    def _taken(self, numbers: NDArray[Any]) -> Array:
        beyond = numbers[(numbers < -len(self)) | (numbers >= len(self))]
        if len(beyond):
            raise IndexError(f"row {beyond[0]} of {len(self)}")
        numbers = np.where(numbers < 0, numbers + len(self), numbers)
        shard = np.searchsorted(self._ends, numbers, side="right")
        taken = np.empty((len(numbers), *self.shape[1:]), self.dtype)
        for number in np.unique(shard):
            rows = np.flatnonzero(shard == number)
            taken[rows] = self._maps[number][
                numbers[rows] - (self._ends[number] - len(self._maps[number]))
            ]
        return taken


def stored(
    folder: Path,
    rows: int,
    make: Callable[[int, int], Mapping[str, Array]],
    names: Sequence[str],
    shard_rows: int = SHARD_ROWS,
) -> dict[str, Shards]:
    """Return arrays of `rows` rows as shards in a folder; those that are not there yet are made.

    Parameters
    ----------
    folder
        Where they lie. What shapes their content must be in its name: what is there is not made
        again.
    rows
        How many in all, at least one.
    make
        `make(start, stop)` returns the arrays (stop − start, …) of some rows, by name; whichever
        shard it is asked for.
    names
        Of the arrays.
    shard_rows
        Rows of a file.

    Raises
    ------
    RequestError
        If no row is asked for.
    StoreError
        If the disk is full, or the folder cannot be written.
    """
    if rows < 1:
        raise RequestError(f"{folder}: {rows} rows are none to keep: at least 1 is needed")
    files.sweep(files.make_folder(folder))
    starts = range(0, rows, shard_rows)
    paths = {
        name: tuple(folder / f"{name}-{start // shard_rows:05d}.npy" for start in starts)
        for name in names
    }
    for number, start in enumerate(starts):
        if not all(paths[name][number].exists() for name in names):
            made = make(start, min(start + shard_rows, rows))
            for name in names:
                files.write_with(paths[name][number], partial(_save, made[name]))
    return {name: Shards(paths[name]) for name in names}


def _save(array: Array, file: IO[bytes]) -> None:
    np.save(file, array, allow_pickle=False)


def _open(path: Path) -> Array:
    try:
        array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} is no array: {error}; delete it, and it is made again") from None
    return array
