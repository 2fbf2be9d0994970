"""CSV and its kin as a data frame: which separator, which encoding, which decimal point."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import itertools
import lzma
import re
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from aexbench import RequestError

if TYPE_CHECKING:
    import pandas as pd

OPENERS: dict[str, Callable[..., IO[Any]]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
SEPARATORS = ",;\t|"
MOST_COLUMNS = 20_000
LINES = 20  # that tell how values are separated
COMMA = re.compile(r"\s*[+-]?(\d+|\d*,\d+)(e[+-]?\d+)?\s*", re.IGNORECASE | re.ASCII)
THOUSANDS = re.compile(r"\s*[+-]?[1-9]\d{0,2},\d{3}\s*", re.ASCII)
DAMAGED = (ValueError, OSError, EOFError, csv.Error, zlib.error, lzma.LZMAError)


def read_text(path: Path, form: str) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Return the table of a `.csv` or `.tsv`, its names as they stand there, and notes.

    Raises
    ------
    RequestError
        If its separator is not clear, its first line holds no names, or too many.
    OSError, ValueError, …
        `DAMAGED`: if it cannot be read.
    """
    encoding = _encoding(path)
    lines = _first_lines(path, encoding)
    separator = "\t" if form == ".tsv" else _separator(lines, path)
    names = next((row for row in csv.reader(lines, delimiter=separator) if row), [])
    names = [name.strip() for name in names]
    check_width(len(names), path)  # before the rest is read
    if names and all(map(_is_number, names)) and not all(name.isdecimal() for name in names):
        raise RequestError(
            f"{path.name}: its first line holds numbers where names of columns should stand"
        )
    frame, notes = _decimal_commas(_frame(path, separator, encoding))
    if len(names) != frame.shape[1]:
        names = [str(name) for name in frame.columns]
    return frame, names, notes


def check_width(count: int, path: Path) -> None:
    """Raise RequestError for a table with more columns than anybody looks at."""
    if count > MOST_COLUMNS:
        raise RequestError(
            f"{path.name} has {count} columns, more than {MOST_COLUMNS}: keep those that matter"
        )


def _encoding(path: Path) -> str:
    with _open(path, "rb") as file:
        start = file.read(4)
    utf_16 = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return "utf-16" if utf_16 else "utf-8-sig"


def _open(path: Path, mode: str, **how: Any) -> IO[Any]:
    opened: IO[Any] = OPENERS.get(path.suffix.lower(), open)(path, mode, **how)
    return opened


def _first_lines(path: Path, encoding: str) -> list[str]:
    """Return the first lines that are not empty."""
    with _open(path, "rt", encoding=encoding, errors="replace", newline="") as file:
        return list(itertools.islice((line for line in file if line.strip("\r\n")), LINES))


def _separator(lines: list[str], path: Path) -> str:
    """Return what separates values: what stands in the first line, and equally often in others."""
    counts: dict[str, list[int]] = {}
    for separator in SEPARATORS:
        if lines and separator in lines[0]:
            rows = [len(row) for row in csv.reader(lines, delimiter=separator) if row]
            if rows[0] > 1:
                counts[separator] = rows[:-1] if len(lines) == LINES else rows  # it may go on
    even = [separator for separator, rows in counts.items() if len(set(rows)) == 1]
    if len(counts) <= 1 or not even:
        return next(iter(counts), ",")
    if len(even) > 1:
        raise RequestError(
            f"{path.name}: its values could be separated by any of {even}: write it with commas, "
            "and quotes around values that hold some"
        )
    return even[0]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _frame(path: Path, separator: str, encoding: str) -> pd.DataFrame:
    """Return the table of a CSV; a row with more values than the header has names is an error, not
    an index.
    """
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(
                path, sep=separator, encoding=encoding, index_col=False, low_memory=False
            )
        except pd.errors.ParserWarning:
            raise ValueError("its rows have more values than its header has names") from None


def _decimal_commas(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return a table with points in the place of decimal commas, where these can be nothing else.

    A comma before three digits may be one of thousands, and where other numbers have a point it is.
    """
    found = {n: texts for n in range(frame.shape[1]) if (texts := _with_commas(frame.iloc[:, n]))}
    points = any(
        column.dtype.kind == "f" and (column.dropna() % 1 != 0).any() for _, column in frame.items()
    )
    clear = any(not THOUSANDS.fullmatch(t) for texts in found.values() for t in texts if "," in t)
    if points or not clear:
        return frame, []
    columns = [frame.iloc[:, number] for number in range(frame.shape[1])]
    for number in found:
        columns[number] = columns[number].map(lambda t: t.replace(",", "."), na_action="ignore")
    import pandas as pd

    return pd.concat(columns, axis=1), ["decimal commas are read as points"]


def _with_commas(column: pd.Series[Any]) -> list[str]:
    """Return a column's texts where all of them are numbers and some have a comma; else none."""
    if column.dtype.kind in "biuf":
        return []
    texts = [str(value) for value in column.dropna()]
    numbers = all(map(COMMA.fullmatch, texts))
    return texts if numbers and any("," in text for text in texts) else []
