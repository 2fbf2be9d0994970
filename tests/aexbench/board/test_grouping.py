"""Groups are rows: in natural order, without what all share, the best explainers of each marked."""

from __future__ import annotations

import csv
import io

import pytest

from aexbench.board.gains import Gain
from aexbench.board.grouping import best, grouped, in_order
from aexbench.board.leaderboard import Board
from aexbench.board.rendering import FORMATS, as_text
from aexbench.board.sections import Row, Score, Section
from aexbench.board.table import Kind, Place
from aexbench.board.tables import Cell


def section(
    scores: dict[str, dict[str, float]], places: dict[str, Place], higher: bool = True, **roles: str
) -> Section:
    """Return a section of scores by row and group."""
    rows = [
        Row(
            explainer=name,
            role=roles.get(name, "explainer"),
            rank=None,
            scores={"m": Score(0.5)},
            gain=None,
            floor_score=None,
            by_group={group: (score, None) for group, score in own.items()},
            complete=True,
            latency_s=None,
            samples_per_s=None,
            prepare_s=None,
            hardware="",
        )
        for name, own in scores.items()
    ]
    kind, units = Kind("recipe", "labels", "symptom"), dict.fromkeys(places, 20)
    return Section(kind, "m", rows, units, (1, 1), 1, None, None, ["labels"], higher, places=places)


def board(own: Section) -> Board:
    return Board([own], {"m": "metric"}, [], "made")


def images() -> Section:
    """Return two objects with damage, of one detector."""
    net, few = "net[epochs=4]", "per_damage=10"
    objects = {"nut": f"defects[category=nut,{few}]", "bolt": f"defects[{few}]"}
    kinds = [("nut", "cut"), ("nut", "crack"), ("bolt", "hole 10"), ("bolt", "hole 9")]
    places = {f"{o} / {k}": Place(objects[o], net, "labels", k) for o, k in kinds}
    scores = {"lrp[a=1,b=2]": 0.5, "lrp[a=1]": 0.504, "residual": 0.2, "deviation": 0.9}
    by_row = {name: dict.fromkeys(places, score) for name, score in scores.items()}
    return section(by_row, places, deviation="floor")


def test_what_all_groups_share_is_said_once_and_not_in_each_row():
    groups = grouped(images())
    assert groups.parts == ["data set", "kind"]
    assert groups.shared == ["net[epochs=4]", "labels"]
    assert groups.dropped == ["defects[per_damage=10]", "lrp[a=1]"]
    assert groups.explainers == ["lrp[b=2]", "lrp", "residual", "deviation"]
    text = as_text(board(images()), 120)
    assert "all groups: net[epochs=4] / labels" in text
    assert "names in full: defects[per_damage=10], lrp[a=1]" in text


def test_rows_are_sorted_as_people_count():
    assert grouped(images()).names == [
        ["defects", "hole 9"],
        ["defects", "hole 10"],
        ["defects[category=nut]", "crack"],
        ["defects[category=nut]", "cut"],
    ]


def test_ties_as_they_are_shown_are_all_best_and_a_floor_never():
    line = grouped(images()).scores[0]
    assert line == [Cell("0.50", True), Cell("0.50", True), Cell("0.20"), Cell("0.90")]
    shown = board(images())
    assert "| **0.50** | **0.50** | 0.20 | 0.90 |" in FORMATS["markdown"](shown)
    assert r"\textbf{0.50} & \textbf{0.50} & 0.20 & 0.90" in FORMATS["latex"](shown)
    assert "*0.50 *0.50" in " ".join(as_text(shown).split())
    assert "*0.90" not in as_text(shown)


def test_where_lower_is_better_the_lowest_is_best():
    places = {"a": Place("a"), "b": Place("b")}
    own = section({"x": {"a": 0.1, "b": 0.9}, "y": {"a": 0.2}}, places, higher=False)
    assert [best(group, own) for group in in_order(own)] == [["x"], ["x"]]
    assert best("a", section({"x": {"a": 0.1}, "y": {"a": 0.2}}, places)) == ["y"]


def test_one_group_keeps_its_names():
    own = section({"x": {"g": 0.1}}, {"g": Place("wine", "", "null[count=9]")})
    groups = grouped(own)
    assert (groups.parts, groups.names) == (["data set", "corruption"], [["wine", "null[count=9]"]])
    assert (groups.shared, groups.dropped) == ([], [])


def test_what_has_no_score_in_a_group_is_shown_so():
    places = {"a": Place("a"), "b": Place("b")}
    assert grouped(section({"x": {"a": 0.1}}, places)).scores == [[Cell("0.10", True)], [Cell("–")]]


@pytest.mark.parametrize("form", ["markdown", "latex", "table"])
def test_names_with_brackets_and_markup_are_texts_in_every_form(form):
    evil = "<b>[red]|&_x"
    places = {"a": Place(evil, "", evil, f"{evil}1"), "b": Place(evil, "", evil, f"{evil}2")}
    shown = board(section({evil: {"a": 0.1, "b": 0.2}}, places))
    text = as_text(shown) if form == "table" else FORMATS[form](shown)
    written = {
        "markdown": r"\<b\>\[red\]\|\&\_x1",
        "latex": r"\textless{}b\textgreater{}[red]\textbar{}\&\_x1",
        "table": f"{evil}1",
    }
    assert written[form] in text


def test_groups_are_tidy_in_a_csv_of_their_own():
    places = {"a / null": Place("a", "", "null"), "b / null": Place("b", "", "null")}
    own = section({"x": {"a / null": 0.25, "b / null": 0.5}, "y": {"a / null": 0.75}}, places)
    unsure = (0.5, Gain("random", 0.125, -0.5))
    own.rows[0].by_group["b / null"] = unsure  # type: ignore[index]
    found = list(csv.DictReader(io.StringIO(FORMATS["groups"](board(own)))))
    assert [(line["group"], line["explainer"], line["score"]) for line in found] == [
        ("a / null", "x", "0.25"),
        ("a / null", "y", "0.75"),
        ("b / null", "x", "0.5"),
    ]
    assert [line["best"] for line in found] == ["False", "True", "True"]
    last = found[-1]
    assert (last["dataset"], last["corruption"], last["units"]) == ("b", "null", "20")
    assert (last["best floor"], last["gain"], last["gain low"]) == ("random", "0.125", "-0.5")
    assert last["above floor"] == "False"
