"""Data frames as rows: what a column holds as numbers, or what stands in its way.

Numbers and truth values of every type are numbers: nullable ones, decimals, categories of them, and
texts that spell them. Dates, times and durations never are, nor are complex numbers.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from aexbench.errors import RequestError

if TYPE_CHECKING:
    import pandas as pd

NUMBER = re.compile(
    r"\s*[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf(inity)?|nan)\s*", re.IGNORECASE | re.ASCII
)
PLAIN = (
    "biuf"  # kinds of NumPy's types that are numbers; a duration counts as a signed integer there
)
SHOWN = 10  # complaints in one line


class NumberError(ValueError):
    """A value is no number; the text says what it is."""


@runtime_checkable
class Frame(Protocol):
    """A data frame of pandas or polars; neither is imported to tell."""

    @property
    def columns(self) -> Any:
        """The names."""
        ...

    def to_dict(self) -> Any:
        """Return the columns by name."""
        ...


def pandas_frame(frame: Frame) -> pd.DataFrame:
    """Return a data frame of pandas with the columns of any, their names as texts.

    Columns of polars become arrays, as polars makes them: NaN in gaps of numbers, None in others.

    Raises
    ------
    RequestError
        If it is a frame of another library.
    """
    import pandas as pd

    if hasattr(frame, "get_columns"):  # of polars
        return pd.DataFrame({column.name: column.to_numpy() for column in frame.get_columns()})
    if not isinstance(frame, pd.DataFrame):
        kind = f"{type(frame).__module__.partition('.')[0]}.{type(frame).__name__}"
        raise RequestError(f"frames of pandas and polars are read; make one of this {kind}")
    found = frame.copy(deep=False)  # the names of the caller's own stay
    found.columns = found.columns.map(str)
    return found


def array_of(values: Any) -> NDArray[Any]:
    """Return a data frame, a series or an array of objects as an array of numbers, NaN in gaps.

    Raises
    ------
    RequestError
        If columns hold no numbers: it names them all, with their rows.
    """
    import pandas as pd

    frame = pd.DataFrame(values)
    columns, wrong = [], []
    for position in range(frame.shape[1]):
        found, trouble = numbers(frame.iloc[:, position])
        columns.append(found)
        if trouble:
            wrong.append(f"column {str(frame.columns[position])!r} {trouble}")
    if wrong:
        raise RequestError("; ".join(shortened(wrong)))
    if not columns:
        return np.empty(frame.shape)
    return columns[0] if np.ndim(values) == 1 else np.column_stack(columns)


def shortened(complaints: Sequence[str]) -> list[str]:
    """Return the first ten complaints, and how many more there are.

    >>> shortened(["a"] * 12)[-2:]
    ['a', 'and 2 more of this kind']
    """
    more = len(complaints) - SHOWN
    return [*complaints[:SHOWN], *([f"and {more} more of this kind"] if more > 0 else [])]


def numbers(column: pd.Series[Any], first: int = 0) -> tuple[NDArray[Any], str]:
    """Return a column's numbers (N,), NaN in gaps, and what stands in the way: "" if nothing does.

    Parameters
    ----------
    column
        Of any type.
    first
        The number of the first row, in what is said.
    """
    dtype = column.dtype
    if dtype.kind in PLAIN:
        return _plain(column), ""
    missing = np.asarray(column.isna(), dtype=bool)
    known = np.flatnonzero(~missing)
    found = np.full(len(column), np.nan)
    if timed := _timed(dtype):
        shown = _in_row(column.iloc[known[0]], known[0] + first) if len(known) else "(all missing)"
        return found, f"holds {timed} {shown}"
    values = column.astype(object).to_numpy()
    for row in known.tolist():
        try:
            found[row] = number(values[row])
        except NumberError as error:
            return found, f"holds {error} {_in_row(values[row], row + first)}"
    return found, ""


def _timed(dtype: Any) -> str:
    """Return what a type of times is called, "" for another type."""
    if dtype.name.startswith("period"):
        return "periods"
    return {"M": "dates or times", "m": "durations"}.get(dtype.kind, "")


def _plain(column: pd.Series[Any]) -> NDArray[Any]:
    """Return a column of numbers as NumPy has them."""
    if isinstance(column.dtype, np.dtype) or not column.isna().any():
        values = column.to_numpy()
        return values if values.dtype.kind in PLAIN else values.astype(np.float64)
    return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))


def number(value: Any) -> float:
    """Return a value as a number, or raise NumberError that says what it is instead.

    >>> number("1e3"), number(Decimal("0.5"))
    (1000.0, 0.5)
    """
    if isinstance(value, str):
        return _spelled(value)
    if isinstance(value, bool | int | float | Decimal | np.bool_ | np.integer | np.floating):
        if isinstance(value, np.timedelta64):  # a signed integer to NumPy
            raise NumberError("durations")
        try:
            made = float(value)
        except OverflowError:
            made = np.inf
        if np.isinf(made) and (isinstance(value, int) or math.isfinite(value)):
            raise NumberError("numbers too large for float64")
        return made
    raise NumberError(_name(value))


def _spelled(text: str) -> float:
    if not NUMBER.fullmatch(text):
        raise NumberError("text")
    made = float(text)
    if np.isinf(made) and "i" not in text.lower():
        raise NumberError("numbers too large for float64")
    return made


def _name(value: Any) -> str:
    """Return what one calls many of a value's kind."""
    if isinstance(value, bytes):
        return "text"
    if isinstance(value, complex | np.complexfloating):
        return "complex numbers"
    if isinstance(value, datetime.timedelta | np.timedelta64):
        return "durations"
    if isinstance(value, datetime.date | datetime.time | np.datetime64):
        return "dates or times"
    return "periods" if type(value).__name__ == "Period" else f"{type(value).__name__} values"


def _in_row(value: Any, row: int) -> str:
    shown = repr(value) if isinstance(value, str | bytes) else str(value).replace("\n", " ")
    return f"({shown[:40] + '…' if len(shown) > 40 else shown} in row {row})"
