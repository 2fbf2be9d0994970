"""Who works on the database and what for: roles, the tasks of their sessions, and the kinds of
statements in them.

These are plain tables, the same for every seed; `habits.py` makes users out of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

Range = tuple[float, float]


@dataclass(frozen=True)
class Kind:
    """A kind of statement; a user's own statements take one value from each range.

    Attributes
    ----------
    command
        As the log names it.
    tables, predicates, columns
        Ranges of counts.
    rows
        Range of the median; `spread` is the standard deviation of its logarithm.
    start, per_row
        Duration: range of the milliseconds before the first row, and milliseconds for each row.
    width
        Range of bytes per value sent to the client; none for statements that return nothing.
    words
        Characters of the text that are due to no table, column or condition.
    """

    command: str
    tables: Range = (0, 0)
    predicates: Range = (0, 0)
    columns: Range = (0, 0)
    rows: Range = (0, 0)
    spread: float = 0.0
    start: Range = (0.02, 0.1)
    per_row: float = 0.0
    width: Range = (0, 0)
    words: int = 1


KINDS = {
    "lookup": Kind(
        "select", (1, 2), (1, 3), (3, 20), (1.1, 1.9), 0.35, (0.05, 0.4), 0.002, (6, 30)
    ),
    "page": Kind("select", (1, 4), (1, 4), (4, 16), (10, 50), 0.4, (0.5, 6), 0.01, (6, 30)),
    "browse": Kind("select", (1, 1), (0, 1), (8, 40), (100, 1000), 0.5, (0.5, 20), 0.004, (6, 20)),
    "count": Kind("select", (1, 3), (1, 5), (1, 4), (1.1, 1.9), 0.2, (5, 400), 0.0, (6, 10)),
    "aggregate": Kind("select", (2, 6), (2, 8), (3, 12), (8, 400), 0.8, (50, 5e3), 0.02, (6, 14)),
    "report": Kind("select", (4, 9), (4, 12), (8, 30), (2e3, 2e5), 0.7, (2e3, 6e4), 0.01, (6, 20)),
    "extract": Kind("select", (1, 3), (0, 3), (5, 40), (1e4, 1e6), 1.0, (50, 1e3), 0.003, (6, 20)),
    "insert": Kind("insert", (1, 1), (0, 0), (4, 20), (1.5, 1.5), 0.0, (0.1, 1)),
    "insert-many": Kind("insert", (1, 1), (0, 0), (4, 20), (50, 2e3), 0.6, (1, 10), 0.02),
    "update": Kind("update", (1, 1), (1, 3), (1, 6), (1.1, 1.9), 0.35, (0.1, 1.5), 0.05),
    "update-many": Kind("update", (1, 3), (1, 4), (1, 5), (500, 5e4), 1.0, (5, 100), 0.02),
    "delete": Kind("delete", (1, 1), (1, 2), (0, 0), (1.1, 1.9), 0.5, (0.1, 1.5), 0.05),
    "delete-many": Kind("delete", (1, 2), (1, 3), (0, 0), (1e3, 1e5), 0.8, (5, 100), 0.01),
    "merge": Kind("merge", (2, 4), (2, 5), (4, 20), (1e3, 1e5), 0.8, (20, 500), 0.03),
    "load": Kind("copy", (1, 1), (0, 0), (8, 40), (1e4, 1e6), 0.8, (5, 50), 0.004),
    "dump": Kind("copy", (1, 1), (0, 0), (5, 40), (1e4, 2e7), 0.6, (5, 50), 0.002, (6, 30)),
    "call": Kind("call", (0, 0), (0, 0), (1, 6), (1.1, 4), 0.4, (1, 60), 0.1, (6, 20), words=25),
    "begin": Kind("begin"),
    "commit": Kind("commit", start=(0.1, 2)),
    "set": Kind("set", words=22),
    "show": Kind(
        "show", (0, 0), (0, 0), (1, 1), (1.5, 1.5), 0.0, (0.02, 0.1), 0.0, (6, 20), words=14
    ),
    "statistics": Kind("select", (1, 3), (0, 2), (4, 20), (5, 200), 0.2, (0.5, 8), 0.01, (6, 14)),
    "explain": Kind("explain", (1, 5), (1, 6), (1, 1), (8, 40), 0.3, (0.3, 4), 0.0, (40, 70)),
    "ddl": Kind("ddl", (1, 2), (0, 0), (0, 12), start=(2, 200), words=12),
    "grant": Kind("grant", (1, 2), start=(0.5, 4), words=24),
    "vacuum": Kind("vacuum", (1, 1), start=(200, 1e6), words=10),
}


@dataclass(frozen=True)
class Task:
    """What a session is for.

    Attributes
    ----------
    share
        Of its role's sessions.
    statements
        Median number in a session.
    think
        Median seconds from one statement's end to the next.
    hours
        Middle and spread of a session's start; each user's middle differs a little. A spread of 24
        is all day long.
    weekend
        How much is done on a day of the weekend, against a working day.
    work
        Patterns of kinds of statements and how often each is done.
    script
        A program goes through its patterns in a fixed order; people choose.
    errors
        Share of statements that fail.
    """

    share: float
    statements: float
    think: float
    hours: Range
    weekend: float
    work: Mapping[str, float]
    script: bool = True
    errors: float = 0.003


@dataclass(frozen=True)
class Role:
    """What a user is there for.

    Attributes
    ----------
    users
        How many.
    share
        Of all sessions.
    programs, hosts
        What its users choose from, `programs_each` and `hosts_each` of them; people have a host of
        their own besides.
    databases
        What its users choose from, `databases_each` of them.
    person
        People work in shifts, and from a workstation of their own.
    """

    users: int
    share: float
    programs: tuple[str, ...]
    programs_each: int
    hosts: tuple[str, ...]
    hosts_each: int
    databases: tuple[str, ...]
    databases_each: int
    tasks: tuple[Task, ...]
    person: bool = True


APP_HOSTS = tuple(f"app-{number}" for number in range(1, 9))
GATEWAYS = ("vpn-1", "vpn-2")
OUTSIDE = tuple(f"outside-{number}" for number in range(1, 9))  # no normal session comes from there

ROLES = {
    "application": Role(
        8, 0.46, ("JDBC", "asyncpg", "node-postgres", "npgsql"), 1,
        APP_HOSTS, 3, ("shop", "billing", "crm"), 1,
        (
            Task(0.8, 24, 0.03, (14, 5), 0.9, {
                "begin lookup lookup update insert commit": 3, "lookup": 6, "lookup page": 5,
                "page count": 1, "begin lookup insert insert update commit": 2,
                "lookup lookup lookup page": 3, "begin delete commit": .3,
            }),
            Task(0.2, 8, 0.5, (0, 24), 1.0, {
                "begin page update update commit": 3, "call": 1, "count": 1,
            }),
        ),
        person=False,
    ),
    "batch": Role(
        5, 0.05, ("airflow", "psql"), 1,
        ("job-1", "job-2", "job-3"), 1, ("warehouse", "logs", "billing"), 2,
        (
            Task(0.7, 40, 0.2, (2.5, 0.8), 1.0, {
                "begin load merge commit": 3, "extract": 1, "update-many": 1,
                "begin delete-many insert-many commit": 2,
            }),
            Task(0.3, 12, 0.1, (0, 24), 1.0, {
                "begin insert-many insert-many commit": 3, "call": 1,
            }, errors=0.01),
        ),
        person=False,
    ),
    "reporting": Role(
        4, 0.05, ("tableau", "powerbi"), 1, ("bi-1", "bi-2"), 1, ("warehouse",), 1,
        (
            Task(0.96, 14, 2.0, (6.5, 0.9), 0.2, {
                "set aggregate aggregate": 3, "aggregate report": 1, "count": 1,
            }),
            # the month's closing
            Task(0.04, 30, 5.0, (22, 0.5), 1.0, {"set report report": 3, "extract": 1}),
        ),
        person=False,
    ),
    "analyst": Role(
        12, 0.12, ("dbeaver", "python", "excel"), 2, GATEWAYS, 1, ("warehouse", "crm", "logs"), 2,
        (
            Task(0.8, 12, 25, (13, 1.5), 0.02, {
                "aggregate": 6, "browse": 3, "count": 4, "page": 2, "extract": .5, "report": .4,
                "explain": .3,
            }, script=False, errors=0.05),
            Task(0.2, 4, 60, (10, 1.2), 0.0, {
                "extract": 2, "report": 1, "browse": 1,
            }, script=False, errors=0.02),
        ),
    ),
    "developer": Role(
        9, 0.10, ("datagrip", "psql", "python"), 2, GATEWAYS, 1, ("staging", "shop", "billing"), 2,
        (
            Task(0.7, 16, 15, (14, 1.5), 0.03, {
                "lookup": 5, "browse": 4, "page": 3, "explain": 2, "update": 1, "insert": 1,
                "delete": .5, "count": 2,
            }, script=False, errors=0.09),
            Task(0.3, 20, 4, (15, 1.5), 0.0, {
                "begin ddl ddl insert-many commit": 2, "ddl browse": 2, "set": 1,
            }, errors=0.06),
        ),
    ),
    "administrator": Role(
        3, 0.03, ("psql", "pgadmin"), 2, ("jump-1",), 1, ("postgres", "shop", "warehouse", "hr"), 4,
        (
            Task(0.75, 10, 20, (11, 1.5), 0.1, {
                "statistics": 6, "show": 3, "grant": 2, "ddl": 1, "set": 1, "explain": 1,
                "browse": 1,
            }, script=False, errors=0.03),
            Task(0.25, 12, 0.1, (23, 0.4), 1.0, {"set vacuum vacuum": 1}),
        ),
    ),
    "support": Role(
        8, 0.13, ("crm-desk",), 1, ("desk-1", "desk-2", "desk-3"), 1, ("crm",), 1,
        (
            Task(1.0, 14, 12, (12, 1.5), 0.25, {
                "lookup": 6, "lookup page": 3, "lookup lookup update": 3, "page": 2,
                "lookup insert": 1,
            }),
        ),
    ),
    "personnel": Role(
        3, 0.02, ("excel", "hr-suite"), 1, ("desk-4",), 1, ("hr",), 1,
        (
            Task(0.9, 9, 20, (11, 1.2), 0.0, {
                "lookup": 4, "page": 2, "begin lookup update commit": 2, "insert": 1,
            }),
            Task(0.1, 5, 60, (9, 0.6), 0.0, {"aggregate": 2, "extract": 1}),  # salaries
        ),
    ),
    "monitoring": Role(
        2, 0.03, ("exporter",), 1, ("watch-1",), 1, ("postgres", "shop"), 2,
        (Task(1.0, 6, 0.01, (0, 24), 1.0, {"statistics statistics show": 2, "count": 1}),),
        person=False,
    ),
    "backup": Role(
        1, 0.004, ("pg_dump",), 1, ("vault-1",), 1, ("shop", "billing", "crm", "warehouse"), 4,
        (
            Task(1.0, 24, 0.02, (1, 0.2), 1.0, {
                "begin set" + 21 * " dump" + " commit": 1,
            }, errors=0.0),
        ),
        person=False,
    ),
}  # fmt: skip

ERRORS = {  # what goes wrong with a command that a person writes
    "select": ("42703", "42P01", "42601", "57014"),
    "insert": ("23505", "23503", "22001"),
    "update": ("40001", "23503", "22001"),
    "delete": ("23503", "40001"),
    "ddl": ("42P07", "42501", "42601"),
    "copy": ("57014", "22001"),
    "": ("42601", "42501"),
}
SCRIPT_ERRORS = {  # and with one of a program, whose text has been tried
    "insert": ("23505", "23505", "23503", "40001"),
    "": ("57014", "40001", "40001", "40P01"),
}
SUCCESS, CANCELLED, SYNTAX = "00000", "57014", "42601"


def vocabulary() -> dict[str, tuple[str, ...]]:
    """Return the names of the codes of each category: a code is a place in these lists."""
    roles = list(ROLES.values())
    users = [
        f"{name}-{number}" for name, role in ROLES.items() for number in range(1, role.users + 1)
    ]
    stations = [f"ws-{user}" for user in users if ROLES[user.rpartition("-")[0]].person]
    return {
        "user": tuple(users),
        "role": tuple(ROLES),
        "program": _distinct(program for role in roles for program in role.programs),
        "host": (*_distinct(host for role in roles for host in role.hosts), *stations, *OUTSIDE),
        "database": _distinct(database for role in roles for database in role.databases),
        "command": _distinct(kind.command for kind in KINDS.values()),
        "error": _distinct([SUCCESS, *chain(*ERRORS.values(), *SCRIPT_ERRORS.values())]),
    }


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
