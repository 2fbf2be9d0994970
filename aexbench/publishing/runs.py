"""How a board was run, and on what: suites, states of cells, machines, versions."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aexbench.publishing.known import in_json
from aexbench.publishing.reading import Reading
from aexbench.running import planning
from aexbench.running.provenance import describe
from aexbench.running.store import Record
from aexbench.texts import counted

MOST_REASONS = 10


@dataclass(frozen=True)
class Run:
    """What is known of how a store came about."""

    facts: Sequence[tuple[str, str]]
    suites: Sequence[tuple[str, Sequence[tuple[str, str]]]]
    reasons: Sequence[str]


def run(reading: Reading) -> Run:
    """Return how a store came about."""
    return Run(
        facts=[(name, text) for name, text in _facts(reading) if text],
        suites=[(str(suite.get("name", "")), _suite(suite)) for suite in reading.suites],
        reasons=_reasons(reading.records),
    )


def _facts(reading: Reading) -> Iterator[tuple[str, str]]:
    records = reading.records
    made = [_mapping(record.provenance) for record in records]
    states = Counter(record.state for record in records)
    yield "cells", ", ".join(f"{count:,} {state}" for state, count in states.most_common())
    yield "made with", "; ".join(_commands(reading.suites))
    yield "when", _when(made)
    yield "machines", _listed(describe(one.get("hardware")) for one in made)
    yield "systems", _listed(str(one.get("system", "")) for one in made)
    yield from _versions(made)
    yield "commits", _listed(str(one.get("commit") or "") for one in made)


def _mapping(value: object) -> Mapping[str, Any]:
    """Return a mapping, an empty one in place of what a stranger's record has there."""
    return value if isinstance(value, Mapping) else {}


def _listed(texts: Iterator[str]) -> str:
    """Return different texts, the most frequent first, with how often there are others."""
    found = Counter(text for text in texts if text)
    if len(found) < 2:
        return "".join(found)
    return "; ".join(f"{text} ({counted(n, 'cell')})" for text, n in found.most_common())


def _when(made: Sequence[Mapping[str, Any]]) -> str:
    days = sorted({str(one["time"])[:10] for one in made if one.get("time")})
    return " to ".join(dict.fromkeys((days[0], days[-1]))) if days else ""


def _versions(made: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield the versions of Python and packages."""
    versions = [_mapping(one.get("versions")) for one in made]
    for name in dict.fromkeys(name for one in versions for name in one):
        yield str(name), _listed(str(one.get(name, "")) for one in versions)


def _commands(suites: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what runs suites again that come with the package."""
    for suite in suites:
        if spelled := planning.spelled(str(suite.get("name", "")), suite.get("parameters")):
            yield f"aexbench run {shlex.quote(spelled)}"


def _suite(suite: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a suite asks for; its notes stand among those of the board."""
    left_out = ("name", "description", "notes")
    return [(str(n), _value(v)) for n, v in suite.items() if n not in left_out and v is not None]


def _value(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(in_json, value))
    return in_json(value)


def _reasons(records: Sequence[Record]) -> list[str]:
    """Return why cells are not ok, the most frequent reason first."""
    found = Counter((r.state, r.reason) for r in records if r.state != "ok")
    lines = [
        f"{state}: {reason} ({counted(count, 'cell')})"
        for (state, reason), count in found.most_common(MOST_REASONS)
    ]
    more = len(found) - MOST_REASONS
    return [*lines, f"and {counted(more, 'other reason')}"] if more > 0 else lines
