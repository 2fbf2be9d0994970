"""From a file's parts to numbers, labels, causes, units and kinds; or all that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aexbench import RequestError
from aexbench.datasets.file import clocks, grouping, remarks
from aexbench.datasets.file.reading import Content, Roles, read, shared
from aexbench.datasets.file.texts import commas_in
from aexbench.datasets.tools.splits import dropping, listed
from aexbench.errors import unknown
from aexbench.frames import Frame, NumberError, number, numbers, shortened

if TYPE_CHECKING:
    import pandas as pd

WORDS = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
NORMAL = "normal"  # the kind of a row that is none


@dataclass
class Table:
    """A table of numbers and what is known of its rows.

    Attributes
    ----------
    names, values : (M,), (N, M)
        The features.
    labels, truth : (N,), (N, M) bool or None
        Which rows are anomalous, and which columns make them so.
    units, kinds : (N,) str or None
        What rows belong to, and the kinds of the anomalies, as texts.
    from_test
        The first row that comes from a test file, where there is one.
    places : (N,) int or None
        Where rows stand in their files; as they stand here without it.
    wrong, notes
        What is wrong with it, and what to say of it.
    source
        What messages call it.
    """

    names: list[str]
    values: NDArray[np.float64]
    labels: NDArray[np.bool_] | None = None
    truth: NDArray[np.bool_] | None = None
    units: NDArray[np.str_] | None = None
    kinds: NDArray[np.str_] | None = None
    from_test: int | None = None
    places: NDArray[np.int64] | None = None
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    source: str = ""

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Where each row (N,) stands in its file."""
        return np.arange(len(self.values)) if self.places is None else self.places

    @property
    def anomalous(self) -> NDArray[np.bool_]:
        """Which rows (N,) are anomalous: those that are labelled, else those with a cause."""
        if self.labels is not None:
            return self.labels
        if self.truth is not None:
            return np.asarray(self.truth.any(axis=1))
        return np.zeros(len(self.values), dtype=bool)


def tables(
    path: Path | Frame, test: Path | Frame | None, roles: Roles, *, whole_units: bool = False
) -> Table:
    """Return the table of a file or a data frame, or of one and that of its test.

    Raises
    ------
    RequestError
        If something cannot be used: it says all that is wrong, by column and row.
    """
    contents = [read(path, roles)]
    if test is not None:
        contents.append(read(test, roles, "the test's frame"))
    _same_columns(contents)
    missing = shared(contents)
    if test is not None and whole_units:
        missing += [text for (role, _), text in contents[0].missing.items() if role == "unit"]
    made = [_table(content, roles) for content in contents]
    _complain(contents, [*missing], made)
    made[0].source = contents[0].path.name
    made[0].notes += mostly_anomalous(made[0], roles.label)
    made[-1].notes += _without_cause(made[-1], roles)  # anomalies beside a test are left out
    return made[0] if test is None else _joined(made)


def _complain(contents: Sequence[Content], missing: Sequence[str], made: Sequence[Table]) -> None:
    """Raise RequestError that says all that is wrong."""
    lines = [*missing]
    for content, table in zip(contents, made, strict=True):
        of_file = shortened([*content.wrong, *table.wrong])
        if of_file and content.path.name not in of_file[0]:
            of_file[0] = f"{content.path.name}: {of_file[0]}"
        lines += of_file
    if lines:
        raise RequestError("; ".join(lines))


def _same_columns(contents: Sequence[Content]) -> None:
    """Leave out what is no feature, of two files the same; put their columns in one order."""
    out: dict[str, str] = {}
    for content in contents:
        out |= remarks.no_features(content.features)
    for content in contents:
        own = {name: what for name, what in out.items() if name in content.names}
        content.features = content.features.drop(columns=list(own))
        content.notes += remarks.left_out(own)
    first, last = contents[0], contents[-1]
    if set(first.names) == set(last.names):
        last.features = last.features[first.names]
        return
    for one, other in ((first, last), (last, first)):
        alone = [name for name in one.names if name not in set(other.names)]
        if alone:
            what = f"columns that {other.path.name} lacks: {listed(map(repr, alone))}"
            one.wrong.append(f"{one.path.name} has {what}")


