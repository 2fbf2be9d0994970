"""Sections by hand, a published board, and a store that has been run once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

import aexbench
from aexbench.board.leaderboard import Board, leaderboard
from aexbench.board.sections import Row, Score, Section
from aexbench.board.table import Kind
from aexbench.results import Results
from aexbench.running.packed import open_store
from tests.aexbench.conftest import SMALL

RESULTS = Path(aexbench.__file__).parents[1] / "results"


def row(name: str, score: float, role: str = "explainer", **own: object) -> Row:
    """Return a row of a board by the metric `m`."""
    values: dict[str, object] = {
        "explainer": name,
        "role": role,
        "rank": None,
        "scores": {"m": Score(score, score - 0.1, score + 0.1)},
        "gain": None,
        "floor_score": None,
        "by_group": {},
        "complete": True,
        "latency_s": None,
        "samples_per_s": None,
        "prepare_s": None,
        "hardware": "",
    }
    return Row(**{**values, **own})  # type: ignore[arg-type]


def section(*rows: Row, units: Mapping[str, int] | None = None, higher: bool = True) -> Section:
    """Return a section of corruptions."""
    kind = Kind("recipe", "corruptions", "cause")
    return Section(kind, "m", rows, units or {}, (5, 5), 1, None, None, ["null"], higher)


def board(*sections: Section, title: str = "made", metric: str = "metric") -> Board:
    """Return a board of sections."""
    return Board(list(sections), {"m": metric}, [], title=title)


@pytest.fixture(scope="session")
def published() -> Board:
    """The quickstart's board, as it is published."""
    return leaderboard(open_store(RESULTS / "quickstart"))


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A small suite, run once with two seeds."""
    folder = tmp_path_factory.mktemp("plots")
    (folder / "small.toml").write_text(SMALL + "seeds = 2\n")
    return aexbench.run(folder / "small.toml", store=folder / "store")
