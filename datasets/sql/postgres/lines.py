"""From the lines of a log to its entries, one at a time: stderr, csvlog and jsonlog.

Nothing in a line is fatal: what is not an entry is counted, and its first place kept.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from aexbench.datasets.sql.postgres.collectors import BREAK, continued, source
from aexbench.datasets.sql.postgres.language import foreign_line
from aexbench.datasets.sql.postgres.prefix import DETAILS, SESSION, TIME

WINDOW = 64  # messages of a collector that may go on: those of several processes alternate
LOOKED_AT = 100  # rejected lines: why they are no messages
LONGEST = 1 << 25  # bytes of a line, characters of an entry: a longer one is cut
EPOCH = datetime(1970, 1, 1)
STATE = re.compile(
    r"((?=[A-Z]*\d)[0-9A-Z]{5}): "
)  # before the message, with log_error_verbosity = verbose

CSV_NAME = r'(?:"[^"]*(?:""[^"]*)*")'
CSV_REST = rf",\d+,(?:{CSV_NAME})?,{SESSION},\d+,"
# The server quotes names and no numbers; who writes its cells again may do otherwise.
CSV_CELL = rf'(?:{CSV_NAME}|[^",\r\n]{{0,255}})'
CSV_ENTRY = re.compile(
    rf'"?{TIME}\.\d{{3}}[^,"]*"?,{CSV_CELL},{CSV_CELL},"?\d+"?,{CSV_CELL},"?{SESSION}"?,"?\d+"?,'
)
# Within a quoted field quotes are doubled: a line like this one is a session's new entry, whatever
# went before.
CSV_SURE = re.compile(rf"{TIME}\.\d{{3}}[^,\"]*,{CSV_NAME},{CSV_NAME}{CSV_REST}")
JSON_ENTRY = re.compile(r'\{\s*"')
CSV_FIELDS = 22  # of PostgreSQL 8.4; later ones have more


@dataclass(slots=True)
class Entry:
    """One message of the server.

    Attributes
    ----------
    time, start
        Of the message and of its session, seconds since 1970 by the server's clock on the wall
        (`%n`: UTC); NaN where not logged.
    session
        A key that the entries of a session share; empty where the log has neither session nor
        process id.
    user, database, host, program, sqlstate
        Empty where not logged.
    statement
        What the client had sent, where an error tells.
    """

    time: float
    severity: str
    message: str
    session: str = ""
    start: float = math.nan
    user: str = ""
    database: str = ""
    host: str = ""
    program: str = ""
    sqlstate: str = ""
    statement: str | None = None


@dataclass
class Report:
    """What was read.

    Attributes
    ----------
    file, line
        Where reading stands.
    lines, entries, rejected
        Counts; `rejected` are lines that belong to no entry.
    first
        Where the first rejected line stands.
    unclear
        Count of messages whose user and database cannot be told apart.
    foreign
        A rejected line that is a message in another language than English.
    notes
        What else a reader should know, in one line each.
    """

    file: str = ""
    line: int = 0
    lines: int = 0
    entries: int = 0
    rejected: int = 0
    first: str = ""
    unclear: int = 0
    foreign: str = ""
    notes: list[str] = field(default_factory=list)

    def reject(self, lines: int = 1) -> None:
        """Count lines that cannot be read, up to the present one."""
        self.rejected += lines
        self.first = self.first or f"{self.file} line {self.line - lines + 1}"


@lru_cache(maxsize=4096)
def _seconds(text: str) -> float:
    time = datetime.fromisoformat(text)
    if (
        time.tzinfo is not None
    ):  # the server writes a zone after the seconds, so this is no time of its
        raise ValueError(f"no time of the server: {text}")
    return (time - EPOCH).total_seconds()


def _clock(text: str | None) -> float:
    """Return a time such as `2024-05-06 07:08:09.123 CET` in seconds; the zone is not looked at."""
    if not text:
        return math.nan
    return _seconds(text[:19]) + (float(text[19:23]) if text[19:20] == "." else 0.0)


def _known(text: str | None) -> str:
    return "" if text is None or text == "[unknown]" else text


def stderr(lines: Iterator[str], report: Report, pattern: re.Pattern[str]) -> Iterator[Entry]:
    """Yield the messages, each with the STATEMENT that follows it."""
    current: Entry | None = None
    for entry in _messages(lines, report, pattern):
        if entry.severity not in DETAILS:
            if current is not None:
                yield current
            current = entry
        elif (
            entry.severity == "STATEMENT"
            and current is not None
            and entry.session == current.session
        ):
            current.statement = entry.message
    if current is not None:
        yield current


@dataclass(slots=True)
class _Open:
    """A message that may go on: further lines of it come from its source."""

    entry: Entry
    source: str
    parts: list[str]
    size: int

    def add(self, text: str) -> None:
        """Take a further line."""
        self.size += len(text)
        if self.size < LONGEST:
            self.parts.append(text)

    def complete(self) -> Entry:
        """Return the entry with all its lines."""
        self.entry.message = "\n".join(self.parts)
        return self.entry


def _messages(lines: Iterator[str], report: Report, pattern: re.Pattern[str]) -> Iterator[Entry]:
    """Yield the messages; the server begins their further lines with a tab."""
    pending: deque[_Open] = deque()
    for line in lines:
        text = line.rstrip("\r\n")
        if pending and text.startswith("\t"):
            pending[-1].add(text[1:])
            continue
        found = pattern.match(text)
        following = None if found is None else _begun(found, report)
        if following is not None:
            pending.append(following)
            while len(pending) > (WINDOW if following.source else 1):
                yield pending.popleft().complete()
        elif not _goes_on(pending, text):
            report.reject()
            if not report.foreign and report.rejected <= LOOKED_AT:
                report.foreign = foreign_line(text)
    for message in pending:
        yield message.complete()


def _goes_on(pending: deque[_Open], text: str) -> bool:
    """Whether a line goes on with the last message of its source; then it is added."""
    if not pending or not pending[-1].source or (further := continued(text)) is None:
        return False
    before, more = further
    for message in reversed(pending):
        if message.source == before:
            message.add(more)
            return True
    return False


def _begun(found: re.Match[str], report: Report) -> _Open | None:
    """Return the message that a line begins, or nothing if its time is none."""
    entry = _message(found)
    if entry is None:
        return None
    report.unclear += bool(found.groupdict().get("unclear"))
    if not found[1]:
        return _Open(entry, "", [entry.message], len(found[0]))
    first = BREAK.sub("\n", entry.message)  # a collector may write several lines as one
    return _Open(entry, source(found[1]), [first], len(found[0]))


def _message(found: re.Match[str]) -> Entry | None:
    """Return the entry of a line that matches, or nothing if its time is none."""
    part = found.groupdict()
    get, message = part.get, part["message"]
    try:
        time = float(part["epoch"]) if get("epoch") else _clock(get("time"))
        start = _clock(get("start"))
    except ValueError:
        return None
    state = get("sqlstate") or ""
    if verbose := STATE.match(message):
        state, message = verbose[1], message[verbose.end() :]
    user, database, pid = _known(get("user")), _known(get("database")), get("pid")
    remote = get("remote") or ""
    own = f"{pid} {get('start') or ''} {remote}" if pid else ""
    host = _known(get("host")) or remote.partition("(")[0]
    program, session = _known(get("program")), get("session") or own
    return Entry(
        time, part["severity"], message, session, start, user, database, host, program, state
    )


def csvlog(lines: Iterator[str], report: Report) -> Iterator[Entry]:
    """Yield the entries; a record is complete when its quotes are even."""
    parts: list[str] = []
    quotes = size = 0
    for line in lines:
        if parts and CSV_SURE.match(line):
            report.line -= 1  # the lines before this one are not to be read
            report.reject(len(parts))
            report.line += 1
            parts, quotes, size = [], 0, 0
        parts.append(line)
        quotes += line.count('"')
        size += len(line)
        if quotes % 2 and size < LONGEST:
            continue
        entry = _csv_entry("".join(parts))
        if entry is None:
            report.reject(len(parts))
        else:
            yield entry
        parts, quotes, size = [], 0, 0
    if parts:
        report.reject(len(parts))


def _csv_entry(record: str) -> Entry | None:
    if not CSV_ENTRY.match(record):
        return None
    try:
        part = _csv_fields(record)
        if len(part) < CSV_FIELDS:
            return None
        program = part[22] if len(part) > CSV_FIELDS else ""
        names = (part[1], part[2], _host(part[4]), _known(program), part[12])
        return Entry(
            _clock(part[0]), part[11], part[13], part[5], _clock(part[8]), *names, part[19] or None
        )
    except (ValueError, csv.Error):
        return None


def _host(remote: str) -> str:
    return remote.rpartition(":")[0] or remote  # [local] has no port


def _csv_fields(record: str) -> list[str]:
    """Return a record's fields; the limit of their length holds for the whole process, so it is put
    back.
    """
    limit = csv.field_size_limit(max(len(record), 1))
    try:
        return next(csv.reader([record], strict=True), [])
    finally:
        csv.field_size_limit(limit)


def jsonlog(lines: Iterator[str], report: Report) -> Iterator[Entry]:
    """Yield the entries, one object a line."""
    for line in lines:
        entry = _json_entry(line)
        if entry is None:
            report.reject()
        else:
            yield entry


def _json_entry(line: str) -> Entry | None:
    try:
        part = json.loads(line, strict=False)
        part = part.get("record", part)  # CloudNativePG puts what csvlog has into its own log
        time = _clock(_text(part, "timestamp", "log_time"))
        start = _clock(_text(part, "session_start", "session_start_time"))
    except (ValueError, RecursionError, TypeError, AttributeError):
        return None
    severity, session = _text(part, "error_severity"), _text(part, "session_id")
    if math.isnan(time) or not severity or not session:
        return None
    user, database = _text(part, "user", "user_name"), _text(part, "dbname", "database_name")
    host = _text(part, "remote_host") or _host(_text(part, "connection_from"))
    program = _known(_text(part, "application_name"))
    state = _text(part, "state_code", "sql_state_code") or "00000"  # none is written for success
    message, statement = _text(part, "message"), _text(part, "statement", "query") or None
    return Entry(
        time, severity, message, session, start, user, database, host, program, state, statement
    )


def _text(part: Any, *names: str) -> str:
    values = (part.get(name) for name in names)
    return next((value for value in values if isinstance(value, str)), "")
