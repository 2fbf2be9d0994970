"""A table of your own: CSV, Parquet or NPZ.

`texts` reads CSV and its kin, `reading` any file by the role that its parts have, `table` makes
numbers of them and says all that is wrong with them, `remarks` and `clocks` find what is no
feature, `grouping` columns that encode one feature together, `runs` the rows that windows are of.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from aexbench import Dataset, Features, RequestError
from aexbench.contracts import Split, TruthKind
from aexbench.datasets import register
from aexbench.datasets.file.grouping import features_of
from aexbench.datasets.file.labels import label_rows
from aexbench.datasets.file.reading import ENDINGS, Roles
from aexbench.datasets.file.runs import check, in_no_window, runs_by_split, windowed
from aexbench.datasets.file.table import Table, tables
from aexbench.datasets.tools.embedding import Coding
from aexbench.datasets.tools.splits import (
    SHARES,
    SHARES_BEFORE_TEST,
    Parts,
    Scaled,
    notes,
    row_numbers,
    rows_in_time,
    rows_of_units,
    scaled,
    warn_of,
)
from aexbench.datasets.tools.training_scale import Scaling
from aexbench.datasets.tools.windows import Windows
from aexbench.declarations import Later
from aexbench.frames import Frame
from aexbench.specs import parse, write

SIGMOID = ("mlp", "conv1d", "gru", "lstm", "tcn", "transformer")  # what ends in one
Name = str | int | float  # of a column; a data frame without names has numbers


@register(
    "file", version=2, images=False, series="window", licence="your own data", endings=ENDINGS
)
def file(
    *,
    path: Path | Frame,
    label: Name | None = None,
    truth: Name | None = None,
    drop: Sequence[Name] = (),
    data: str = "X",
    autoencoder: str = "mlp",
    seed: Annotated[int, Ge(0)] = 0,
    test: Path | Frame | None = None,
    split: Literal["random", "time", "unit"] = "random",
    unit: Name | None = None,
    kind: Name | None = None,
    groups: Sequence[Name] = (),
    truth_kind: TruthKind = "symptom",
    scale: Scaling = "minmax",
    labels: Path | None = None,
    encoding: Annotated[Literal["scalar", "embedding"], Later("scalar")] = "scalar",
    coding: Coding = Coding(),  # noqa: B008
    windows: Windows = Windows(),  # noqa: B008
) -> Dataset:
    """Your own table: `.csv`, `.parquet` or `.npz`, one row per sample, every feature a finite
    number.

    Normal rows are split in 60 % training, 20 % validation and 20 % test; anomalous rows all go to
    the test split. Columns are scaled by the training rows; what is constant there is scaled by
    other rows, see `aexbench.datasets.tools.training_scale`. Rows are numbered from 0 as they stand
    in the file, and beside a test file as they stand in that one.

    Truth values and nullable numbers, decimals and texts that spell numbers are numbers; dates,
    times and durations never are. A column without a name that numbers the rows, as data frames
    write it, is left out. One `TableWarning` tells what was left out, which columns are constant in
    training, which look like clocks, dates or labels, how many anomalous rows have no cause, and
    where few values or those that stand for gaps (-999) lie far from all others; there is none
    where nothing is to be said.

    Parameters
    ----------
    path
        The file; from Python a data frame of pandas or polars too, see `aexbench.Dataset.of`.
        `.tsv`, and CSV with semicolons, tabs or bars between values or with decimal commas, are
        read too; so are `.csv.gz`, `.csv.bz2` and `.csv.xz`. The first line holds the names, below
        a line `sep=;` if there is one. Numbers are names where they count columns from 0 or 1, or
        where a parameter names one.
    label
        The column (in an NPZ: the array) that is 1, true or yes for anomalous rows, and 0, false or
        no for the others. Without it all rows count as normal.
    truth
        In CSV and Parquet the prefix of boolean columns that say which features make a row
        anomalous: with `truth=cause_`, column `cause_bytes` is the truth of feature `bytes`, and
        `cause_ip` that of a group `ip_*`. In an NPZ the name of an (N, M) array. A row with a cause
        must be labelled, where there are labels.
    drop
        Columns to leave out; those of an NPZ are called `feature 1`, `feature 2`, ….
    data
        The array of features in an NPZ.
    autoencoder
        The autoencoder to train, a name with brackets; `gru` of windows, where it is left out.
        Where the scale is not `minmax`, one whose output nobody names ends in `identity`: its
        sigmoid would end at 1.
    seed
        Of a random split.
    test
        A second file, all of whose rows are the test split. The normal rows of the first one are
        then for training (75 %) and validation; anomalous ones there are left out. It has the same
        columns in any order; label, truth, unit and kind may stand in it alone.
    split
        `random`: rows at random; those that are next to each other in time are then in different
        parts. `time`: the rows as they stand, the first 60 % of the normal ones for training.
        `unit`: whole units at random; those with an anomaly are for the test.
    unit
        The column (array) of what each row belongs to, a session or a machine: rows of one unit are
        not independent.
    kind
        The column (array) of the kind of each anomaly: scores are split by it.
    groups
        Patterns of columns that encode one feature together: `groups=[ip_*, port_*]`. Columns of 0
        and 1 of which one at most is 1 are a category's, others numbers; `ip_*:onehot`,
        `ip_*:hashed` and `ip_*:embedding` name a category's code.
    truth_kind
        What the truth marks: the features that are abnormal (`symptom`), those that the anomaly
        came from (`cause`), or `both` where these are the same.
    scale
        What the training rows give each column: `minmax`, so that it reaches from 0 to 1;
        `standard`, mean 0 and standard deviation 1; `robust`, median 0 and interquartile range 1
        (where the quartiles coincide, the whole range); `none`, for a model that takes values as
        they stand in the file. The Features' bounds are those of the training rows. A category's 0
        and 1 stay.

    labels
        A second file with a line for each row of the first: columns called like features say which
        make a row anomalous, one other column which rows are; `unit` and `kind` as above.
    encoding
        `scalar`: a column as it is. `embedding`: `columns` dense ones for each, sines of its rank
        among the training rows, see `aexbench.datasets.tools.embedding`; no scale changes a rank,
        and explanations are then not in the file's units.
    coding
        Of embedded features.
    windows
        Of the rows, which must be in the order of time: `split=time`, or `unit` where a unit's rows
        lie together. A window is of rows that follow one another in the file, all of one unit and
        of one split: none crosses what was left out between two of them. It is of the rows' unit;
        without units, those that meet one run of anomalous rows are of one.

    Raises
    ------
    RequestError
        If the file cannot be read, or something in it cannot be used: it says all that is wrong
        with it, by column and row.
    """
    coding.check(encoding)
    check(windows, split, encoding, groups)
    roles = Roles(
        label=_text(label),
        truth=_text(truth),
        unit=_text(unit),
        kind=_text(kind),
        drop=tuple(map(str, drop)),
        data=data,
        groups=tuple(map(str, groups)),
    )
    table = tables(path, test, roles, whole_units=split == "unit")
    if labels is not None:
        label_rows(table, labels, roles.groups)
    if windows.window is not None and autoencoder == "mlp":
        autoencoder = "gru"
    parts = _parts(table, split, seed)
    features, kept = features_of(table.names, table.values, roles.groups)
    made = scaled(
        table.values, table.names, parts.train, ~table.anomalous, scaling=scale, kept=kept
    )
    if made.bounds is not None and encoding == "scalar":
        features, autoencoder = features.within(*made.bounds), _unbounded(autoencoder)
    runs = runs_by_split(table, parts)
    said = [*table.notes, *notes([made])]
    said += in_no_window(windows, runs["test"], table.anomalous[parts.test])
    warn_of([_taken(table), *said] if said else [], stacklevel=3)
    dataset = _dataset(table, parts, made, features, autoencoder, truth_kind)
    if windows.window is not None:
        return windowed(dataset, windows, runs, gap=split == "time")
    return coding.embedded(dataset) if encoding == "embedding" else dataset


def _unbounded(autoencoder: str) -> str:
    """Return an autoencoder that can leave [0, 1], where nobody has named its output.

    >>> _unbounded("mlp[widths=[16, 8]]")
    'mlp[output=identity,widths=[16, 8]]'
    """
    name, parameters = parse(autoencoder)
    own = {"output": "identity"} if name in SIGMOID else {}
    return write(name, {**own, **parameters})


def _text(name: Name | None) -> str | None:
    return None if name is None else str(name)


def _units(table: Table) -> NDArray[np.int64] | None:
    """Return the number of each row's unit (N,), if the table has units."""
    return None if table.units is None else np.unique(table.units, return_inverse=True)[1]


