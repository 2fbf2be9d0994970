"""Boards and results as terminals and notebooks show them when nobody has asked for more."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import aexbench
from aexbench import summaries
from aexbench.board import cards, notebook, ranking, rendering, wording
from aexbench.results import Results
from aexbench.running.store import Store
from tests.aexbench.board.test_cards import CARD
from tests.aexbench.board.test_leaderboard import board_of_one
from tests.aexbench.test_showing import HOSTILE, fits, read

RESULTS = Path(__file__).parents[3] / "results"
RIGHT, LEFT = "text-align: right", "text-align: left"


@pytest.fixture(scope="module")
def published() -> Results:
    return aexbench.open(RESULTS / "quickstart")


@pytest.fixture(scope="module")
def board(published):
    return published.board()


def test_a_board_says_in_a_line_who_leads(board):
    first, *others = [row for row in board.rows if row.rank]
    assert repr(board).splitlines() == [
        "Board of quickstart",
        f"  corruptions, cause  {first.explainer}, first of {1 + len(others)} by recall@1: "
        f"{first.scores['recall'].mean:.2f}",
        "  print(board)        shows ranks, floors, groups and notes",
    ]
    assert str(board) == rendering.as_text(board)


def test_a_board_without_ranks_says_so():
    one = board_of_one("a / null")
    (section,) = one.sections
    unranked = dataclasses.replace(section.rows[0], rank=None)
    sections = [dataclasses.replace(section, rows=[unranked])]
    assert "corruptions, cause  no explainer is ranked" in repr(
        dataclasses.replace(one, sections=sections)
    )


def test_a_board_is_tables_with_captions_and_all_that_is_said_of_them(board):
    shown = read(board._repr_html_())
    (section,) = board.sections
    assert shown.texts("strong")[:2] == [wording.title(section), "recall@1 by group"]
    assert shown.texts("strong")[-1] == "The detectors"
    said = [*wording.lines(section, board), *map(str, wording.DETECTORS), *board.notes]
    assert [text for text in said if text not in shown.texts("li")] == []
    cells = [cell for cell in shown.cells if cell[0] in ("th", "td")]
    width = len(ranking.heads(section, board))
    head, first = cells[:width], cells[width : 2 * width]
    sides = [RIGHT, LEFT, *[RIGHT] * (width - 4), LEFT, RIGHT]
    assert [cell[3] for cell in head] == ranking.heads(section, board)
    assert [cell[1] for cell in head] == ["col"] * width
    best = [f"{RIGHT}; font-weight: bold" if n == 2 else side for n, side in enumerate(sides)]
    assert [cell[2] for cell in head] == sides
    assert [cell[2] for cell in first] == best  # the first row's score
    assert [cell[1] for cell in first] == ["", "row", *[""] * (width - 2)]
    assert [cell[3] for cell in first] == [cell.text for cell in ranking.lines(section, board)[0]]


def test_cards_of_the_metric_that_ranks_and_costs_are_shown_where_there_are_some(board):
    assert read(board_of_one()._repr_html_()).texts("strong")[2:] == ["The detectors"]
    more = [dataclasses.replace(CARD, metric=name) for name in ("recall", "recall[top=3]")]
    shown = read(dataclasses.replace(board, cards=more)._repr_html_())
    assert shown.texts("strong")[2:] == [cards.title(more[0]), "What it costs", "The detectors"]
    said = [*cards.LEGEND, *cards.notes(CARD)]
    assert [text for text in said if text not in shown.texts("li")] == []


def test_names_on_a_board_do_nothing():
    one = board_of_one(f"{HOSTILE} / null", note=HOSTILE)
    (section,) = one.sections
    row = dataclasses.replace(section.rows[0], explainer=HOSTILE)
    hostile = dataclasses.replace(
        one,
        sections=[dataclasses.replace(section, rows=[row])],
        metrics={"m": HOSTILE},
        title=HOSTILE,
    )
    assert fits(repr(hostile))
    assert sum("<script>" in cell[3] for cell in read(notebook.as_html(hostile)).cells) > 4


def test_results_show_what_cells_there_are(published):
    assert repr(published).splitlines() == [
        "Results of 1,080 cells",
        "  store        quickstart",
        "  cells        1,080 ok",
        "  datasets     breast-cancer, digits",
        "  corruptions  null[threshold=0.2], random, adversarial",
        "  explainers   residual, repair, lrp[preset=paper-tabular] and 8 more",
        "  metrics      recall, recall[top=3]",
        "  more         .board() ranks, .frame is a row for each cell and metric",
    ]
    shown = read(published._repr_html_()).texts("strong")
    assert shown[0] == "Results of 1,080 cells"
    assert shown[-1] == "The detectors"


def test_of_many_cells_only_what_is_read_already_is_shown(published, monkeypatch):
    assert len(published.records) == 1080
    monkeypatch.setattr(summaries, "MOST_CELLS", 869)
    unread = Results(published.store, published.keys)
    assert repr(unread).splitlines()[1:] == [
        "  store  quickstart",
        "  more   .board() ranks, .frame is a row for each cell and metric",
    ]
    assert read(unread._repr_html_()).texts("strong") == ["Results of 1,080 cells"]
    assert "records" not in vars(unread)
    assert "1,080 ok" in repr(published)
    monkeypatch.setattr(summaries, "MOST_CELLS", 1080)
    assert "1,080 ok" in repr(unread)


def test_results_with_nothing_to_rank_say_why(tmp_path):
    empty = Results(Store(tmp_path / "empty", create=True))
    assert repr(empty).startswith("Results of 0 cells\n  store  empty\n")
    assert str(empty).endswith(str(empty).splitlines()[-1])
    assert "no scores to rank" in str(empty)
    assert "no scores to rank" in read(empty._repr_html_()).texts("li")[0]


def test_where_a_temporary_store_lies_is_not_shown(published):
    kept = Results(published.store, keep=object())
    assert "store        a temporary folder" in repr(kept)
