"""From the entries of a log to a table of statements: which entry begins a statement, ends it, or
says that it failed.

A server logs a statement and its duration in one entry, or in two; entries of many sessions
alternate.
"""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aexbench.datasets.sql.postgres.extensions import (
    AUDIT,
    LOGGED,
    PLAN,
    UNLOGGED,
    Audited,
    audited,
    planned,
)
from aexbench.datasets.sql.postgres.language import foreign
from aexbench.datasets.sql.postgres.lines import Entry
from aexbench.datasets.sql.schema import SCHEMA, Activity

if TYPE_CHECKING:
    from aexbench.datasets.sql.postgres.statements import Statement  # needs sqlglot

EVENT = re.compile(
    r"(?:duration: (?P<duration>\d+(?:\.\d+)?) ms(?:  ?|\Z))?"
    r"(?:(?P<kind>statement|execute|parse|bind)(?: [^\n]{0,200}?)?:(?: (?P<text>.*))?)?\Z",
    re.DOTALL,
)
RECEIVED = re.compile(r"connection received: host=(\S+)")
AUTHORIZED = re.compile(
    r"connection authorized: user=(.*?) database=(.*?)(?: application_name=(.*?))?(?: (?:SSL|GSS) "
    r".*)?\Z"
)
CLOCK_TICK = 1.0  # seconds: the times of a log may be whole ones
REMEMBERED = 1024  # statements that another entry may tell again
ERRORS = ("ERROR", "FATAL", "PANIC")
CATEGORIES = ("user", "program", "host", "database", "command", "error")
AMOUNTS = (
    "session-age",
    "statements",
    "gap",
    "tables",
    "joins",
    "predicates",
    "columns",
    "length",
    "literals",
)
DAY = 86_400.0


@dataclass(slots=True)
class Session:
    """What is known of a session so far.

    Attributes
    ----------
    number
        Counts sessions from 0.
    start, last
        When it began, and when its last statement did; NaN where unknown.
    owner
        User and database that the prefix of its entries tells: they do not change within a session.
    names
        What its connection entries say of user, database, host and program.
    statements
        How many there were.
    running, text
        The row of a statement whose end has not been logged, or -1, and the hash of its text.
    """

    number: int
    start: float = math.nan
    last: float = math.nan
    owner: str = ""
    names: dict[str, str] = field(default_factory=dict)
    statements: int = 0
    running: int = -1
    text: int = 0


class Told(NamedTuple):
    """A statement that has been told.

    Attributes
    ----------
    row
        Its row.
    by
        `server`, `auto_explain` or `pgaudit`.
    time
        Of the entry that told it.
    number
        That pgaudit gave it.
    """

    row: int
    by: str
    time: float
    number: str = ""

    def within(self, end: float, duration: float) -> bool:
        """Whether it was told while a statement ran that took `duration` ms until `end`."""
        return not self.time < end - 0.001 * duration - CLOCK_TICK  # unknown times: yes

    def audited(self, line: Audited, time: float) -> bool:
        """Whether a line of pgaudit is about it: one for each object, all at one time."""
        later = time > self.time + CLOCK_TICK
        return self.by == "server" or (self.number == line.number and not later)


def _form(text: str) -> int:
    """Return what is the same however a statement is told: an extension may cut a semicolon."""
    return hash(text.strip(" \t\r\n;"))


def _key(entry: Entry, text: str) -> tuple[str, int]:
    """Return what the entries about one statement share."""
    return entry.session, _form(text)


