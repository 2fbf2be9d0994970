"""Boards fit every width with nothing lost, and explain their marks where these stand."""

from __future__ import annotations

import dataclasses
import itertools
import re

import pytest

from aexbench.board import layout
from aexbench.board.gains import Gain
from aexbench.board.grouping import grouped
from aexbench.board.leaderboard import Board
from aexbench.board.ranking import Column, ranking
from aexbench.board.rendering import FORMATS, as_text
from aexbench.board.sections import Row, Score, Section
from aexbench.board.table import Kind, Place
from aexbench.board.tables import Cell, folded, widest
from aexbench.board.wording import below

METRICS = {"m": "recall@1", "n": "average precision", "o": "effort until first", "p": "pixel AP"}
UNITS = {"smd / null": 20, "smd / random": 19, "asd / null": 30}


def row(number: int, role: str = "explainer", rank: tuple[int, int] | None = None) -> Row:
    name = f"method[preset=paper-tabular,number={number}]"
    by_group = dict.fromkeys(UNITS, ((100 - number) / 128, None))
    return Row(
        explainer=name if role == "explainer" else f"{role}-{number}",
        role=role,
        rank=rank,
        scores={m: Score((100 - number) / 100, 0.5) for m in METRICS},
        gain=Gain("deviation", 0.1, -0.01) if role == "explainer" else None,
        floor_score=0.5,
        by_group=by_group,
        complete=True,
        latency_s=0.00123,
        samples_per_s=80150.4,
        prepare_s=0.1,
        hardware="Test CPU",
        forward_rows=71_102.3,
        backward_rows=0.0,
    )


def board(count: int) -> Board:
    """Return a board of so many explainers, a floor and two references."""
    rows = [row(n, rank=(max(1, n - 1), count)) for n in range(1, count + 1)]
    rows += [row(count + 1, "floor"), row(count + 2, "reference")]
    places = {name: Place(name.split(" / ")[0], "", name.split(" / ")[1]) for name in UNITS}
    kind = Kind("recipe", "corruptions", "cause")
    section = Section(kind, "m", rows, UNITS, (5, 5), 2, 0.1, 7, ["null", "random"], places=places)
    return Board([section], METRICS, ["a note"], "title")


def words(text: str) -> str:
    """Return a text without what lays it out."""
    return re.sub(r"\s", "", text)


