"""What in a table is no feature: numbers of rows, empty columns, labels (and see `clocks`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aexbench.datasets.tools.splits import dropping, listed, written

if TYPE_CHECKING:
    import pandas as pd

UNNAMED = re.compile(r"Unnamed: \d+(\.\d+)?|__index_level_\d+__|")  # by pandas, by Arrow
LEAST = 10  # rows of a table that numbers its own, on average
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")  # of a name such as is_anomaly or isAnomaly
FLAG = ("is", "flag", "bool", "binary", "id")
LABEL = re.compile(
    "abnormal|anomal(y|ies|ous)|attacks?|benign|class|defect(ive)?|failure|faulty?|fraud(ulent)?|"
    "intrusion|labels?|malicious|malware|normal|outliers?|target|truth"
)


def no_features(frame: pd.DataFrame) -> dict[str, str]:
    """Return the columns without a name that are no features, and what they are."""
    found = {}
    for position, name in enumerate(map(str, frame.columns)):
        if not UNNAMED.fullmatch(name):
            continue
        column = frame.iloc[:, position]
        if column.isna().all():
            found[name] = "empty"
        elif _numbers_rows(column.to_numpy(), position == 0):
            found[name] = "numbers of rows"
    return found


def _numbers_rows(values: NDArray[np.int64], first: bool) -> bool:
    """Whether a column counts rows; the first one may number them in any order, or those of several
    tables, one below the other.
    """
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all() or (values % 1).any():
        return False
    steps = np.diff(values)
    starts = 1 + int((steps <= 0).sum())  # of tables, if they number their rows
    several = bool(values.min(initial=0) >= 0) and starts * LEAST <= len(values)
    own = len(np.unique(values)) == len(values)
    return bool((steps == 1).all()) or (first and (own or several))


def left_out(columns: dict[str, str]) -> list[str]:
    """Return the line about columns that are left out."""
    texts = [f"{name!r} ({what})" for name, what in columns.items()]
    return [f"left out: {listed(texts)}"] if texts else []


def nameless(values: NDArray[np.float64], names: Sequence[str]) -> list[str]:
    """Return the line about columns of a table (N, M) without a name that may number its rows."""
    found = [
        name
        for name, column in zip(names, values.T, strict=True)
        if UNNAMED.fullmatch(name) and not (column % 1).any()
    ]
    shown = listed(map(repr, found))
    way_out = f"{dropping(found)} if it numbers rows"
    return [f"whole numbers without a name: {shown} ({way_out})"] if found else []


def labels(values: NDArray[np.float64], names: Sequence[str]) -> list[str]:
    """Return the line about columns of a table (N, M) of two values that have a label's name."""
    found = [
        name
        for name, column in zip(names, values.T, strict=True)
        if _names_label(name) and _two_labels(column, name)
    ]
    if not found:
        return []
    way_out = f"label={written(found[0])}, or {dropping(found)}"
    return [f"labels that are taken for features? {listed(map(repr, found))} ({way_out})"]


def unasked(arrays: Iterable[str]) -> list[str]:
    """Return the line about arrays that have a label's name, where no label is asked for."""
    found = [name for name in arrays if _names_label(name)]
    if not found:
        return []
    shown = listed(map(repr, found))
    return [f"labels that are not used? {shown} (label={written(found[0])})"]


def words(name: str) -> list[str]:
    """Return the words of a name.

    >>> words("isAnomaly_2")
    ['is', 'anomaly']
    """
    return [word.lower() for word in WORD.findall(name)]


def _names_label(name: str) -> bool:
    """Whether a name says label: `isFraud`, `attack_flag`; but not `class_1`, one of several."""
    own = [word for word in words(name) if word not in FLAG]
    one = not any(map(str.isdigit, name))
    return name in ("y", "Y") or (one and bool(own) and bool(LABEL.fullmatch(own[-1])))


def _two_labels(column: NDArray[np.float64], name: str) -> bool:
    """Whether the values of a column with a label's name are two; those of `ticket_class`, whose
    first word is none of a label, must be yes and no.
    """
    values = np.unique(column).tolist()
    own = [word for word in words(name) if word not in FLAG]
    return len(values) == 2 and (
        values in ([0, 1], [-1, 1]) or len(own) == 1 or bool(LABEL.fullmatch(own[0]))
    )
