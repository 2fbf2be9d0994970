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
from collections.abc import Callable, Collection
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from aexbench import RequestError
from aexbench.datasets.tools.columns import DATE
from aexbench.datasets.tools.splits import listed

if TYPE_CHECKING:
    import pandas as pd

OPENERS: dict[str, Callable[..., IO[Any]]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
SEPARATORS = ",;\t|"
MOST_COLUMNS = 20_000
LINES = 20  # that tell how values are separated
APART = re.compile(r"(?<=\S) +(?=\S)|[^\w\s.+\"'-]|[\t\x01-\x1f]")  # what may separate values
COMMA = re.compile(r"\s*[+-]?(\d+|\d*,\d+)(e[+-]?\d+)?\s*", re.IGNORECASE | re.ASCII)
GROUPED = re.compile(r"\s*[+-]?[\d.]*\d,\d[\d.,]*(e[+-]?\d+)?\s*", re.IGNORECASE | re.ASCII)
THOUSANDS = re.compile(r"\s*[+-]?[1-9]\d{0,2},\d{3}\s*", re.ASCII)
POINT = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}", re.ASCII)  # of thousands, as it may be
SHORT = re.compile(r"[+-]?\d{1,3}", re.ASCII)  # a whole number that needs no such point
ROWS = 10_000  # that tell what points are
VALUES = {"", "-", ".", "?", "na", "n/a", "#n/a", "none", "null", "missing", "true", "false"}
DECLARED = re.compile(r'"?sep=(.)"?[,;|\t]*', re.IGNORECASE)  # a first line for Excel
MARKS = {
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),  # it begins like the next one
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
}
DAMAGED = (ValueError, OSError, EOFError, csv.Error, zlib.error, lzma.LZMAError)


