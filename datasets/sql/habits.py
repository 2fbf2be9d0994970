"""The users of one seed's world and their habits, as tables of numbers that statements are drawn
from.

A *profile* is one user at one task on one database. Its slots hold statements, each of them a
*template*: what stays the same whenever the statement is sent again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aexbench.datasets.sql.roles import (
    CANCELLED,
    ERRORS,
    GATEWAYS,
    KINDS,
    OUTSIDE,
    ROLES,
    SCRIPT_ERRORS,
    SUCCESS,
    Kind,
    Role,
    Task,
    vocabulary,
)

SLOTS = 256  # statements of a profile; one random byte picks one
CHOICES = 16  # of hosts, of programs, of places where a script begins
HOURS = 65  # points of the distribution of a session's start
WHOLE_DAY = 24.0
VARIANTS = 4  # statements of one kind that a profile has at most

Numbers = NDArray[np.float32]
Codes = NDArray[np.int32]


@dataclass(frozen=True)
class World:
    """Tables by profile (P, …), by user (U, …), by template (T,) and by command.

    Attributes
    ----------
    chance
        Cumulative share of sessions by profile.
    user, role, database, median, think, script, errors
        By profile: codes; median statements of a session; logarithm of the median seconds between
        two; whether a script is followed; share of statements that fail, in 65,536ths.
    hours, days
        By profile: session starts at equally likely points; cumulative shares of the weekdays.
    slots, cycle, begins
        By profile: templates, how many slots a script has, and where its patterns begin.
    hosts, programs
        By user: equally likely choices.
    other_hosts, other_programs, other_databases
        By user: what this user never uses. Half of the hosts are used by nobody.
    templates
        By name of attribute, by template.
    error_codes
        By who has written (0 a person, 1 a program) and command: equally likely choices.
    """

    chance: NDArray[np.float64]
    user: Codes
    role: Codes
    database: Codes
    median: Numbers
    think: Numbers
    script: NDArray[np.bool_]
    errors: Numbers
    hours: Numbers
    days: Numbers
    slots: Codes
    cycle: Codes
    begins: Codes
    hosts: Codes
    programs: Codes
    other_hosts: Codes
    other_programs: Codes
    other_databases: Codes
    templates: dict[str, NDArray[Any]]
    error_codes: Codes
    success: int
    cancelled: int


@lru_cache(maxsize=8)
def world(seed: int) -> World:
    """Return the users of a seed and their habits; the same for all splits."""
    maker = _Maker(seed)
    for name, role in ROLES.items():
        maker.add_role(name, role)
    return maker.finished()


class _Maker:
    """Collects profiles and templates, user by user."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(np.random.SeedSequence((seed, 0)))
        self.codes = {
            name: {word: code for code, word in enumerate(words)}
            for name, words in vocabulary().items()
        }
        self.profiles: list[dict[str, Any]] = []
        self.templates: list[dict[str, float]] = []
        self.hosts: list[NDArray[np.int64]] = []
        self.programs: list[NDArray[np.int64]] = []
        self.others: dict[str, list[NDArray[np.int64]]] = {
            name: [] for name in ("host", "program", "database")
        }

    def add_role(self, name: str, role: Role) -> None:
        """Add its users; the most active of them does several times as much as the least."""
        activity = 1.0 / np.arange(1, role.users + 1) ** 0.8
        for number, share in enumerate(activity / activity.sum() * role.share, start=1):
            self.add_user(name, role, f"{name}-{number}", float(share))

    def add_user(self, name: str, role: Role, user: str, share: float) -> None:
        """Add a user's hosts and programs, and a profile for each task on each database."""
        hosts = [f"ws-{user}"] * role.person + self.some(role.hosts, role.hosts_each)
        programs = self.some(role.programs, role.programs_each)
        databases = self.some(role.databases, role.databases_each)
        self.hosts.append(self.choice("host", hosts))
        self.programs.append(self.choice("program", programs))
        for kind, own in (("host", hosts), ("program", programs), ("database", databases)):
            self.others[kind].append(self.strange(kind, own))
        late = self.rng.uniform(-2.0, 2.0) if role.person else self.rng.uniform(-0.7, 0.7)
        free_day = int(self.rng.integers(5)) if role.person and self.rng.random() < 0.3 else None
        for task in role.tasks:
            for rank, database in enumerate(databases):
                weight = 0.5**rank / sum(0.5**r for r in range(len(databases)))
                fixed: dict[str, Any] = {
                    "user": self.codes["user"][user],
                    "role": self.codes["role"][name],
                }
                fixed |= {
                    "database": self.codes["database"][database],
                    "share": share * task.share * weight,
                }
                self.profiles.append(fixed | self.times(task, late, free_day) | self.script(task))

    def some(self, names: tuple[str, ...], count: int) -> list[str]:
        """Draw without repeats, in the order of preference."""
        return [str(name) for name in self.rng.permutation(names)[:count]]

    def choice(self, kind: str, names: list[str]) -> NDArray[np.int64]:
        """Return equally likely choices: the first name about three times as likely
        as the second.
        """
        weights = np.array(
            [0.05 if name in GATEWAYS else 0.3**rank for rank, name in enumerate(names)]
        )
        bounds = np.round(np.cumsum(weights / weights.sum()) * CHOICES)
        codes = np.array([self.codes[kind][name] for name in names])
        return codes[
            np.minimum(np.searchsorted(bounds, np.arange(CHOICES), side="right"), len(names) - 1)
        ]

    def strange(self, kind: str, own: list[str]) -> NDArray[np.int64]:
        """Return choices among what a user never uses, and as many hosts from outside."""
        others = [
            code
            for name, code in self.codes[kind].items()
            if name not in own and name not in OUTSIDE
        ]
        drawn = np.resize(self.rng.permutation(others), CHOICES)
        outside = [self.codes[kind][name] for name in OUTSIDE if name in self.codes[kind]]
        return np.concatenate([drawn[len(outside) :], outside]).astype(np.int64)

    def times(self, task: Task, late: float, free_day: int | None) -> dict[str, Any]:
        """Return when and how fast a user works at a task."""
        middle, spread = task.hours
        share = np.linspace(0.01, 0.99, HOURS)
        normal = np.array([NormalDist().inv_cdf(float(s)) for s in share])
        hours = (
            np.linspace(0, 24, HOURS) if spread == WHOLE_DAY else middle + late + spread * normal
        )
        days = np.array([1.0] * 5 + [task.weekend] * 2)
        if free_day is not None:
            days[free_day] = 0.0
        return {
            "hours": hours,
            "days": np.cumsum(days / days.sum()),
            "median": task.statements * self.rng.uniform(0.8, 1.25),
            "think": np.log(task.think * self.rng.uniform(0.7, 1.4)),
            "errors": task.errors * self.rng.uniform(0.5, 1.5) * 2**16,
        }

    def script(self, task: Task) -> dict[str, Any]:
        """Return the slots of a profile: patterns of statements one after the other, and where they
        begin.
        """
        patterns, weights = (
            [pattern.split() for pattern in task.work],
            np.array(list(task.work.values())),
        )
        mine = {kind: self.variants(KINDS[kind], task) for kind in dict.fromkeys(chain(*patterns))}
        slots: list[int] = []
        begins: list[int] = []
        for drawn in self.rng.choice(len(patterns), size=SLOTS, p=weights / weights.sum()):
            if len(slots) + len(patterns[drawn]) > SLOTS:
                break
            begins.append(len(slots))
            slots += [int(self.rng.choice(mine[kind])) for kind in patterns[drawn]]
        cycle = len(slots)
        return {
            "slots": np.resize(slots, SLOTS),
            "cycle": cycle,
            "begins": self.rng.choice(begins, size=CHOICES),
            "script": task.script,
        }

    def variants(self, kind: Kind, task: Task) -> list[int]:
        """Make a profile's own statements of one kind; the first is sent most."""
        count = VARIANTS if kind.tables[1] else 1
        first = len(self.templates)
        self.templates += [self.template(kind, task.script) for _ in range(count)]
        return [first] * 4 + list(range(first, first + count))

    def template(self, kind: Kind, script: bool) -> dict[str, float]:
        """Draw one statement within its kind's ranges; its text grows with what it holds."""
        tables, predicates, columns = (
            self.whole(r) for r in (kind.tables, kind.predicates, kind.columns)
        )
        subquery = int(tables > 2 and self.rng.random() < 0.3)  # holds one of the tables
        joins = max(0, tables - 1 - subquery) if kind.predicates[1] else 0
        literals = (
            int(self.rng.integers(predicates + 1)) if script and self.rng.random() < 0.3 else 0
        )
        verbosity = float(np.exp(0.15 * self.rng.standard_normal()))
        words = (
            len(kind.command)
            + kind.words
            + 15 * tables
            + 28 * joins
            + 17 * predicates
            + 12 * columns
        )
        varies = 0.0 if script or not tables else 1.0
        return {
            "command": self.codes["command"][kind.command],
            "tables": tables,
            "joins": joins,
            "predicates": predicates,
            "columns": columns,
            "literals": literals + varies * (columns if kind.command == "insert" else predicates),
            "length": words * verbosity if tables else words,
            "rows": np.log(self.between(kind.rows)) if kind.rows[0] else -20.0,
            "spread": kind.spread,
            "start": self.between(kind.start),
            "per_row": kind.per_row
            * (1 + 0.4 * joins)
            * float(np.exp(0.3 * self.rng.standard_normal())),
            "width": self.between(kind.width) if kind.width[0] else 0.0,
            "varies": varies * (predicates > 0),
            "fails": float(tables > 0),
        }

    def whole(self, bounds: tuple[float, float]) -> int:
        return int(self.rng.integers(int(bounds[0]), int(bounds[1]) + 1))

    def between(self, bounds: tuple[float, float]) -> float:
        """Draw with an equal chance for each order of magnitude."""
        return float(np.exp(self.rng.uniform(np.log(bounds[0]), np.log(bounds[1]))))

    def finished(self) -> World:
        """Return the tables."""
        share = np.array([profile["share"] for profile in self.profiles])
        integers = ("user", "role", "database", "slots", "cycle", "begins")
        numbers = ("median", "think", "errors", "hours", "days")
        by_profile = {
            name: np.array([p[name] for p in self.profiles], dtype=np.int32) for name in integers
        }
        tables: dict[str, Any] = dict(by_profile)
        tables |= {
            name: np.array([p[name] for p in self.profiles], dtype=np.float32) for name in numbers
        }
        templates = {
            name: np.array([t[name] for t in self.templates], np.float32)
            for name in self.templates[0]
        }
        templates["command"] = templates["command"].astype(np.int32)
        error, written = self.codes["error"], (ERRORS, SCRIPT_ERRORS)
        choices = [
            [codes.get(command, codes[""]) for command in self.codes["command"]]
            for codes in written
        ]
        return World(
            chance=np.cumsum(share / share.sum()),
            script=np.array([profile["script"] for profile in self.profiles]),
            hosts=np.array(self.hosts, dtype=np.int32),
            programs=np.array(self.programs, dtype=np.int32),
            other_hosts=np.array(self.others["host"], dtype=np.int32),
            other_programs=np.array(self.others["program"], dtype=np.int32),
            other_databases=np.array(self.others["database"], dtype=np.int32),
            templates=templates,
            error_codes=np.array(
                [[[error[c] for c in np.resize(k, 4)] for k in row] for row in choices], np.int32
            ),
            success=error[SUCCESS],
            cancelled=error[CANCELLED],
            **tables,
        )
