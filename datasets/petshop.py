"""PetShop: performance issues injected into a web shop of micro-services, with the service that is
at fault in each.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aexbench import Dataset, Features, RequestError
from aexbench.datasets import register
from aexbench.datasets.tools.splits import listed, notes, rows_in_time, scaled, warn_of
from aexbench.errors import plain
from aexbench.fetching.downloads import Download
from aexbench.fetching.local_data import folder

PERIOD_S = 300  # that a row sums up, from its timestamp on
MOST_GAPS = 0.5  # of the training rows: a column with more is left out
LEVELS = ["microservice", "metric", "statistic"]
NAMES = ("petshop-root-cause-analysis/dataset", "petshop/dataset", "dataset")
PAGE = "https://github.com/amazon-science/petshop-root-cause-analysis"
DOWNLOAD = Download(size=0, folders=NAMES, contains="high_traffic", page=PAGE, by_hand=True)

Scenario = Literal["high_traffic", "low_traffic", "temporal_traffic1", "temporal_traffic2"]
Floats = NDArray[np.float64]


class Fault(NamedTuple):
    """The rows of one injected issue, those that end before it began apart; the service at fault,
    and the metric of the shop's front that it has spoilt.
    """

    before: pd.DataFrame
    rows: pd.DataFrame
    service: str
    metric: str


class Taken(NamedTuple):
    """The columns that are taken, and all rows: normal ones, then those of the faults."""

    columns: pd.Index[Any]
    values: Floats
    filled: NDArray[np.bool_]  # what was a gap


def _place(root: Path | None, scenario: str) -> Path:
    return folder(root, NAMES, f"{scenario}/noissue", page=PAGE) / scenario


def _issues(place: Path) -> list[Path]:
    return sorted(path for part in ("train", "test") for path in (place / part).glob("issue_*"))


def _files(*, scenario: str, root: Path | None) -> dict[str, Path]:
    """Return the files of a scenario."""
    place = _place(root, scenario)
    issues = [path / name for path in _issues(place) for name in ("metrics.csv", "target.json")]
    files = [place / "noissue" / "metrics.csv", *issues]
    return {path.relative_to(place).as_posix(): path for path in files}


@register("petshop", version=1, images=False, licence="CC BY 4.0", download=DOWNLOAD, reads=_files)
def petshop(*, scenario: Scenario = "high_traffic", root: Path | None = None) -> Dataset:
    """PetShop, one scenario: latency, requests and availability of some 40 services in five minutes
    each, and the service that was at fault in each injected issue.

    A feature is a service: its seven columns are one group. The truth is the service into which the
    issue was injected: the cause. What it has spoilt elsewhere, which is more, is not marked. An
    issue is a unit; its kind is what it has spoilt at the shop's front, `latency` or
    `availability`. The issues of the publishers' folders `train` and `test` are all in the test
    split, in the order of time, behind its normal rows.

    Normal are the rows without an issue, and of an issue those that end before it began. In the
    order of time 60 % of them are for training, 20 % for validation and 20 % for the test. Issues
    are five months older than the rows without one, and the shop has changed in between: by these
    alone, every row of an issue would raise an alarm, whatever its service does. Rows are taken
    each by itself: a period that is missing changes nothing.

    Columns are scaled to [0, 1] by the training rows; test values may lie far outside of it. A
    column that is constant there is scaled by other rows, see
    `aexbench.datasets.tools.training_scale`.

    One `TableWarning` says what was left out and filled:

    - columns that only issues have: nothing is known of their normal values. An issue whose service
      has no other columns has no truth; its rows stay labelled
    - columns with gaps in more than half of the training rows
    - gaps, where a service had no request in five minutes, hold the mean of the training rows

    Nothing says when an issue ended: all its rows from its beginning on are labelled, and the last
    ones may be normal again.

    Parameters
    ----------
    scenario
        The load that the shop was under.
    root
        The folder `dataset` of its publishers' repository, or the repository; `AEXBENCH_DATA` names
        that, or the folder that it lies in.

    Raises
    ------
    RequestError
        If files are missing, or are not what they should be: it says which, and where.

    References
    ----------
    Hardt et al. 2024, "The PetShop Dataset — Finding Causes of Performance Issues across
    Microservices", CLeaR (arXiv 2311.04806), whose repository holds the data (CC BY 4.0). Its own
    evaluation looks at the third row of each issue.
    """
    place = _place(root, scenario)
    faults = _faults(place)
    quiet = _metrics(place / "noissue" / "metrics.csv")
    normal = _normal(quiet, faults)
    taken = _taken(normal, [fault.rows for fault in faults], len(normal))
    owner = np.repeat(np.arange(len(faults)), [len(fault.rows) for fault in faults])
    anomalous = np.arange(len(taken.values)) >= len(normal)
    train, validation, test = rows_in_time(anomalous)
    names = [" ".join(column) for column in taken.columns]
    made = scaled(taken.values, names, train, ~anomalous)
    features = Features(names=tuple(names), groups=_groups(taken.columns))
    warn_of([*_said(scenario, quiet, faults, taken), *notes([made])], stacklevel=3)
    starts = len(normal) + np.flatnonzero(np.diff(owner, prepend=-1))
    rest = test[~anomalous[test]]
    return Dataset(
        made.table[train],
        made.table[validation],
        made.table[test],
        features,
        anomalous[test],
        _truth(taken.columns, faults, owner, len(rest)),
        "mlp[widths=[64, 16]]",
        np.concatenate([rest, starts[owner]]),
        np.array(["normal"] * len(rest) + [faults[i].metric for i in owner]),
        "cause",
        made.scale,
    )


def _metrics(path: Path) -> pd.DataFrame:
    """Return a file's columns of numbers by service, metric and statistic, gaps as NaN; its index
    is the start of each period in seconds.
    """
    if not path.is_file():
        raise RequestError(f"there is no {path}")
    try:
        header, first = _header(path)
        table = pd.read_csv(path, header=None, skiprows=first, index_col=0)
    except (ValueError, csv.Error) as error:  # pandas' own errors of parsing are such
        raise RequestError(plain(f"{path}: {error}")) from None
    if {table.shape[1]} != set(map(len, header)):
        raise RequestError(f"{path}: its lines differ in length")
    table.columns = pd.MultiIndex.from_arrays(header)
    problem = next(_problems(table), None)
    if problem is not None:
        raise RequestError(plain(f"{path}: {problem}"))
    return table.astype(np.float64)


def _header(path: Path) -> tuple[list[list[str]], int]:
    """Return the names of the columns by level, and the number of the line where rows begin.

    pandas would give columns of one name other names.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = [line for line, _ in zip(csv.reader(file), range(4), strict=False)]
    if [line[:1] for line in lines[:3]] != [[level] for level in LEVELS]:
        raise ValueError(f"its first three lines must name {', '.join(LEVELS)}")
    named = len(lines) > 3 and not any(lines[3][1:])  # the index has a line for its name
    return [line[1:] for line in lines[:3]], 3 + named


