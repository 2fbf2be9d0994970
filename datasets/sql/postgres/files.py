"""From a path to the files of a log: plain or compressed, of which format, in which order."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, NoReturn

from aexbench import RequestError
from aexbench.datasets.sql.postgres import streams
from aexbench.datasets.sql.postgres.collectors import TAB, collector
from aexbench.datasets.sql.postgres.language import WAY_OUT, foreign_line
from aexbench.datasets.sql.postgres.lines import (
    CSV_ENTRY,
    Entry,
    Report,
    csvlog,
    jsonlog,
    stderr,
)
from aexbench.datasets.sql.postgres.prefix import guess, line_pattern, nearest
from aexbench.errors import plain

Format = Literal["stderr", "csvlog", "jsonlog"]
RICHEST: tuple[Format, ...] = (
    "csvlog",
    "jsonlog",
    "stderr",
)  # where a server has written one log in several formats
HEAD = 1000  # lines by which a format is known
LOG_NAME = re.compile(r".+\.(?:log|csv|json)(?:[.-][\w.-]*)?")


@dataclass(frozen=True)
class LogFile:
    """A file of known format; `pattern` takes the lines of stderr apart."""

    path: Path
    format: Format
    pattern: re.Pattern[str] | None = None

    def entries(self, report: Report) -> Iterator[Entry]:
        """Yield the entries; what is met goes into `report`."""
        report.file, report.line = plain(self.path.name), 0
        for entry in self._read(streams.lines(self.path, report), report):
            report.entries += 1
            yield entry

    def _read(self, lines: Iterator[str], report: Report) -> Iterator[Entry]:
        if self.pattern is not None:
            return stderr(lines, report, self.pattern)
        return csvlog(lines, report) if self.format == "csvlog" else jsonlog(lines, report)

    def begin(self) -> tuple[float, str]:
        """Return the time of the first entry, and the name for those that have none."""
        known = (
            entry.time
            for entry in islice(self.entries(Report()), HEAD)
            if not math.isnan(entry.time)
        )
        return next(known, math.inf), self.path.name


def find(
    path: Path, format: Literal["auto"] | Format, prefix: str | None, report: Report
) -> list[LogFile]:
    """Return the log files that `path` is or holds, in the order of time; of several formats only
    the richest.

    Raises
    ------
    RequestError
        If there is none, or the prefix of one cannot be guessed.
    """
    paths, probe = _readable(path, report), Report()
    heads = {
        file: [line[:2000] for line in islice(streams.lines(file, probe), HEAD)] for file in paths
    }
    formats = {file: _format(head) for file, head in heads.items() if any(map(str.strip, head))}
    if not formats:
        raise RequestError(
            f"there is nothing to read in {path}: {'; '.join(probe.notes) or 'it is empty'}"
        )
    wanted = (
        next(known for known in RICHEST if known in formats.values())
        if format == "auto"
        else format
    )
    files = [
        file
        for file, own in formats.items()
        if own == wanted or (len(paths) == 1 and format != "auto")
    ]
    if not files:
        raise RequestError(
            f"{path} holds no {wanted} log, but {' and '.join(sorted(set(formats.values())))}"
        )
    if len(files) < len(paths):
        report.notes.append(
            f"{len(paths) - len(files)} files left out, empty or in another format than {wanted}"
        )
    patterns = (
        _pattern(file, heads[file], prefix) if wanted == "stderr" else None for file in files
    )
    logs = [LogFile(file, wanted, pattern) for file, pattern in zip(files, patterns, strict=True)]
    return sorted(logs, key=LogFile.begin)


def _readable(path: Path, report: Report) -> list[Path]:
    """Return the log files that can be read as text; the others are named in the report's notes."""
    paths = _paths(path)
    unread = {file: what for file in paths if (what := streams.unread(file)) is not None}
    if len(unread) == len(paths):
        raise RequestError(f"there is nothing to read in {path}: {'; '.join(unread.values())}")
    report.notes += [f"left out: {what}" for what in unread.values()]
    return [file for file in paths if file not in unread]


def _paths(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise RequestError(f"there is no file or folder {path}")
    paths = sorted(
        file for file in path.iterdir() if file.is_file() and LOG_NAME.fullmatch(file.name.lower())
    )
    if not paths:
        raise RequestError(
            f"{path} holds no logs: names must be like server.log, server.csv.1, "
            "server.json-2024.gz"
        )
    return paths


def _format(head: list[str]) -> Format:
    if any(map(CSV_ENTRY.match, head)):
        return "csvlog"
    return "jsonlog" if any(line.startswith('{"') for line in head) else "stderr"


def _pattern(file: Path, head: list[str], prefix: str | None) -> re.Pattern[str]:
    """Return what takes a file's lines apart: with or without a collector's prefix before each."""
    if prefix is not None and any(map((known := line_pattern(prefix)).match, head)):
        return known
    guessed = guess(head) if prefix is None else None
    if guessed is not None:
        return line_pattern(guessed)
    if before := collector(head):
        inner = prefix if prefix is not None else guess(_stripped(head, before))
        if inner is not None:
            return line_pattern(inner, before=before)
    if prefix is None:
        _unknown(file, head)
    return line_pattern(prefix)


def _stripped(head: list[str], before: str) -> list[str]:
    """Return lines without what a collector has put before them; further lines of a message begin
    with a tab.
    """
    starts = (re.match(before, line) for line in head)
    rest = [line[found.end() :] for line, found in zip(head, starts, strict=True) if found]
    return [TAB.sub("\t", line) for line in rest]


def _unknown(file: Path, head: list[str]) -> NoReturn:
    """Say why a prefix cannot be guessed."""
    if foreign := next(filter(None, map(foreign_line, head)), ""):
        raise RequestError(f"the messages of {plain(file.name)} {WAY_OUT}; one: {foreign!r}")
    lines = [line for line in head if line.strip()]
    common, matching, of = nearest(_stripped(head, collector(head)))
    some = f"{matching} of {of} lines begin with {common!r}, the others with nothing known; "
    example = plain(lines[len(lines) // 2][:120].strip())
    way_out = "give prefix=…, as SHOW log_line_prefix prints it"
    raise RequestError(
        f"cannot guess the log_line_prefix of {plain(file.name)}: {some if matching else ''}"
        f"{way_out}; a line: {example!r}"
    )
