"""From a path to the files of a log: plain or compressed, of which format, in which order."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, NoReturn

from aexbench import RequestError
from aexbench.datasets.sql.postgres import streams
from aexbench.datasets.sql.postgres.collectors import ANY, TAB, collectors
from aexbench.datasets.sql.postgres.language import WAY_OUT, foreign_line
from aexbench.datasets.sql.postgres.lines import (
    CSV_ENTRY,
    JSON_ENTRY,
    Entry,
    Report,
    csvlog,
    jsonlog,
    stderr,
)
from aexbench.datasets.sql.postgres.prefix import TIME, guess, line_pattern, nearest
from aexbench.errors import plain

Format = Literal["stderr", "csvlog", "jsonlog"]
RICHEST: tuple[Format, ...] = (
    "csvlog",
    "jsonlog",
    "stderr",
)  # where a server has written one log in several formats
HEAD = 1000  # lines by which a format is known
TIMED = re.compile(r"[^%\w]{0,8}%-?\d*[tmn]")  # a prefix that begins with a time
REWRITTEN = re.compile(r'[,;\t|]"?(?:LOG|ERROR|FATAL)"?[,;\t|]"?[0-9A-Z]{5}"?[,;\t|]')
WRAPPED = re.compile(rf"[\"']{TIME}")
WAYS: dict[Format, str] = {
    "stderr": "give the server's log_line_prefix as prefix=…, or format=…",
    "csvlog": "export it as the server writes csvlog: cells with commas between them, the first "
    "ones log_time, user_name, database_name, process_id, times as they were",
    "jsonlog": "the server's jsonlog is one object a line, with timestamp, error_severity and "
    "session_id; of other JSON take what the server wrote, such as with jq -r .message FILE",
}
LOG_NAME = re.compile(r".+\.(?:log|csv|json)(?:[.-][\w.-]*)?")


@dataclass(frozen=True)
class LogFile:
    """A file of known format; `pattern` takes the lines of stderr apart, `before` is what a
    collector has put before the lines of the other formats.
    """

    path: Path
    format: Format
    pattern: re.Pattern[str] | None = None
    before: str = ""

    def entries(self, report: Report) -> Iterator[Entry]:
        """Yield the entries; what is met goes into `report`."""
        report.file, report.line = plain(self.path.name), 0
        for entry in self._read(streams.lines(self.path, report), report):
            report.entries += 1
            yield entry

    def _read(self, lines: Iterator[str], report: Report) -> Iterator[Entry]:
        if self.pattern is not None:
            return stderr(lines, report, self.pattern)
        if self.before:
            lines = _without(lines, re.compile(self.before))
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
    found = {file: _format(head) for file, head in heads.items() if any(map(str.strip, head))}
    formats = {file: own for file, (own, _) in found.items()}
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
    if wanted == "stderr":
        logs = [LogFile(file, wanted, _pattern(file, heads[file], prefix)) for file in files]
    else:
        logs = [LogFile(file, wanted, before=found[file][1]) for file in files]
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


def _format(head: list[str]) -> tuple[Format, str]:
    """Return the format of a file, and what a collector has put before its lines of csvlog or
    jsonlog.
    """
    for before in ("", *collectors(head)):
        lines = _stripped(head, before)
        if any(map(CSV_ENTRY.match, lines)):
            return "csvlog", before
        objects = sum(map(bool, map(JSON_ENTRY.match, lines)))
        if objects > (len(lines) / 2 if before else 0):  # others' lines may be among a collector's
            return "jsonlog", before
    return "stderr", ""


def _without(lines: Iterable[str], before: re.Pattern[str]) -> Iterator[str]:
    """Yield lines without what a collector has put before them."""
    for line in lines:
        found = before.match(line)
        yield line if found is None else line[found.end() :]


def _pattern(file: Path, head: list[str], prefix: str | None) -> re.Pattern[str]:
    """Return what takes a file's lines apart: with or without a collector's prefix before each."""
    if prefix is not None:
        return _known(head, prefix)
    for before in ("", *collectors(head)):
        guessed = guess(_stripped(head, before))
        if guessed is not None:
            return line_pattern(guessed, before=before)
    _unknown(file, head)


def _known(head: list[str], prefix: str) -> re.Pattern[str]:
    """Return the pattern that takes most lines apart; of equals the one that leaves most to the
    collector, as a name at the beginning of a prefix would take that too.
    """
    patterns = [line_pattern(prefix, before=before) for before in (*collectors(head), "")]

    def fit(pattern: re.Pattern[str]) -> tuple[int, int]:
        befores = [len(found[1]) for found in map(pattern.match, head) if found]
        return len(befores), sum(befores)

    best = max(patterns, key=fit)
    unknown = TIMED.match(prefix) and not any(map(best.match, head))
    return line_pattern(prefix, before=ANY) if unknown else best


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
    name, lines = plain(file.name), [line for line in head if line.strip()]
    example = plain(lines[len(lines) // 2][:120].strip())
    if any(map(REWRITTEN.search, head)):
        raise RequestError(
            f"{name} looks like csvlog, written again by another program: {WAYS['csvlog']}; "
            f"a line: {example!r}"
        )
    if sum(map(bool, map(WRAPPED.search, lines))) > len(lines) / 2:
        raise RequestError(
            f"the lines of {name} are inside another table or JSON: take what the server wrote "
            f"out of it first; a line: {example!r}"
        )
    _no_guess(name, head, example)


def _no_guess(name: str, head: list[str], example: str) -> NoReturn:
    """Ask for the prefix; name what some of the lines begin with."""
    bare = [_stripped(head, before) for before in ("", *collectors(head))]
    common, matching, of = max(map(nearest, bare), key=lambda found: found[1])
    some = f"{matching} of {of} lines begin with {common!r}, the others with nothing known; "
    way_out = "give prefix=…, as SHOW log_line_prefix prints it"
    raise RequestError(
        f"cannot guess the log_line_prefix of {name}: {some if matching else ''}"
        f"{way_out}; a line: {example!r}"
    )
