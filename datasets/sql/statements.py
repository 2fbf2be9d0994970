"""Draws sessions from habits and statements within sessions: whole columns at once, every number
from the ones before.

What a statement is decides how many rows it meets; rows, joins and the load of the hour decide how
long it takes; that and the pause before the next one decide how old the session is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aexbench.datasets.sql.habits import CHOICES, HOURS, Numbers, World

LONGEST = 400  # statements of a session
TIME_OUT = 30_000.0  # milliseconds after which a statement is cancelled
MESSAGE = 90.0  # bytes of an error
TAG = 20.0  # bytes that end every answer


class Sessions(NamedTuple):
    """Sessions one after the other, by session (S,): the rows that each covers, and what all its
    statements share.
    """

    first: NDArray[np.int64]
    length: NDArray[np.int64]
    profile: NDArray[np.int64]
    host: NDArray[np.int32]
    program: NDArray[np.int32]
    hour: NDArray[np.float64]
    weekday: NDArray[np.int64]
    begin: NDArray[np.int32]


def draw_sessions(world: World, rng: np.random.Generator, rows: int) -> Sessions:
    """Return sessions that cover exactly `rows` rows; the last one is cut off."""
    parts: list[tuple[NDArray[Any], ...]] = []
    covered = 0
    while covered < rows:
        parts.append(_more_sessions(world, rng, rows // 16 + 1))
        covered += int(parts[-1][0].sum())
    length, *shared = (np.concatenate(column) for column in zip(*parts, strict=True))
    end = np.cumsum(length)
    count = int(np.searchsorted(end, rows)) + 1
    first = (end - length)[:count]
    length = np.minimum(length[:count], rows - first)
    return Sessions(first, length, *(column[:count] for column in shared))


def _more_sessions(world: World, rng: np.random.Generator, count: int) -> tuple[NDArray[Any], ...]:
    """Draw so many sessions: length, and then the columns of Sessions."""
    uniform = rng.random((5, count))
    profile = np.minimum(np.searchsorted(world.chance, uniform[0]), len(world.chance) - 1)
    length = np.exp(np.log(world.median[profile]) + 0.7 * rng.standard_normal(count))
    host, program, begin = rng.integers(CHOICES, size=(3, count))
    user = world.user[profile]
    point = uniform[1] * (HOURS - 1)
    left = point.astype(np.int64)
    before, after = world.hours[profile, left], world.hours[profile, left + 1]
    hour = np.mod(before + (point - left) * (after - before), 24.0)
    weekday = np.minimum((uniform[2][:, None] > world.days[profile]).sum(axis=1), 6)
    return (
        np.clip(length, 1, LONGEST).astype(np.int64),
        profile,
        world.hosts[user, host],
        world.programs[user, program],
        hour,
        weekday,
        world.begins[profile, begin],
    )


def draw_statements(
    world: World, rng: np.random.Generator, sessions: Sessions
) -> dict[str, NDArray[Any]]:
    """Return the activity of the sessions: the schema's columns."""
    rows = int(sessions.length.sum())
    number = np.repeat(np.arange(len(sessions.length), dtype=np.int32), sessions.length)
    position = np.arange(rows, dtype=np.int32) - sessions.first.astype(np.int32).take(number)
    profile = sessions.profile.take(number)
    template = _templates(world, rng, sessions, number, position, profile)
    made: dict[str, NDArray[Any]] = {
        name: table.take(template) for name, table in world.templates.items()
    }
    _vary(rng, made)
    _measure(rng, made, _load(sessions.hour).take(number))
    made["error"] = _fail(world, rng, made, profile)
    gap, age = _pause(rng, sessions, world.think.take(profile), made["duration"], number)
    hours = sessions.hour.take(number) + age * (1 / 3600)
    days = np.floor(hours * (1 / 24))
    columns: dict[str, NDArray[Any]] = {
        "user": world.user.take(profile),
        "role": world.role.take(profile),
        "program": sessions.program.take(number),
        "host": sessions.host.take(number),
        "database": world.database.take(profile),
        "hour": hours - 24.0 * days,
        "weekday": np.remainder(sessions.weekday.take(number) + days.astype(np.int64), 7),
        "session-age": age,
        "statements": position,
        "gap": gap,
    }
    rest = (
        "command",
        "tables",
        "joins",
        "predicates",
        "columns",
        "length",
        "literals",
        "rows",
        "duration",
        "bytes",
    )
    columns |= {name: made[name] for name in (*rest, "error")}
    return {
        name: c if c.dtype == np.int32 and name != "statements" else c.astype(float)
        for name, c in columns.items()
    }