def _dataset(
    table: Table,
    parts: Parts,
    made: Scaled,
    features: Features,
    autoencoder: str,
    truth_kind: TruthKind,
) -> Dataset:
    """Return the scaled rows of the three splits, with what the table says of those of the test."""
    labelled = table.labels is not None or table.truth is not None
    return Dataset(
        made.table[parts.train],
        made.table[parts.validation],
        made.table[parts.test],
        features,
        test_labels=table.anomalous[parts.test] if labelled else None,
        test_truth=_rows_of(table.truth, parts.test),
        autoencoder=autoencoder,
        test_units=_rows_of(_units(table), parts.test),
        test_kinds=_rows_of(table.kinds, parts.test),
        test_truth_kind=truth_kind,
        scale=made.scale,
        rows=_numbers(table, parts),
    )


def _rows_of(known: NDArray[Any] | None, rows: NDArray[np.int64]) -> NDArray[Any] | None:
    return None if known is None else known[rows]


def _parts(table: Table, split: str, seed: int) -> Parts:
    """Return the rows of the three splits; those of a test file are the test's."""
    units = _units(table)
    known, shares = table.anomalous, SHARES
    if table.from_test is not None:
        known, shares = table.anomalous[: table.from_test], SHARES_BEFORE_TEST
    if split == "time":
        parts = rows_in_time(known, shares)
    elif split == "unit":
        if units is None:
            raise RequestError("split=unit needs unit=COLUMN: what each row belongs to")
        parts = rows_of_units(known, units[: len(known)], seed, shares)
    else:
        parts = row_numbers(known, seed, shares)
    rest = np.arange(len(known), len(table.values))
    return Parts(parts.train, parts.validation, np.concatenate([parts.test, rest]))


def _numbers(table: Table, parts: Parts) -> dict[Split, NDArray[np.int64]]:
    """Return the number of each row in the file, by split; beside a test file, of its rows alone:
    a number stands for one row.
    """
    if table.from_test is not None:
        return {"test": parts.test - table.from_test}
    return {"train": parts.train, "validation": parts.validation, "test": parts.test}


def _taken(table: Table) -> str:
    count = int(table.anomalous.sum())
    rows = f"{len(table.values)} rows, {count} of them anomalous"
    return f"{table.source}: {rows}, {len(table.names)} columns"
