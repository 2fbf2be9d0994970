"""Published boards are what the program makes of the records beside them, and the README shows two
of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from aexbench.board.leaderboard import leaderboard
from aexbench.board.rendering import as_markdown
from aexbench.running.store import Store

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"


@pytest.mark.parametrize(
    "name", ["quickstart", "tabular", "beyond", "lrp-roots", "sql", "images", "mvtec"]
)
def test_board_is_made_of_its_records(name):
    store = Store(RESULTS / name)
    records, complaints = store.records()
    assert not complaints
    assert {record.state for record in records} == {"ok"}
    assert all(record.provenance["hardware"]["cpu"] for record in records)
    assert as_markdown(leaderboard(store)) == (RESULTS / name / "board.md").read_text()


@pytest.mark.parametrize("name", ["quickstart", "tabular"])
def test_readme_shows_the_board(name):
    table = (RESULTS / name / "board.md").read_text().split("\n\n")[0]
    assert (
        f"<!-- board of {name} -->\n\n{table}\n\n<!-- end of board -->"
        in (ROOT / "README.md").read_text()
    )
