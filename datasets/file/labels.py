"""Labels in a file of their own: which rows are anomalous, and which features make them so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aexbench import RequestError
from aexbench.datasets.file import grouping, remarks
from aexbench.datasets.file.reading import Content, Roles, read
from aexbench.datasets.file.table import (
    Table,
    booleans,
    mostly_anomalous,
    name_rows,
    unlabelled,
)
from aexbench.errors import unknown
from aexbench.frames import shortened

if TYPE_CHECKING:
    import pandas as pd

UNIT, KIND = "unit", "kind"  # columns of what rows belong to, and of the kinds of anomalies


def label_rows(table: Table, path: Path, groups: tuple[str, ...]) -> None:
    """Label a table's rows by a file that has as many.

    Columns that are called like features, or like groups of them, say which make a row anomalous;
    one other column says which rows are. `unit` and `kind` are what each row belongs to, and the
    kind of its anomaly.

    Raises
    ------
    RequestError
        If the table has labels already, or the file's do not belong to its rows.
    """
    if table.from_test is not None:
        raise RequestError(
            f"{path.name} labels the rows of one file: label those of the test file there, by "
            "label and truth"
        )
    if table.labels is not None or table.truth is not None:
        raise RequestError(f"{path.name} labels rows that have labels: leave label and truth out")
    content = read(path, Roles())
    out = remarks.no_features(content.features)
    content.features = content.features.drop(columns=list(out))
    if len(content.features) != len(table.values):
        rows = f"{len(content.features)} rows, and there are {len(table.values)}"
        raise RequestError(f"{path.name} labels {rows}: one line for each row, in their order")
    told = {role: content.features.pop(role) for role in (UNIT, KIND) if role in content.names}
    features, others = _sorted_out(table, content, groups)
    if len(others) > 1:
        raise unknown(f"feature in {path.name}", others[0], table.names)
    flags = {name: _flags(content, name) for name in content.names}
    if features:
        table.truth = _marked(table, features, flags)
    table.labels = flags[others[0]] if others else None
    _name(table, told)
    _complain(table, path)
    table.notes += [*remarks.left_out(out), *mostly_anomalous(table, path.name)]


def _name(table: Table, told: dict[str, pd.Series[Any]]) -> None:
    """Take in the units and kinds of rows; what is wrong with them is said by the table."""
    for role, column in told.items():
        if getattr(table, f"{role}s") is not None:
            table.wrong.append(f"{role} of the rows is known already: leave one of both out")
        else:
            name_rows(table, role, column, role)


def _complain(table: Table, path: Path) -> None:
    """Raise RequestError that says all that is wrong with the labels."""
    count = int(table.anomalous.sum())
    if count in (0, len(table.values)):
        raise RequestError(f"{path.name} labels {count} of {len(table.values)} rows as anomalous")
    if wrong := [*unlabelled(table), *table.wrong]:
        raise RequestError(f"{path.name}: {'; '.join(shortened(wrong))}")


def _sorted_out(
    table: Table, content: Content, groups: tuple[str, ...]
) -> tuple[dict[str, list[str]], list[str]]:
    """Return which columns of the table each column marks, and the columns that mark none."""
    titles = {grouping.title(p): grouping.members(p, table.names) for p in groups}
    known = titles | {name: [name] for name in table.names}
    features = {name: known[name] for name in content.names if name in known}
    return features, [name for name in content.names if name not in known]


def _flags(content: Content, name: str) -> NDArray[np.bool_]:
    found, wrong = booleans(content.features[name], f"column {name!r} of {content.path.name}")
    if wrong:
        raise RequestError("; ".join(shortened(wrong)))
    return found


def _marked(
    table: Table, features: dict[str, list[str]], flags: dict[str, NDArray[np.bool_]]
) -> NDArray[np.bool_]:
    truth = np.zeros(table.values.shape, dtype=bool)
    for name, columns in features.items():
        places = [table.names.index(column) for column in columns]
        truth[:, places] |= flags[name][:, None]
    return truth