def _table(content: Content, roles: Roles) -> Table:
    """Return one file's table, with all that is wrong."""
    frame, names = content.features, content.names
    made = Table(names, np.empty(frame.shape), notes=content.notes)
    if not names:
        made.wrong.append(f"{content.path} has no feature columns")
    for position, name in enumerate(names):
        made.wrong += _fill(made.values[:, position], frame.iloc[:, position], name)
    what = f"label column {roles.label!r} of {content.path.name}"
    if "label" in content.columns:
        made.labels, wrong = booleans(content.columns["label"], what)
        made.wrong += wrong
    made.wrong += grouping.complaints(roles.groups, names) if names else []
    made.truth, wrong = _truth(content, roles)
    made.wrong += wrong
    if not made.wrong:
        made.wrong += unlabelled(made)
        made.wrong += grouping.not_one_hot(roles.groups, names, made.values)
        made.notes += clocks.notes(made.values, names)
        made.notes += remarks.nameless(made.values, names)
        made.notes += remarks.labels(made.values, names) if roles.label is None else []
    if "kind" in content.columns and made.labels is None and made.truth is None:
        made.wrong.append("kind says of which kind an anomaly is: give label or truth too")
    for role in ("unit", "kind"):
        if role in content.columns:
            name_rows(made, role, content.columns[role], str(getattr(roles, role)))
    return made


def _fill(target: NDArray[np.float64], column: pd.Series[Any], name: str) -> Iterator[str]:
    """Write a column's numbers to their place; yield what is wrong with it."""
    found, trouble = numbers(column, first=1)
    if trouble:
        yield f"column {name!r} {trouble}: {_way_out(column)}, or {dropping([name])}"
        return
    target[:] = found
    rows = np.flatnonzero(~np.isfinite(target))
    if len(rows):
        yield (
            f"column {name!r} is empty or not finite in row {rows[0] + 1} ({len(rows)} such rows "
            f"in all): fill the gaps, or {dropping([name])}"
        )


def _way_out(column: pd.Series[Any]) -> str:
    """Return what to do with a column that is not numbers alone."""
    if example := commas_in(column):
        return (
            f"are the commas of {example.strip()[:40]!r} decimal or of thousands? Write a point "
            "for a decimal one, and nothing for one of thousands"
        )
    return "encode it as numbers"


def booleans(column: pd.Series[Any], what: str) -> tuple[NDArray[np.bool_], list[str]]:
    """Return 0 and 1, or words for them, as booleans (N,), and what is wrong with them."""
    found = np.asarray(column, dtype=np.float64) if _plain(column) else _read_words(column)
    wrong = np.flatnonzero((found != 0) & (found != 1))
    if not len(wrong):
        return found == 1, []
    value, row = column.iloc[wrong[0]], wrong[0] + 1
    held = f"row {row} is empty" if _missing(value) else f"row {row} holds {str(value)[:40]!r}"
    says = f"{what} must be 0 or 1 (or false, true) in every row: {held}"
    more = f" ({len(wrong)} such rows)" if len(wrong) > 1 else ""
    signs = set(found[np.isfinite(found)]) == {-1.0, 1.0}
    hint = "; -1 and 1 do not say which is the anomaly" if signs else ""
    return found == 1, [f"{says}{more}{hint}"]


def _plain(column: pd.Series[Any]) -> bool:
    return isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf"


def _missing(value: Any) -> bool:
    import pandas as pd

    return bool(np.ndim(value) == 0 and pd.isna(value))


def _read_words(column: pd.Series[Any]) -> NDArray[np.float64]:
    """Return values that spell a truth or a number; NaN for all others."""
    found = np.full(len(column), np.nan)
    for row, value in enumerate(column.astype(object)):
        text = value.decode("latin-1") if isinstance(value, bytes) else value
        word = WORDS.get(text.strip().lower()) if isinstance(text, str) else None
        try:
            found[row] = number(text) if word is None else word
        except NumberError:
            continue
    return found