def _problems(table: pd.DataFrame) -> Iterator[str]:
    """Yield what is wrong with a table of metrics."""
    if table.empty:
        yield "it is empty"
    for column in table.columns[table.columns.duplicated()]:
        yield f"two columns are called {' '.join(map(str, column))!r}"
    numbers = table.dtypes.map(lambda dtype: dtype.kind in "if")
    for column in table.columns[~numbers]:
        yield f"column {' '.join(map(str, column))!r} holds something else than numbers"
    if np.isinf(table.to_numpy(np.float64)).any():
        yield "not every value is finite"
    times = table.index.to_numpy()
    if times.dtype.kind not in "if" or not (np.diff(times) > 0).all() or not np.isfinite(times[0]):
        yield "its first column must be seconds, in ascending order"


def _faults(place: Path) -> list[Fault]:
    """Return the faults of a scenario, in the order of time."""
    faults = [_fault(path) for path in _issues(place)]
    found = [fault for fault in faults if len(fault.rows)]
    if not found:
        raise RequestError(
            f"{place}: no folder train/issue_N or test/issue_N with rows of an issue"
        )
    return sorted(found, key=lambda fault: float(fault.rows.index[0]))


def _fault(path: Path) -> Fault:
    """Return one issue: of its rows those that end after it began."""
    rows = _metrics(path / "metrics.csv")
    try:
        described = json.loads((path / "target.json").read_text(encoding="utf-8"))
        target, service = described["target"], described["root_cause"]["node"]
        began, metric = float(target["timestamp"]), str(target["metric"])
    except (OSError, ValueError, KeyError, TypeError):
        asked = "target.timestamp, target.metric and root_cause.node"
        raise RequestError(f"{path / 'target.json'}: it does not say {asked}") from None
    late = rows.index.to_numpy(np.float64) + PERIOD_S > began
    return Fault(rows[~late], rows[late], str(service), metric)