def _templates(
    world: World,
    rng: np.random.Generator,
    sessions: Sessions,
    number: NDArray[Any],
    position: NDArray[Any],
    profile: NDArray[Any],
) -> NDArray[Any]:
    """Return which statement each row is: the next of the script, or any of the profile's."""
    slot = rng.integers(256, size=len(number), dtype=np.uint8).astype(np.int64)
    script = np.flatnonzero(world.script.take(profile))
    followed = sessions.begin.take(number[script]) + position[script]
    slot[script] = followed % world.cycle.take(profile[script])
    drawn: NDArray[Any] = world.slots.ravel().take(profile * world.slots.shape[1] + slot)
    return drawn


def _vary(rng: np.random.Generator, made: dict[str, NDArray[Any]]) -> None:
    """Let people write more or fewer conditions, constants and columns each time."""
    rows = np.flatnonzero(made["varies"])
    more, listed, wider = rng.standard_exponential((3, len(rows)), dtype=np.float32)
    conditions = np.floor(0.8 * more)
    columns = np.round(made["columns"][rows] * (0.7 + 0.3 * wider) + 0.5)
    listed = np.floor(np.expm1(np.minimum(0.6 * listed, 7.0)))  # few lists are long, some very long
    constants = conditions + listed
    made["length"][rows] += 17 * conditions + 9 * constants + 12 * (columns - made["columns"][rows])
    made["length"][rows] = np.maximum(made["length"][rows], 20.0)
    made["predicates"][rows] += conditions
    made["literals"][rows] += constants
    made["columns"][rows] = columns
    made["rows"][rows] -= 0.3 * conditions  # the logarithm: each condition leaves fewer
    np.round(made["length"], out=made["length"])


def _load(hour: NDArray[np.float64]) -> Numbers:
    """Return how much slower the server is than at two in the night."""
    return (1.5 - 0.5 * np.cos((hour - 2.0) * (np.pi / 12))).astype(np.float32)


def _measure(rng: np.random.Generator, made: dict[str, NDArray[Any]], load: Numbers) -> None:
    """Work out rows, duration and bytes; now and then a statement has to wait."""
    count = len(load)
    rows = np.floor(
        np.exp(made["rows"] + made["spread"] * rng.standard_normal(count, dtype=np.float32))
    )
    wait = np.exp(0.3 * rng.standard_exponential(count, dtype=np.float32))  # a Pareto tail
    duration = (made["start"] * load + made["per_row"] * rows) * wait
    compressed = 0.9 + 0.2 * rng.random(count, dtype=np.float32)
    made["rows"] = rows
    made["duration"] = np.round(duration * 1000) * np.float32(0.001)
    made["bytes"] = np.round(TAG + rows * made["columns"] * made["width"] * compressed)


def _fail(
    world: World, rng: np.random.Generator, made: dict[str, NDArray[Any]], profile: NDArray[Any]
) -> NDArray[np.int32]:
    """Let some statements fail: they return a message and no rows, at once or when their time is
    over.
    """
    drawn = rng.integers(2**16, size=len(profile), dtype=np.uint16)
    failed = np.flatnonzero(drawn < world.errors.take(profile) * made["fails"])
    error = np.full(len(profile), world.success, dtype=np.int32)
    program, pick = world.script[profile[failed]].astype(int), rng.integers(4, size=len(failed))
    error[failed] = world.error_codes[program, made["command"][failed], pick]
    made["rows"][failed], made["bytes"][failed] = 0.0, MESSAGE
    early = np.round(made["duration"][failed] * rng.random(len(failed)) * 300) / 1000
    made["duration"][failed] = np.where(
        error[failed] == world.cancelled, TIME_OUT + early % 10, early
    )
    return error


def _pause(
    rng: np.random.Generator,
    sessions: Sessions,
    think: Numbers,
    duration: Numbers,
    number: NDArray[Any],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return gap and session age in seconds: a pause after the statement before has ended."""
    gap = np.exp(think + rng.standard_normal(len(think), dtype=np.float32)).astype(np.float64)
    gap[1:] += 0.001 * duration[:-1]
    gap[sessions.first] = 0.02 + 0.1 * rng.standard_exponential(
        len(sessions.first)
    )  # since the login
    total = np.cumsum(gap)
    return gap, total - (total - gap)[sessions.first].take(number)