def read_text(
    path: Path, form: str, asked: Collection[str | None] = ()
) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Return the table of a `.csv` or `.tsv`, its names as they stand there, and notes; `asked` are
    the columns that somebody has named.

    Raises
    ------
    RequestError
        If its separator is not clear, its first line holds no names, or too many.
    OSError, ValueError, …
        `DAMAGED`: if it cannot be read.
    """
    encoding = _encoding(path)
    lines = _first_lines(path, encoding)
    declared = DECLARED.fullmatch(lines[0].strip("\r\n")) if lines else None
    if declared:
        lines, separator = lines[1:], declared[1]
    else:
        separator = "\t" if form == ".tsv" else _separator(lines, path)
    names = next((row for row in csv.reader(lines, delimiter=separator) if row), [])
    names = [name.strip() for name in names]
    check_width(len(names), path)  # before the rest is read
    if len(names) == 1:
        _check_alone(lines, separator, path)
    notes = _first_line(names, path, asked)
    how = {"sep": separator, "encoding": encoding, "skiprows": int(bool(declared))}
    raw = _frame(path, **how)
    if len(names) != raw.shape[1]:
        names = [str(name) for name in raw.columns]
    elif _is_row(names, raw):
        raise _no_names(path)
    frame, said = _decimal_commas(raw, separator)
    notes += said or _thousands(frame, names, path, how)
    return frame, names, notes


def _first_line(names: list[str], path: Path, asked: Collection[str | None]) -> list[str]:
    """Return what to say of a first line of numbers and gaps, if it holds names: those that pandas
    gives to columns without names, or one that is asked for.
    """
    numbers = [name for name in names if _is_number(name)]
    others = [name for name in names if not (_is_number(name) or _is_value(name))]
    counted = [name for name in names if name]  # an index has no name
    usual = [[str(first + n) for n in range(len(counted))] for first in (0, 1)]
    if not numbers or others or counted in usual:
        return []
    if not set(names) & set(asked):
        raise _no_names(path)
    return [f"its first line is taken for names: {listed(map(repr, names))}"]


def _is_value(text: str) -> bool:
    """Whether a text is a gap, a truth value or a date, and hardly a name."""
    return text.lower() in VALUES or DATE.match(text) is not None


def _is_row(names: list[str], frame: pd.DataFrame) -> bool:
    """Whether a first line of numbers and texts is a row: its texts are values of their columns."""
    if not any(map(_is_number, names)):
        return False
    texts = [n for n in range(len(names)) if frame.dtypes.iloc[n].kind not in "biuf" and names[n]]
    columns = ((names[n], frame.iloc[:, n].astype(str).str.strip()) for n in texts)
    return any((column == name).any() for name, column in columns if not _is_number(name))


def _no_names(path: Path) -> RequestError:
    return RequestError(
        f"{path.name}: its first line holds numbers where names of columns should stand: put a "
        "line of names above it, or, if these are names, a letter before each"
    )


def check_width(count: int, path: Path) -> None:
    """Raise RequestError for a table with more columns than anybody looks at."""
    if count > MOST_COLUMNS:
        raise RequestError(
            f"{path.name} has {count} columns, more than {MOST_COLUMNS}: keep those that matter"
        )


def _encoding(path: Path) -> str:
    with _open(path, "rb") as file:
        start = file.read(4096)
    for encoding, marks in MARKS.items():
        if start.startswith(marks):
            return encoding
    if b"\0" in start:
        raise RequestError(
            f"{path.name} holds NUL bytes: it is no text, or UTF-16 or UTF-32 without a byte "
            "order mark: save it as UTF-8"
        )
    return "utf-8-sig"


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


def _check_alone(lines: list[str], separator: str, path: Path) -> None:
    """Raise RequestError where the lines of a single column are equally often divided by a sign
    that is not known to separate values.
    """
    heads = [line.strip() for line in (lines[:-1] if len(lines) == LINES else lines)]
    known = "" if separator == "\t" else SEPARATORS  # which stand in quotes here
    for sign in dict.fromkeys(found[0][:1] for found in APART.finditer(heads[0])):
        if sign in known:
            continue
        counts = {sum(found[0][:1] == sign for found in APART.finditer(line)) for line in heads}
        if len(heads) > 1 and len(counts) == 1:
            form = "tabs in a .tsv" if separator == "\t" else "commas, semicolons, tabs and bars"
            raise RequestError(
                f"{path.name}: its lines hold one value each, or are they separated by {sign!r}? "
                f"Known are {form}: write it as .csv with commas"
            )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return COMMA.fullmatch(text) is not None
    return True


def _frame(path: Path, **how: Any) -> pd.DataFrame:
    """Return the table of a CSV; a row with more values than the header has names is an error, not
    an index.
    """
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            frame: pd.DataFrame = pd.read_csv(path, index_col=False, low_memory=False, **how)
        except pd.errors.ParserWarning:
            raise ValueError(
                "its rows have more values than its header has names: name every column in the "
                "first line, and remove what stands above the names"
            ) from None
    return frame


def _decimal_commas(frame: pd.DataFrame, separator: str) -> tuple[pd.DataFrame, list[str]]:
    """Return a table with points in the place of decimal commas, where these can be nothing else.

    A comma before three digits may be one of thousands, and where other numbers have a point it is.
    Between semicolons it is decimal in a column where no number goes without it; that is noted.
    """
    found = {n: texts for n in range(frame.shape[1]) if (texts := _with_commas(frame.iloc[:, n]))}
    if not found or any(_has_fractions(column) for _, column in frame.items()):
        return frame, []
    note = "decimal commas are read as points"
    if not any("," in t and not THOUSANDS.fullmatch(t) for texts in found.values() for t in texts):
        if separator != ";" or not all("," in t for texts in found.values() for t in texts):
            return frame, []
        note = "commas before three digits are read as decimal, are they of thousands?"
    columns = [frame.iloc[:, number] for number in range(frame.shape[1])]
    for number in found:
        columns[number] = columns[number].map(lambda t: t.replace(",", "."), na_action="ignore")
    import pandas as pd

    return pd.concat(columns, axis=1), [note]


def commas_in(column: pd.Series[Any]) -> str:
    """Return the first number of a column that has commas as no number is read, or ""."""
    texts = (value for value in column.dropna() if isinstance(value, str))
    return next((text for text in texts if GROUPED.fullmatch(text)), "")


def _with_commas(column: pd.Series[Any]) -> list[str]:
    """Return a column's texts where all of them are numbers and some have a comma; else none."""
    if column.dtype.kind in "biuf":
        return []
    texts = [str(value) for value in column.dropna()]
    numbers = all(map(COMMA.fullmatch, texts))
    return texts if numbers and any("," in text for text in texts) else []


def _thousands(frame: pd.DataFrame, names: list[str], path: Path, how: dict[str, Any]) -> list[str]:
    """Return the line about columns such as `964`, `4.639`, whose points may be of thousands; none
    where any other number shows that points are decimal.
    """
    if not all(_in_thousandths(column) for _, column in frame.items()):
        return []
    at = [number for number in range(frame.shape[1]) if _has_fractions(frame.iloc[:, number])]
    if not at:
        return []
    texts = _frame(path, **how, usecols=at, dtype=str, nrows=ROWS)
    columns = [texts.iloc[:, n].dropna().str.strip() for n in range(len(at))]
    pointed = [column[column.str.contains(".", regex=False)] for column in columns]
    if not all(column.str.fullmatch(POINT).all() for column in pointed):
        return []
    mixed = [
        names[number]
        for number, column, points in zip(at, columns, pointed, strict=True)
        if (len(points) < len(column) or how["sep"] == ";")  # which goes with decimal commas
        and column.drop(points.index).str.fullmatch(SHORT).all()
    ]
    if not mixed:
        return []
    shown = listed(map(repr, mixed))
    return [f"points before three digits are read as decimal, are they of thousands? {shown}"]


def _has_fractions(column: pd.Series[Any]) -> bool:
    return column.dtype.kind == "f" and bool((column.dropna() % 1 != 0).any())


def _in_thousandths(column: pd.Series[Any]) -> bool:
    if column.dtype.kind != "f":
        return True
    thousandths = column.dropna() * 1000
    return bool((abs(thousandths - thousandths.round()) < 1e-6).all())