def _normal(quiet: pd.DataFrame, faults: Sequence[Fault]) -> pd.DataFrame:
    """Return all normal rows in the order of time: without an issue, or before it began."""
    rows = pd.concat([quiet, *(fault.before for fault in faults)])
    return rows[quiet.columns].sort_index(kind="stable")


def _taken(normal: pd.DataFrame, faults: Sequence[pd.DataFrame], count: int) -> Taken:
    """Return the columns that training rows hold, with their mean in what gaps are left."""
    train = rows_in_time(np.zeros(count, dtype=bool)).train
    learnt = normal.iloc[train]
    columns = normal.columns[(learnt.isna().mean() <= MOST_GAPS).to_numpy()]
    rows = pd.concat([part.reindex(columns=columns) for part in (normal, *faults)])
    gaps = rows.isna().to_numpy()
    values = rows.fillna(learnt[columns].mean()).to_numpy(np.float64)
    return Taken(columns, values, gaps)


def _groups(columns: pd.Index[Any]) -> tuple[int, ...]:
    """Return the number of each column's service, in the order in which they come."""
    return tuple(pd.factorize(columns.get_level_values(0))[0].tolist())


def _truth(
    columns: pd.Index[Any], faults: Sequence[Fault], owner: NDArray[np.int64], before: int
) -> NDArray[np.bool_]:
    """Return the columns of the service at fault (N, M): none in the first rows, which are normal,
    then for each row those of its fault.
    """
    services = columns.get_level_values(0).to_numpy()
    at_fault = np.array([services == fault.service for fault in faults])
    return np.concatenate([np.zeros((before, len(columns)), dtype=bool), at_fault[owner]])


def _said(
    scenario: str, quiet: pd.DataFrame, faults: Sequence[Fault], taken: Taken
) -> Iterator[str]:
    """Yield what was taken, and what was left out and filled."""
    services = taken.columns.get_level_values(0)
    before = sum(len(fault.before) for fault in faults)
    rows = sum(len(fault.rows) for fault in faults)
    normal = len(quiet) + before
    yield (
        f"petshop, {scenario}: {normal} normal rows ({before} of them before an issue), {rows} of "
        f"{len(faults)} issues, {len(taken.columns)} columns of {services.nunique()} services"
    )
    yield from _left_out(quiet, faults, taken)
    gaps = [int(part.sum()) for part in np.split(taken.filled, [normal])]
    if any(gaps):
        yield f"gaps filled: {gaps[0]} in normal rows, {gaps[1]} in those of issues"


def _left_out(quiet: pd.DataFrame, faults: Sequence[Fault], taken: Taken) -> Iterator[str]:
    """Yield which columns were left out, and the services at fault that have none left."""
    only = {column for fault in faults for column in fault.rows} - set(quiet.columns)
    if only:
        yield f"left out: {len(only)} columns that only issues have"
    empty = quiet.shape[1] - len(taken.columns)
    if empty:
        yield f"left out: {empty} columns with gaps in most training rows"
    lost = {fault.service for fault in faults} - set(taken.columns.get_level_values(0))
    if lost:
        yield f"no column is left of {listed(sorted(lost))}: issues there have no truth"
