"""Published boards are what the program makes of the records beside them, their keys are those that
the code plans, and the README and the pages of docs show some of them.
"""

from __future__ import annotations

import json
import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from aexbench.board.cards import as_markdown as as_markdown_of_cards
from aexbench.board.leaderboard import cards as leaderboard_of_cards
from aexbench.board.leaderboard import leaderboard
from aexbench.board.rendering import as_json, as_markdown
from aexbench.results import Results, _rows
from aexbench.running import matrix, planning
from aexbench.running.packed import Packed, open_store
from tests.alike import alike

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
NAMES = [
    *("quickstart", "tabular", "beyond", "lrp-roots", "sql", "images", "paper-sql", "paper-regime"),
]
# Of earlier versions, or of data that are not everywhere; their boards are of today's statistics.
EARLIER = [
    *("real", "images-h200", "mvtec", "paper-images", "paper-images-1000", "image-training"),
    "series",
]


def test_results_are_complete_where_no_cell_is_missing():
    store = open_store(RESULTS / "sql")
    assert Results(store).complete
    assert not Results(store, [*store.keys(), "0" * 32]).complete


def test_a_row_of_a_frame_has_the_seeds_of_its_anomalies_and_of_its_control():
    record = open_store(RESULTS / "beyond").records()[0][0]
    seeds = {"detector_seed": 1, "anomaly_seed": 2, "explainer_seed": 3, "control_seed": 4}
    changed = record.model_copy(update={"cell": record.cell.model_copy(update=seeds)})
    (row,) = _rows(changed, ["recall"])
    assert (row["seed"], row["control_seed"]) == (2, 4)


@pytest.mark.parametrize("name", [*NAMES, *EARLIER])
def test_board_is_made_of_its_records(name):
    store = open_store(RESULTS / name)
    assert isinstance(store, Packed)
    records, complaints = store.records()
    assert not complaints
    states = {record.state for record in records}  # some corruptions find nothing there
    partly = ("real", "lrp-roots", "beyond", "series")
    assert states == ({"ok", "skipped"} if name in partly else {"ok"})
    assert all(record.provenance["hardware"]["cpu"] for record in records)
    board = leaderboard(store)
    assert as_markdown(board) == (RESULTS / name / "board.md").read_text()
    assert alike(
        json.loads(as_json(board)), json.loads((RESULTS / name / "board.json").read_text())
    )
    for section in board.sections:
        _check_order(section, board.primary)


def _check_order(section, metric):
    """Rows stand in the order of their means, and each rank holds the row's own place."""
    ranked = [row for row in section.rows if row.rank is not None]
    means = [row.scores[metric].mean for row in ranked]
    assert means == sorted(means, reverse=True)
    assert all(row.rank[0] <= place <= row.rank[1] for place, row in enumerate(ranked, start=1))


@pytest.mark.parametrize("name", NAMES)
def test_every_key_is_one_that_the_code_plans(name):
    store = open_store(RESULTS / name)
    (suite, cells), *others = store.plans()
    own = {key: value for key, value in suite.items() if key != "titles"}  # which no key holds
    planned = {cell.key: cell for cell in planning.plan(planning.from_values(own, name))}
    assert set(cells) == set(store.keys()) == planned.keys()
    assert not others


@pytest.mark.parametrize("name", EARLIER)
def test_cells_of_earlier_versions_are_those_of_their_plan(name):
    store = open_store(RESULTS / name)
    ((_, cells),) = store.plans()
    assert set(cells) == set(store.keys())


def test_they_are_few_files():
    for folder in filter(Path.is_dir, RESULTS.iterdir()):
        assert len(list(folder.rglob("*"))) <= 6, "five, and a picture at most"


TABLE = re.findall(
    r"^\| \[`(.+?)`\]\(.+?\) \| `aexbench run (.+?)`",
    (RESULTS / "README.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


def test_every_board_has_its_command():
    folders = {path.name for path in RESULTS.iterdir() if path.is_dir()} - {"images-h200"}
    assert {name for name, _ in TABLE} == folders


@pytest.mark.parametrize(("name", "command"), TABLE, ids=[name for name, _ in TABLE])
def test_its_command_is_that_of_its_plan(name, command):
    words = shlex.split(command)
    given = dict(pairwise(words))
    seeds = int(given["--seeds"]) if "--seeds" in given else None
    suite = "quickstart" if words[0].startswith("--") else words[0]
    wanted = matrix.asked(suite, seeds=seeds)
    ((plan, _),) = open_store(RESULTS / name).plans()
    assert (plan["name"], plan["seeds"]) == (wanted.name, wanted.seeds)


PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
SHOWN = re.compile(r"<!-- (board|card) of (\S+) -->\n\n(.+?)\n\n<!-- end of \1 -->", re.DOTALL)
PARTS = [(page, *found) for page in PAGES for found in SHOWN.findall(page.read_text())]


def test_boards_and_the_card_are_shown_where_readers_look():
    places = {(page.name, kind, name) for page, kind, name, _ in PARTS}
    assert {
        ("README.md", "board", "quickstart"),
        ("results-and-running.md", "board", "tabular"),
        ("statistics.md", "card", "real"),
    } <= places
    assert sum(page.read_text().count("<!-- end of ") for page in PAGES) == len(PARTS)


@pytest.mark.parametrize(("name", "shown"), [part[2:] for part in PARTS if part[1] == "board"])
def test_pages_show_boards_of_results(name, shown):
    parts = (RESULTS / name / "board.md").read_text().split("\n\n")
    assert shown == next(part for part in parts if part.startswith("| "))


@pytest.mark.parametrize("shown", [part[3] for part in PARTS if part[1:3] == ("card", "real")])
def test_pages_show_the_card_of_real(shown):
    cards, _ = leaderboard_of_cards(open_store(RESULTS / "real"), "recall[top=truth]")
    rows = as_markdown_of_cards(cards).splitlines()
    assert len(shown.strip().splitlines()) > 10
    assert all(line in rows for line in shown.strip().splitlines())