class Statements:
    """Collects statements from entries.

    Parameters
    ----------
    measure
        What a statement's text tells.
    """

    def __init__(self, measure: Callable[[str], Statement]) -> None:
        self._measure = measure
        self._codes: dict[str, dict[str, int]] = {name: {} for name in CATEGORIES}
        self._categories = {name: array("i") for name in CATEGORIES}
        self._amounts = {name: array("d") for name in (*AMOUNTS, "duration")}
        self._times = array("d")
        self._units = array("q")
        self._sessions: dict[str, Session] = {}
        self._numbers = count()
        self._told: dict[tuple[str, int], Told] = {}
        self._audited: dict[str, str] = {}  # by session, the number of its last audited statement
        self.unparsed = 0  # statements of unknown structure
        self.foreign = 0  # messages of statements in another language
        self.example = ""  # the first of them
        self.earlier = self.later = 0  # entries, than the one before
        self.jumps = 0  # entries that are clearly earlier
        self._last = math.nan
        self.taken: Counter[str] = Counter()  # statements that an extension alone tells
        self.left_out: Counter[str] = Counter()  # what of extensions tells no statement

    def __len__(self) -> int:
        return len(self._times)

    def add(self, entry: Entry) -> None:
        """Take the next entry of the log."""
        self._compare(entry.time)
        if entry.severity in ERRORS:
            self._fail(entry)
        elif entry.message.startswith(AUDIT):
            self._audit(entry)
        elif entry.severity == "LOG" and self._log(entry):
            return
        elif foreign(entry.message):
            self.foreign += 1
            self.example = self.example or entry.message[:80]

    def _compare(self, time: float) -> None:
        """Count whether time goes on: entries of several processes may be out of order by a bit."""
        self.later += time > self._last
        self.earlier += time < self._last
        self.jumps += time < self._last - CLOCK_TICK
        self._last = self._last if math.isnan(time) else time

    def _log(self, entry: Entry) -> bool:
        """Take a message of the server's own; False if it is none that is known."""
        if event := EVENT.match(entry.message):
            self._event(entry, event)
        elif plan := PLAN.match(entry.message):
            self._plan(entry, plan)
        elif entry.message.startswith(("connection ", "disconnection")):
            self._connect(entry)
        else:
            return False
        return True

    def _event(self, entry: Entry, event: re.Match[str]) -> None:
        session, kind = self._session(entry), event["kind"]
        duration = math.nan if event["duration"] is None else float(event["duration"])
        if kind in ("statement", "execute"):
            self._state(entry, session, event["text"] or "", duration)
        elif kind is None and session.running >= 0 and not math.isnan(duration):
            self._amounts["duration"][session.running] = duration
            session.running = -1

    def _state(self, entry: Entry, session: Session, text: str, duration: float) -> None:
        """Take a statement that the server tells: a new row, or the end of one that an extension
        has told before.
        """
        if math.isnan(duration):
            row = self._append(entry, session, text, duration)
            session.running, session.text = row, _form(text)
            self._tell(entry, text, Told(row, "server", entry.time))
            return
        told = self._told.pop(_key(entry, text), None)
        if told is not None and told.by != "server" and told.within(entry.time, duration):
            self._amounts["duration"][told.row] = duration
            self.taken[told.by] -= 1
        else:
            self._append(entry, session, text, duration)
        session.running, session.text = -1, 0

    def _plan(self, entry: Entry, plan: re.Match[str]) -> None:
        """Take a plan of auto_explain: a statement of its own only if nothing else tells it."""
        text, duration = planned(plan["plan"]), float(plan["duration"])
        if text is None:
            self.left_out["plans of auto_explain"] += 1
            return
        told = self._told.get(_key(entry, text))
        if told is None or told.by == "auto_explain" or not told.within(entry.time, duration):
            row = self._append(entry, self._session(entry), text, duration)
            self._tell(entry, text, Told(row, "auto_explain", entry.time))
        elif math.isnan(self._amounts["duration"][told.row]):
            self._amounts["duration"][told.row] = duration

    def _audit(self, entry: Entry) -> None:
        """Take a line of pgaudit: a statement has one for each of its parts and objects."""
        line = audited(entry.message)
        if line is None or line.text in UNLOGGED:
            self.left_out["lines of pgaudit"] += 1
            return
        told = self._told.get(_key(entry, line.text))
        part = line.part != "1" and line.number == self._audited.get(entry.session)
        if part or line.text == LOGGED or (told is not None and told.audited(line, entry.time)):
            return
        session = self._session(entry)
        row = self._append(entry, session, line.text, math.nan)
        session.running, session.text = row, _form(line.text)
        self._tell(entry, line.text, Told(row, "pgaudit", entry.time, line.number))
        if entry.session:
            self._audited[entry.session] = line.number

    def _tell(self, entry: Entry, text: str, told: Told) -> None:
        """Keep in mind that a statement has been told, so that it is not counted twice."""
        key = _key(entry, text)
        self._told.pop(key, None)
        self._told[key] = told
        if len(self._told) > REMEMBERED:
            del self._told[next(iter(self._told))]
        if told.by != "server":
            self.taken[told.by] += 1

    def _fail(self, entry: Entry) -> None:
        """Give the error to the statement that runs; one that was not logged before it failed is a
        row of its own.
        """
        session, text = self._session(entry), entry.statement
        row = -1
        if session.running >= 0 and (
            entry.severity == "ERROR" if text is None else _form(text) == session.text
        ):
            row = session.running
        elif text is not None:
            row = self._append(entry, session, text, math.nan)
        if row >= 0:
            self._categories["error"][row] = self._code("error", entry.sqlstate)
            session.running = -1

    def _connect(self, entry: Entry) -> None:
        """Begin a session or end it: a process id may come back."""
        if not entry.session:
            return
        if entry.message.startswith("disconnection"):
            self._sessions.pop(entry.session, None)
            self._audited.pop(entry.session, None)
        elif found := RECEIVED.match(entry.message):
            self._begin(entry).names["host"] = found[1]
        elif found := AUTHORIZED.match(entry.message):
            session = self._sessions.get(entry.session)
            if session is None or session.statements:
                session = self._begin(entry)
            session.names |= {"user": found[1], "database": found[2], "program": found[3] or ""}

    def _begin(self, entry: Entry) -> Session:
        session = Session(next(self._numbers), entry.time)  # an entry's `start` has no milliseconds
        self._sessions[entry.session] = session
        return session

    def _session(self, entry: Entry) -> Session:
        session = self._sessions.get(entry.session)
        owner = f"{entry.user}\0{entry.database}" if entry.user else ""
        if session is None or (
            owner and session.owner and owner != session.owner
        ):  # a process id that came back
            session = Session(next(self._numbers), entry.start)
            if entry.session:  # without a key nothing belongs together
                self._sessions[entry.session] = session
        session.owner = owner or session.owner
        return session

    def _append(self, entry: Entry, session: Session, text: str, duration: float) -> int:
        """Add a row and return its number; the entry was written at the statement's end if it tells
        the duration.
        """
        row, measured = len(self), self._measure(text)
        start = entry.time if math.isnan(duration) else entry.time - 0.001 * duration
        known = bool(entry.session)
        names = {
            name: getattr(entry, name) or session.names.get(name, "") for name in CATEGORIES[:4]
        }
        names |= {"command": measured.command, "error": entry.sqlstate}
        for name, value in names.items():
            self._categories[name].append(self._code(name, value))
        gap = max(start - (session.last if session.statements else session.start), 0.0)
        values = (
            max(start - session.start, 0.0),
            session.statements if known else math.nan,
            gap,
            *measured.structure,
        )
        for name, amount in zip(
            AMOUNTS, (*values, measured.length, measured.literals), strict=True
        ):
            self._amounts[name].append(amount)
        self._amounts["duration"].append(duration)
        self._times.append(start)
        self._units.append(session.number)
        self.unparsed += math.isnan(measured.structure.tables)
        session.statements += 1
        session.last = start
        return row

    def _code(self, name: str, value: str) -> int:
        codes = self._codes[name]
        return codes.setdefault(value, len(codes)) if value else -1

    @property
    def vocabulary(self) -> dict[str, tuple[str, ...]]:
        """The names of the codes of each category."""
        return {name: tuple(codes) for name, codes in self._codes.items()}

    @property
    def units(self) -> NDArray[np.int64]:
        """The number (N,) of each statement's session."""
        return np.array(self._units, dtype=np.int64)

    def activity(self) -> Activity:
        """Return the columns (N,) of the schema's features in its order; those that no log carries
        are not there.
        """
        times = np.array(self._times, dtype=np.float64)
        columns: dict[str, NDArray[Any]] = {
            "hour": times % DAY / 3600.0,
            "weekday": (times // DAY + 3.0) % 7.0,  # the first of January 1970 was a Thursday
            **{name: np.array(values, dtype=np.int32) for name, values in self._categories.items()},
            **{name: np.array(values, dtype=np.float64) for name, values in self._amounts.items()},
        }
        return {
            feature.name: columns[feature.name] for feature in SCHEMA if feature.name in columns
        }