@pytest.mark.parametrize("count", [3, 20])
@pytest.mark.parametrize("width", [60, 80, 140, 200])
def test_no_line_is_wider_than_the_terminal_and_nothing_is_cut(count, width):
    shown = board(count)
    text = as_text(shown, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for metric in METRICS.values():
        assert all(word in text for word in metric.split())
    for one in shown.rows:
        assert f"{one.scores['m'].mean:.2f}" in text
        assert f"{one.by_group['asd / null'][0]:.2f}" in text


@pytest.mark.parametrize("count", [3, 20])
def test_a_wide_terminal_has_one_line_for_each_row_and_all_metrics_in_order(count):
    text = as_text(board(count), 200)
    (head,) = (line for line in text.splitlines() if "explainer" in line and "gain" in line)
    places = [head.index(name) for name in (*METRICS.values(), "latency", "best floor", "gain")]
    assert places == sorted(places)
    for one in board(count).rows:
        (line, *_) = (line for line in text.splitlines() if one.explainer in line)
        assert line.count(f"{one.scores['m'].mean:.2f}") == len(METRICS)


def test_what_a_narrow_terminal_has_no_room_for_stands_in_further_tables_in_order():
    columns = ranking(board(3).sections[0], board(3))
    name = columns[1]
    tables = list(layout.fitted(columns, name, 60))
    heads = [[column.head for column in table] for table in tables]
    assert heads[0] == ["#", "explainer", "recall@1", "best floor", "gain"]
    assert [own[0] for own in heads[1:]] == ["explainer"] * len(heads[1:])
    rest = list(itertools.chain(*(own[1:] for own in heads[1:])))
    assert rest == ["average precision", "effort until first", "pixel AP", "latency"] or (
        sorted(rest) == sorted([*list(METRICS.values())[1:], "latency"])
    )
    for table in tables:
        widths = layout.spread(table, 60)
        assert sum(widths) + len(widths) - 1 <= 60


def test_a_further_metric_is_not_shown_before_one_that_the_suite_asks_for_first():
    wide = Column("a metric with averyverylongword", [Cell("0.5")], place=2)
    slim = Column("x", [Cell("0.5")], place=3)
    name = Column("explainer", [Cell("a")], texts=True)
    first, *_ = layout.fitted([name, Column("m", [Cell("0.5")], place=1), wide, slim], name, 20)
    assert [column.head for column in first] == ["explainer", "m"]


def test_explainers_are_lettered_where_their_names_would_take_many_tables():
    groups = grouped(board(20).sections[0])
    tables, key = layout.by_group(groups, 80)
    assert key[0] == "A=method[number=1]"
    assert len(key) == 22
    shown = [column.head for table in tables for column in table[2:]]
    assert shown == [layout.letter(n) for n in range(22)]
    assert all(line in words(as_text(board(20), 80)) for line in key)


def test_names_stand_above_their_scores_where_there_is_room():
    tables, key = layout.by_group(grouped(board(3).sections[0]), 200)
    assert key == []
    assert [column.head for column in tables[0][2:5]] == list(
        grouped(board(3).sections[0]).explainers[:3]
    )


def test_text_of_one_width_is_always_the_same():
    assert as_text(board(20), 77) == as_text(board(20), 77)


@pytest.mark.parametrize("width", range(3, 40))
def test_a_name_is_folded_to_any_width_and_nothing_of_it_is_lost(width):
    name = "integrated-gradients[baseline=reconstruction,steps=[1, 2]] 数据数据"
    assert widest(folded(name, width)) <= width
    assert words(folded(name, width)) == words(name)


def test_a_name_is_broken_at_its_best_places():
    assert folded("integrated-gradients", 12) == "integrated-\ngradients"
    assert folded("lrp[preset=paper-tabular]", 20) == "lrp[preset=\npaper-tabular]"


@pytest.mark.parametrize("form", ["table", "markdown", "latex"])
def test_who_may_be_first_as_well_is_marked_and_the_mark_explained(form):
    shown = board(3)
    text = as_text(shown) if form == "table" else FORMATS[form](shown)
    sign = r"$\dagger$" if form == "latex" else "†"
    assert f"{sign}0.98" in text  # its places are 1 to 3
    assert f"{sign}0.97" not in text  # 2 to 3
    assert f"{sign}0.99" not in text  # the first
    assert "may be first as well" in text
    strong = {"markdown": "**0.99 ±0.49**", "latex": r"\textbf{0.99 $\pm$0.49}", "table": "0.99"}
    assert strong[form] in text


def test_marks_that_do_not_stand_there_are_not_explained():
    shown = board(3)
    alone = dataclasses.replace(
        shown.sections[0],
        rows=shown.sections[0].rows[:1],
        groups={},
        detectable=None,
        controls=["initial"],
    )
    text = as_text(dataclasses.replace(shown, sections=[alone]))
    assert "may be first" not in text
    assert "fewer than 20" not in text
    assert "fewer than 20" in as_text(shown)


def test_what_ranks_and_why_stands_above_the_table():
    shown = dataclasses.replace(board(3), meanings={"m": "the share found"}, why="It is one name.")
    lines = as_text(shown).splitlines()
    said = "ranked by: recall@1, higher is better: the share found. It is one name."
    assert lines.index(said) < next(n for n, line in enumerate(lines) if "best floor" in line)
    assert f"- **ranked by**: {said.partition(': ')[2]}" in FORMATS["markdown"](shown)


def test_each_column_and_sign_of_a_ranking_is_named_below_it():
    text = as_text(dataclasses.replace(board(3), meanings={"n": "of ranks"}))
    terms = ("#", "±", "†", "latency", "best floor", "gain", "·", "average precision", "detectable")
    starts = [line.partition(":")[0] for line in text.splitlines()]
    assert [term for term in terms if term not in starts] == []


def test_who_is_not_above_its_floors_is_named_and_nobody_else():
    shown = board(3)
    (section,) = shown.sections
    above = dataclasses.replace(section.rows[0], gain=Gain("deviation", 0.2, 0.1))
    rows = [above, *section.rows[1:]]
    section = dataclasses.replace(section, rows=rows)
    (said,) = (one.text for one in below(section, shown) if one.term == "·")
    names = f"{rows[1].explainer}, {rows[2].explainer}"
    assert said == f"not shown to be above every floor: {names}"
