"""The data set `postgres-log`: statements in the logs of a PostgreSQL server, by the features that
the logs carry.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aexbench import Dataset, RequestError, SkipError
from aexbench.datasets import register
from aexbench.datasets.sql.encoding import fit
from aexbench.datasets.sql.postgres.files import WAYS, find
from aexbench.datasets.sql.postgres.language import WAY_OUT
from aexbench.datasets.sql.postgres.lines import Report
from aexbench.datasets.sql.postgres.sessions import Statements
from aexbench.datasets.sql.schema import NAMES, Activity
from aexbench.datasets.tools.splits import TRAIN, VALIDATION
from aexbench.errors import plain
from aexbench.extras import optional

LEAST = 50  # statements
SWITCH_ON = (
    "the server logs statements with log_statement = 'all' or log_min_duration_statement = 0"
)


class LogWarning(UserWarning):
    """What was read of a log and what was not: one line."""


@register("postgres-log", version=3, images=False, licence="your own data")
def postgres_log(
    *,
    path: Path,
    format: Literal["auto", "stderr", "csvlog", "jsonlog"] = "auto",
    prefix: str | None = None,
    encoding: Literal["scalar", "groups"] = "scalar",
    autoencoder: str = "mlp[widths=[16, 8]]",
) -> Dataset:
    """Statements in the logs of a PostgreSQL server; a feature that the logs do not carry is left
    out and named.

    The first 60 % of the statements are for training, the next 20 % for validation, the rest for
    the test: a log is a stream, and what comes later is what a detector will meet. Statements of
    one session are one unit. Nothing is labelled. Statements that only an extension tells
    (`auto_explain`, `pgaudit`) are read from there, each once. What was read, what was not, and
    which features are left out is told in one `LogWarning`.

    Parameters
    ----------
    path
        A log with messages in English, or a folder of them (`server.log`, `server.csv.1`,
        `server.json-2024.gz`), plain, gzip, bzip2 or xz, in UTF-8 or UTF-16; read in the order of
        time. Where a folder holds several formats, one is read: csvlog, else jsonlog, else stderr.
        What docker, kubernetes, syslog, journald or CloudWatch have put before each line is left
        out; lines in objects of docker, journald or CloudNativePG (JSON) are taken out of them.
    format
        Of the log; `auto` looks at its first lines.
    prefix
        For stderr: the server's `log_line_prefix`, as `SHOW log_line_prefix` prints it. Without it,
        common ones are tried. Of `%u@%d` the database is what has no `@`.
    encoding
        `scalar`: one column per feature. `groups`: one-hot and hashed columns of categories, sine
        and cosine of times.
    autoencoder
        The autoencoder to train, a name with brackets.

    Raises
    ------
    RequestError
        If there is no log, its prefix cannot be guessed, most of its lines belong to no entry, its
        messages are not in English, it is newest first, or it holds fewer than 50 statements.

    References
    ----------
    PostgreSQL documentation, chapter "Error Reporting and Logging" (`log_line_prefix`, csvlog,
    jsonlog).
    """
    report, statements = Report(), Statements(_measure())
    logs = find(path, format, prefix, report)
    for log in logs:
        for entry in log.entries(report):
            statements.add(entry)
    _check(path, report, statements, WAYS[logs[0].format])
    first, second = (int(share * len(statements)) for share in (TRAIN, TRAIN + VALIDATION))
    activity = carried(statements.activity(), first)
    report.notes += _notes(report, statements)
    warnings.warn(
        LogWarning(summary(report, len(statements), statements.unparsed, activity)), stacklevel=2
    )
    encoder = fit(slice_of(activity, 0, first), encoding, _printable(statements.vocabulary))
    x = encoder.encode(activity)
    test_units = statements.units[second:]
    return Dataset(
        x[:first],
        x[first:second],
        x[second:],
        encoder.features,
        autoencoder=autoencoder,
        test_units=test_units,
    )


def _measure() -> Callable[[str], Any]:
    try:
        optional("sqlglot", "sql")
    except SkipError as error:
        raise RequestError(str(error)) from None
    from aexbench.datasets.sql.postgres.statements import measure

    return measure


def _check(path: Path, report: Report, statements: Statements, way_out: str) -> None:
    """Refuse a log that cannot be read, or not enough of it: with the reason."""
    few = len(statements) < LEAST
    if few and (report.foreign or statements.foreign > len(statements)):
        example = plain(report.foreign or statements.example)
        raise RequestError(f"the messages of {path} {WAY_OUT}; one: {example!r}")
    known = [*_left_out(statements), *report.notes]  # files that end early or are not read, too
    if not report.entries:
        lost = f"none of the {report.lines} lines of {path} can be read: {way_out}"
        raise RequestError("; ".join([lost, *known]))
    if 2 * report.rejected > report.lines:
        lost = f"{report.rejected} of the {report.lines} lines of {path} belong to no entry"
        raise RequestError("; ".join([f"{lost} (first: {report.first}): {way_out}", *known]))
    if few:
        lines = f"{report.lines} lines, {report.rejected} of them not readable"
        read = f"{len(statements)} statements ({lines})"
        needed = f"{path} holds {read}; at least {LEAST} are needed: {SWITCH_ON}"
        raise RequestError("; ".join([needed, *known]))
    if statements.earlier > 2 * statements.later:
        raise RequestError(
            f"{path} goes backwards in time: {statements.earlier} of {report.entries} entries are "
            "earlier than the one before: export it oldest first, as what comes first is trained on"
        )


def _left_out(statements: Statements) -> list[str]:
    """Return in a line each what of extensions was read, and what was not."""
    taken = +statements.taken  # those that are above 0
    notes = [f"{count} statements told by {name} alone" for name, count in taken.items()]
    for name, count in statements.left_out.items():
        notes.append(f"{count} {name} left out, as they hold no statement")
    return notes


def _notes(report: Report, statements: Statements) -> list[str]:
    """Return in a line each what else a reader should know."""
    notes = _left_out(statements)
    if statements.foreign:
        notes.append(f"{statements.foreign} messages left out: they {WAY_OUT}")
    if statements.jumps:
        notes.append(
            f"{statements.jumps} entries are more than a second earlier than the one before (a "
            "clock that was set back, or logs that overlap): their gap counts as 0, and the splits "
            "follow the order of the lines"
        )
    if report.unclear:
        notes.append(
            f"user and database of {report.unclear} entries left out, as the sign between them in "
            "log_line_prefix is also in their names"
        )
    return notes


def carried(activity: Activity, first: int) -> Activity:
    """Return the features of which the `first` rows, those for training, know at
    least one value.
    """
    return {name: column for name, column in activity.items() if _known(column[:first]).any()}


def _known(column: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(column >= 0)  # neither -1 nor NaN


def slice_of(activity: Activity, start: int, stop: int) -> Activity:
    """Return some of the rows."""
    return {name: column[start:stop] for name, column in activity.items()}


def summary(report: Report, statements: int, unparsed: int, activity: Activity) -> str:
    """Return in one line what was read and what was not."""
    parts = [f"{report.lines} lines read, {report.entries} entries, {statements} statements"]
    parts.append(
        f"{report.rejected} lines could not be read"
        + (f" (first: {report.first})" if report.first else "")
    )
    parts.append(f"{unparsed} statements of unknown structure")
    missing = [name for name in NAMES if name not in activity]
    parts.append(f"features left out, as the log does not carry them: {', '.join(missing)}")
    return "; ".join([*parts, *report.notes])


def _printable(vocabulary: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return names as they may be shown: they come from a stranger's log."""
    return {feature: tuple(map(plain, names)) for feature, names in vocabulary.items()}
