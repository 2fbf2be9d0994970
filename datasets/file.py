"""A table of your own: CSV, Parquet or NPZ."""

from __future__ import annotations

import csv
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from aexbench import Dataset, RequestError
from aexbench.datasets import register
from aexbench.datasets.tools.splits import split
from aexbench.errors import unknown

if TYPE_CHECKING:
    import pandas as pd

MOST_COLUMNS = 20_000


@register("file", version=1, images=False, licence="your own data")
def file(
    *,
    path: Path,
    label: str | None = None,
    truth: str | None = None,
    drop: Sequence[str] = (),
    data: str = "X",
    autoencoder: str = "mlp",
    seed: Annotated[int, Ge(0)] = 0,
) -> Dataset:
    """Your own table: `.csv`, `.parquet` or `.npz`, one row per sample, every feature a finite
    number.

    Normal rows are split in 60 % training, 20 % validation and 20 % test; anomalous rows all go to
    the test split.

    Parameters
    ----------
    path
        The file.
    label
        The column (in an NPZ: the array) that is 1 or true for anomalous rows. Without it all rows
        count as normal.
    truth
        In CSV and Parquet the prefix of boolean columns that say which features make a row
        anomalous: with `truth=cause_`, column `cause_bytes` is the truth of feature `bytes`. In an
        NPZ the name of an (N, M) array.
    drop
        Columns to leave out.
    data
        The array of features in an NPZ.
    autoencoder
        The autoencoder to train, a name with brackets.
    seed
        Of the split.

    Raises
    ------
    RequestError
        If the file cannot be read, or a feature holds text, gaps or infinities: it says which, and
        where.
    """
    if not path.is_file():
        raise RequestError(f"there is no file {path}")
    table = _read(path, label, truth, list(drop), data)
    _check_finite(table, path)
    return split(
        table.values, table.names, table.labels, table.truth, seed=seed, autoencoder=autoencoder
    )


@dataclass(frozen=True)
class _Table:
    values: NDArray[np.float64]
    names: list[str]
    labels: NDArray[np.bool_] | None
    truth: NDArray[np.bool_] | None


def _read(path: Path, label: str | None, truth: str | None, drop: list[str], data: str) -> _Table:
    kind = path.suffix.lower()
    if kind == ".npz":
        return _read_npz(path, label, truth, data)
    import pandas as pd

    if kind not in (".csv", ".parquet"):
        raise RequestError(f"{path} is neither .csv, .parquet nor .npz")
    try:
        frame = _read_csv(path) if kind == ".csv" else pd.read_parquet(path)
    except ImportError:
        raise RequestError(
            'Parquet needs pyarrow: python -m pip install "aexbench[parquet]"'
        ) from None
    except (
        ValueError,
        OSError,
        csv.Error,
    ) as error:  # pandas' and Arrow's own errors are kinds of these
        raise RequestError(f"cannot read {path}: {str(error).splitlines()[0]}") from None
    return _from_frame(frame, path, label, truth, drop)


def _read_csv(path: Path) -> pd.DataFrame:
    """Return the table of a CSV; a row with more values than the header has names is an error, not
    an index.
    """
    import pandas as pd

    with path.open(encoding="utf-8", errors="replace", newline="") as lines:
        _check_columns(len(next(csv.reader(lines), [])), path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(path, index_col=False)
        except pd.errors.ParserWarning:
            raise ValueError("its rows have more values than its header has names") from None


def _check_columns(count: int, path: Path) -> None:
    if count > MOST_COLUMNS:
        raise RequestError(
            f"{path.name} has {count} columns, more than {MOST_COLUMNS}: keep those that matter"
        )


def _from_frame(
    frame: pd.DataFrame, path: Path, label: str | None, truth: str | None, drop: list[str]
) -> _Table:
    frame.columns = frame.columns.map(str)
    _check_columns(len(frame.columns), path)
    for column in [*drop, *([label] if label else [])]:
        if column not in frame.columns:
            raise unknown(f"column of {path.name}", column, frame.columns)
    causes = [c for c in frame.columns if truth and c.startswith(truth)]
    left_out = {*drop, *causes, label}
    names = [c for c in frame.columns if c not in left_out]
    if not names:
        raise RequestError(f"{path} has no feature columns")
    labels = (
        None if label is None else _booleans(frame[label], f"label column {label!r} of {path.name}")
    )
    values = np.column_stack([_numbers(frame[c], c, path) for c in names])
    if truth is None:
        return _Table(values, names, labels, None)
    if not {f"{truth}{name}" for name in names} & set(causes):
        raise RequestError(f"{path} has no column {truth}NAME for any feature NAME")
    for column in causes:
        if column[len(truth) :] not in names:
            raise unknown(f"feature in column {column!r}: feature", column[len(truth) :], names)
    none = np.zeros(len(frame), dtype=bool)
    flags = [
        _booleans(frame[truth + n], f"column {truth + n!r}") if truth + n in causes else none
        for n in names
    ]
    return _Table(values, names, labels, np.column_stack(flags))


def _numbers(column: pd.Series[Any], name: str, path: Path) -> NDArray[np.float64]:
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    text = column[numbers.isna() & column.notna()]
    if len(text):
        where = f"{str(text.iloc[0])!r} in row {text.index[0] + 1}"
        raise RequestError(
            f"{path.name}: column {name!r} holds text ({where}): encode it as numbers, or "
            f"drop=[{name}]"
        )
    return np.asarray(numbers.to_numpy(dtype=np.float64, na_value=np.nan))


def _booleans(column: Any, what: str) -> NDArray[np.bool_]:
    values = np.asarray(column)
    if not np.isin(values, [0, 1]).all():
        raise RequestError(f"{what} must be 0 or 1 (or false, true) in every row")
    return values.astype(bool)


def _read_npz(path: Path, label: str | None, truth: str | None, data: str) -> _Table:
    try:
        with np.load(path, allow_pickle=False) as archive:
            for name in (data, label, truth):
                if name is not None and name not in archive:
                    raise unknown(f"array of {path.name}", name, archive)
            arrays = {name: archive[name] for name in (data, label, truth) if name is not None}
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        if isinstance(error, RequestError):
            raise
        raise RequestError(f"cannot read {path}: {error}") from None
    values = arrays[data]
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.number):
        raise RequestError(
            f"array {data!r} of {path.name} must be a table of numbers; it is {values.dtype} "
            f"{values.shape}"
        )
    _check_columns(values.shape[1], path)
    labels = (
        None
        if label is None
        else _booleans(arrays[label].squeeze(), f"array {label!r} of {path.name}")
    )
    flags = None if truth is None else _booleans(arrays[truth], f"array {truth!r} of {path.name}")
    for name, array, shape in ((label, labels, values.shape[:1]), (truth, flags, values.shape)):
        if array is not None and array.shape != shape:
            raise RequestError(
                f"array {name!r} of {path.name} has shape {array.shape}; {data!r} needs {shape}"
            )
    return _Table(
        values.astype(np.float64),
        [f"feature {i + 1}" for i in range(values.shape[1])],
        labels,
        flags,
    )


def _check_finite(table: _Table, path: Path) -> None:
    rows, columns = np.nonzero(~np.isfinite(table.values))
    if len(rows):
        name, count = table.names[columns[0]], len(set(rows.tolist()))
        raise RequestError(
            f"{path.name}: column {name!r} is empty or not finite in row {rows[0] + 1} "
            f"({count} such rows in all): fill the gaps, or drop=[{name}]"
        )