def _truth(content: Content, roles: Roles) -> tuple[NDArray[np.bool_] | None, list[str]]:
    """Return which features are the cause in each row (N, M), and what is wrong with that."""
    if content.causes is None:
        return None, []
    names = {name: position for position, name in enumerate(content.names)}
    wrong: list[str] = []
    truth = np.zeros((len(content.features), len(names)), dtype=bool)
    titles = {grouping.title(p): grouping.members(p, list(names)) for p in roles.groups}
    for position, name in enumerate(map(str, content.causes.columns)):
        shown = repr(f"{roles.truth}{name}")
        if content.array is not None:
            shown = f"{name!r} of array {content.array!r}"
        marked = [name] if name in names else titles.get(name, [])
        if name in roles.drop:
            content.notes.append(f"left out: the causes of {name!r}")
        elif not marked:
            wrong.append(str(unknown(f"feature in column {shown}: feature", name, names)))
        else:
            flags, trouble = booleans(content.causes.iloc[:, position], f"column {shown}")
            wrong += trouble
            truth[:, [names[one] for one in marked]] |= flags[:, None]
    return truth, wrong


def unlabelled(made: Table) -> list[str]:
    """Return what is wrong with causes in rows that are not anomalous."""
    if made.labels is None or made.truth is None:
        return []
    rows = np.flatnonzero(made.truth.any(axis=1) & ~made.labels)
    if not len(rows):
        return []
    cause = made.names[int(made.truth[rows[0]].argmax())]
    return [
        f"row {rows[0] + 1} has a cause, {cause!r}, and is labelled as normal ({len(rows)} such "
        "rows in all)"
    ]


def _without_cause(made: Table, roles: Roles) -> list[str]:
    """Return the line about anomalous rows whose explanations cannot be scored."""
    if made.labels is None or made.truth is None:
        return []
    rows = np.flatnonzero(made.labels & ~made.truth.any(axis=1))
    if not len(rows):
        return []
    return [
        f"{len(rows)} rows are anomalous by {roles.label!r}, and {roles.truth!r} has no cause for "
        f"them: their explanations are not scored (first: row {rows[0] + 1})"
    ]


def mostly_anomalous(made: Table, label: str | None) -> list[str]:
    """Return the line about a label that may have its meaning turned round."""
    count = 0 if made.labels is None else int(made.labels.sum())
    if 2 * count <= len(made.values):
        return []
    return [
        f"{count} of {len(made.values)} rows are anomalous by {label!r}: 1 is the anomaly "
        "there, not the normal row"
    ]


def name_rows(made: Table, role: str, column: pd.Series[Any], title: str) -> None:
    """Set the units or the kinds of a table's rows."""
    missing = np.asarray(column.isna(), dtype=bool)
    texts = np.array([str(value) for value in column.astype(object)], dtype=np.str_)
    if role == "unit":
        made.units = texts
        rows = np.flatnonzero(missing)
    else:
        made.kinds = np.where(missing, NORMAL, texts)
        rows = np.flatnonzero(missing & made.anomalous)
    if len(rows):
        made.wrong.append(
            f"{role} column {title!r} is empty in row {rows[0] + 1} ({len(rows)} such rows in all)"
        )


def _joined(made: Sequence[Table]) -> Table:
    """Return the normal rows of a table and all rows of its test."""
    first, test = made
    if test.anomalous.all():
        raise RequestError("no row of the test file is normal: corruptions start from normal ones")
    kept = ~first.anomalous
    count, left = int(kept.sum()), int(first.anomalous.sum())
    notes = [*first.notes, *test.notes]
    if left:
        notes.append(f"{left} anomalous rows of {first.source} are left out: the test has its own")
    none = np.zeros((count, len(first.names)), dtype=bool)
    units = np.full(count, "") if first.units is None else first.units[kept]
    return Table(
        first.names,
        np.concatenate([first.values[kept], test.values]),
        None if test.labels is None else np.concatenate([none[:, 0], test.labels]),
        None if test.truth is None else np.concatenate([none, test.truth]),
        None if test.units is None else np.concatenate([units, test.units]),
        None if test.kinds is None else np.concatenate([np.full(count, NORMAL), test.kinds]),
        from_test=count,
        places=np.concatenate([np.flatnonzero(kept), np.arange(len(test.values))]),
        notes=list(dict.fromkeys(notes)),
        source=first.source,
    )
