"""Turns some of a block's normal statements into intrusions: features that are usual by themselves,
but not here.

Each intrusion lies within one session and changes one to five features of each of its statements;
what it has changed is the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aexbench.datasets.sql.habits import CHOICES, HOURS, World
from aexbench.datasets.sql.roles import ROLES, SYNTAX, vocabulary
from aexbench.datasets.sql.schema import NAMES
from aexbench.datasets.sql.statements import MESSAGE, TAG, Sessions

Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]
Table = dict[str, NDArray[Any]]

CODES = {
    name: {word: code for code, word in enumerate(words)} for name, words in vocabulary().items()
}
SELECT, DELETE, GRANT, COPY = (
    CODES["command"][name] for name in ("select", "delete", "grant", "copy")
)
PEOPLE = (
    "analyst",
    "developer",
    "support",
    "personnel",
)  # administrators work at night, and may do everything
LONGEST = 8  # statements of a session that is an intrusion as a whole


@dataclass(frozen=True)
class Scene:
    """What an intrusion works on: a table to change, where its sessions are, and chance."""

    world: World
    rng: np.random.Generator
    table: Table
    number: Rows  # the session of each row
    sessions: Sessions

    def per_session(self, rows: Rows) -> tuple[Rows, Rows]:
        """Return the sessions that the rows lie in, and for each row which of these is its own."""
        chosen, own = np.unique(self.number[rows], return_inverse=True)
        return chosen, own

    def drawn(self, rows: Rows, low: float, high: float) -> NDArray[np.float64]:
        """Return a number for each row, any order of magnitude as likely."""
        return np.exp(self.rng.uniform(np.log(low), np.log(high), len(rows)))


@dataclass(frozen=True)
class Intrusion:
    """Which statements an intrusion may change, whether always whole sessions, and how it changes
    rows.
    """

    name: str
    whole: bool
    eligible: Callable[[Table], Flags]
    change: Callable[[Scene, Rows], None]


def plant(
    world: World, rng: np.random.Generator, activity: Table, sessions: Sessions, share: float
) -> tuple[Table, NDArray[np.int8], Flags]:
    """Return the activity with intrusions in about `share` of its rows, the kind of each row and
    the truth (N, 21).

    The kinds share the rows evenly. No session has two of them.
    """
    table = {name: column.copy() for name, column in activity.items()}
    count = len(table["rows"])
    kind = np.zeros(count, dtype=np.int8)
    number = np.repeat(np.arange(len(sessions.length)), sessions.length)
    scene = Scene(world, rng, table, number, sessions)
    free = np.ones(len(sessions.length), dtype=bool)
    for code, intrusion in enumerate(INTRUSIONS, start=1):
        rows = _chosen(scene, intrusion, free, share * count / len(INTRUSIONS))
        free[number[rows]] = False
        intrusion.change(scene, rows)
        kind[rows] = code
    truth = np.zeros((count, len(NAMES)), dtype=bool)
    changed = np.flatnonzero(kind)
    for column, name in enumerate(NAMES):
        truth[changed, column] = table[name][changed] != activity[name][changed]
    return table, kind, truth


def _chosen(scene: Scene, intrusion: Intrusion, free: Flags, wanted: float) -> Rows:
    """Return the rows of so many intrusions that they have about as many rows as wanted."""
    eligible = intrusion.eligible(scene.table)
    places = np.flatnonzero(eligible)
    before = np.concatenate([[0], np.cumsum(eligible)])
    first, length = scene.sessions.first, scene.sessions.length
    count = before[first + length] - before[first]
    able = free & (count > 0) & ((length <= LONGEST) | (not intrusion.whole))
    session = scene.rng.permutation(np.flatnonzero(able))
    begin, end = before[first[session]], before[first[session] + length[session]]  # in `places`
    if not intrusion.whole:
        begin = begin + (scene.rng.random(len(session)) * (end - begin)).astype(np.int64)
        end = np.minimum(end, begin + scene.rng.geometric(0.3, len(session)))
    number = _enough(end - begin, wanted, scene.rng)
    spans = [places[a:b] for a, b in zip(begin[:number], end[:number], strict=True)]
    return np.sort(np.concatenate([np.empty(0, np.int64), *spans]))


def _enough(rows: Rows, wanted: float, rng: np.random.Generator) -> int:
    """Return how many intrusions to take so that in the mean their rows are as many as wanted."""
    total = np.concatenate([[0], np.cumsum(rows)])
    number = int(np.searchsorted(total, wanted, side="right")) - 1
    one_more = number < len(rows) and rng.random() * rows[number] < wanted - total[number]
    return number + int(one_more)


def _of(table: Table, *roles: str) -> Flags:
    codes = np.zeros(len(ROLES), dtype=bool)
    codes[[CODES["role"][role] for role in roles]] = True
    return codes.take(table["role"])


def _works(table: Table) -> Flags:
    return np.asarray(table["error"] == 0)


def _may_leak(table: Table) -> Flags:
    """Quick queries with few rows."""
    few = (table["rows"] >= 1) & (table["rows"] <= 2000) & (table["duration"] < 100)
    return np.asarray(
        few & (table["command"] == SELECT) & _works(table) & _of(table, "application", *PEOPLE)
    )


def _exfiltrate(scene: Scene, rows: Rows) -> None:
    """Read a whole table: rows, and with them bytes and duration; often by leaving the conditions
    out.
    """
    table = scene.table
    many = np.round(scene.drawn(rows, 1e5, 2e6))
    table["bytes"][rows] = np.round(TAG + (table["bytes"][rows] - TAG) * many / table["rows"][rows])
    table["duration"][rows] += np.round(many * scene.drawn(rows, 0.004, 0.01), 3)
    table["rows"][rows] = many
    bare = rows[(table["literals"][rows] == 0) & (scene.rng.random(len(rows)) < 0.5)]
    table["length"][bare] = np.maximum(table["length"][bare] - 17 * table["predicates"][bare], 20)
    table["predicates"][bare] = 0


def _may_be_injected(table: Table) -> Flags:
    """What programs send with parameters in the place of constants."""
    sent = (table["tables"] > 0) & (table["literals"] == 0) & (table["predicates"] > 0)
    return np.asarray(
        sent & (table["command"] == SELECT) & _works(table) & _of(table, "application", "support")
    )


def _inject(scene: Scene, rows: Rows) -> None:
    """Write into a parameter: a condition that always holds, another query's rows, or an error that
    tells something.
    """
    table = scene.table
    way = scene.rng.integers(3, size=len(rows))
    always, union, probe = (rows[way == number] for number in range(3))
    table["literals"][rows] += scene.rng.integers(2, 9, len(rows))
    table["length"][rows] += np.round(scene.drawn(rows, 20, 200))
    table["predicates"][always] += scene.rng.integers(1, 5, len(always))
    stolen = np.round(scene.drawn(union, 50, 5000))
    table["tables"][union] += scene.rng.integers(1, 4, len(union))
    table["rows"][union] += stolen
    table["bytes"][union] += np.round(stolen * table["columns"][union] * scene.drawn(union, 6, 30))
    table["error"][probe] = CODES["error"][SYNTAX]
    table["rows"][probe], table["bytes"][probe] = 0, MESSAGE


def _may_be_misused(table: Table) -> Flags:
    """Queries of one table, and statements about none."""
    simple = (table["command"] == SELECT) & (table["joins"] == 0) & (table["rows"] >= 1)
    small = (
        (table["tables"] == 0)
        & (table["columns"] == 0)
        & _of(table, "application", "developer", "reporting")
    )
    return np.asarray(_works(table) & ((simple & _of(table, *PEOPLE)) | small))


def _misuse(scene: Scene, rows: Rows) -> None:
    """Do what the role is not for: delete, give rights away, or copy a foreign database's rows as
    an administrator.
    """
    table = scene.table
    about_none = table["tables"][rows] == 0
    grant = rows[about_none]
    table["command"][grant], table["tables"][grant] = GRANT, 1
    table["length"][grant] += scene.rng.integers(20, 60, len(grant))
    chosen, own = scene.per_session(rows)
    elsewhere = (scene.rng.random(len(chosen)) < 0.5)[own] | (
        table["role"][rows] == CODES["role"]["developer"]
    )
    delete, foreign = rows[~about_none & ~elsewhere], ~about_none & elsewhere
    table["command"][delete], table["columns"][delete], table["bytes"][delete] = DELETE, 0, TAG
    pick = scene.rng.integers(CHOICES, size=len(chosen))[own][foreign]
    foreign_rows = rows[foreign]
    table["database"][foreign_rows] = scene.world.other_databases[table["user"][foreign_rows], pick]
    table["role"][foreign_rows] = CODES["role"]["administrator"]
    table["command"][foreign_rows] = COPY


def _may_be_late(table: Table) -> Flags:
    return _of(table, *PEOPLE)


def _work_late(scene: Scene, rows: Rows) -> None:
    """Move a session by half a day from the user's middle hour, and half of them to the weekend."""
    table = scene.table
    chosen, own = scene.per_session(rows)
    middle = scene.world.hours[scene.sessions.profile[chosen], HOURS // 2].astype(np.float64)
    start = middle + 12.0 + scene.rng.uniform(-3.0, 3.0, len(chosen))
    table["hour"][rows] = (start[own] + table["session-age"][rows] / 3600) % 24
    weekend = (scene.rng.random(len(chosen)) < 0.5)[own] & ~_of(table, "support")[rows]
    day = scene.rng.integers(5, 7, len(chosen))[own]
    table["weekday"][rows[weekend]] = day[weekend]


def _may_be_shared(table: Table) -> Flags:
    return _of(table, "application", "reporting", "administrator", *PEOPLE)


def _share(scene: Scene, rows: Rows) -> None:
    """Let somebody else use the login, on another host and with another program."""
    chosen, own = scene.per_session(rows)
    user = scene.table["user"][scene.sessions.first[chosen]]
    host, program = scene.rng.integers(CHOICES, size=(2, len(chosen)))
    scene.table["host"][rows] = scene.world.other_hosts[user, host][own]
    scene.table["program"][rows] = scene.world.other_programs[user, program][own]


INTRUSIONS = (
    Intrusion("exfiltration", False, _may_leak, _exfiltrate),
    Intrusion("injection", False, _may_be_injected, _inject),
    Intrusion("privilege-misuse", False, _may_be_misused, _misuse),
    Intrusion("off-hours", True, _may_be_late, _work_late),
    Intrusion("credential-sharing", True, _may_be_shared, _share),
)
KINDS = ("normal", *(intrusion.name for intrusion in INTRUSIONS))
