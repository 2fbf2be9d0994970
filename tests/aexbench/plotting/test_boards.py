"""The figures of charts of a board are the board's own."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexbench import RequestError
from aexbench.board.gains import Gain
from aexbench.board.sections import Score
from aexbench.plotting import groups, pareto, ranks
from aexbench.plotting.choosing import Wanted, levels, metric_title, span
from aexbench.plotting.parts import step, ticks
from aexbench.plotting.placing import placed
from tests.aexbench.plotting.conftest import RESULTS, board, row, section

EVERYTHING = Wanted()


@pytest.fixture(scope="module")
def written() -> dict:
    """The quickstart's only section, as it was written when it was published."""
    return json.loads((RESULTS / "quickstart" / "board.json").read_text())["sections"][0]


def test_ranks_are_those_of_the_board(published, written):
    found = ranks.data(published.sections[0], EVERYTHING)
    rows = [one for one in written["rows"] if one["role"] != "reference"]
    assert [line["place"] for line in found] == list(range(len(rows)))
    for line, one in zip(found, rows, strict=True):
        score = one["scores"]["recall"]
        assert line["name"].replace("\n", "") == one["explainer"]
        assert [line["score"], line["low"], line["high"]] == pytest.approx(
            [score["mean"], score["low"], score["high"]]
        )
        assert [line["first"], line["last"]] == (one["rank"] or [None, None])


@pytest.mark.parametrize(
    ("role", "low", "expected"),
    [
        ("explainer", 0.1, "above"),
        ("explainer", 0.0, "unsure"),
        ("explainer", None, "unsure"),
        ("floor", None, "floor"),
    ],
)
def test_who_is_surely_above_its_floors_is_marked(role, low, expected):
    own = row("a", 0.5, role, gain=Gain("random", 0.2, low))
    (line,) = ranks.data(section(own), EVERYTHING)
    assert line["mark"] == expected


def test_an_incomplete_row_has_no_rank_and_says_so():
    (line,) = ranks.data(section(row("a", 0.5, complete=False)), EVERYTHING)
    assert (line["name"], line["mark"], line["first"]) == ("a (incomplete)", "unsure", None)


def test_groups_hold_the_boards_scores(published, written):
    found = groups.data(published.sections[0], EVERYTHING)
    scores = {(line["group"], line["explainer"]): line["score"] for line in found}
    for one in written["rows"]:
        assert scores["all groups", one["explainer"]] == pytest.approx(
            one["scores"]["recall"]["mean"]
        )
        for group, (score, _) in one["by_group"].items():
            assert scores[group, one["explainer"]] == pytest.approx(score)
    assert len(found) == len(written["rows"]) * (1 + len(written["groups"]))


def in_groups(**scores: float | None) -> dict:
    known = {f"{name} / null": (s, None) for name, s in scores.items() if s is not None}
    return {"by_group": known}


UNITS = {"wine / null": 20, "digits / null": 19}


def table(only: str | None = None, **better: bool) -> dict:
    """Return cells by group and explainer: two explainers, a floor and the truth."""
    rows = [
        row("a", 0.8, **in_groups(wine=0.9, digits=0.704)),
        row("b", 0.6, **in_groups(wine=0.5, digits=0.701)),
        row("random", 0.3, "floor", **in_groups(wine=0.9, digits=0.1)),
        row("oracle", 1.0, "reference", **in_groups(wine=1.0, digits=1.0)),
    ]
    found = groups.data(section(*rows, units=UNITS), Wanted(only=only))
    return {(line["group"], line["explainer"]): line for line in found}


def test_the_best_explainer_of_a_group_is_marked_and_ties_are_all():
    cells = table()
    best = {key for key, line in cells.items() if line["best"]}
    assert best == {
        ("all groups", "a"), ("wine / null", "a"), ("digits / null", "a"), ("digits / null", "b"),
    }  # fmt: skip


def test_shades_go_from_the_worst_to_the_best():
    cells = table()
    assert cells["digits / null", "random"]["shade"] == 0
    assert cells["wine / null", "oracle"]["shade"] == 1
    assert cells["wine / null", "b"]["shade"] == pytest.approx((0.5 - 0.1) / 0.9)


def test_where_lower_is_better_the_lowest_is_the_best_and_has_most_colour():
    rows = [
        row("a", 0.2, **in_groups(wine=0.2)),
        row("b", 0.9, **in_groups(wine=0.9)),
    ]
    found = groups.data(section(*rows, units={"wine / null": 20}, higher=False), EVERYTHING)
    of_wine = {line["explainer"]: line for line in found if line["group"] == "wine / null"}
    assert (of_wine["a"]["shade"], of_wine["b"]["shade"]) == (1, 0)
    assert (of_wine["a"]["best"], of_wine["b"]["best"]) == (True, False)


def test_a_group_of_few_units_and_what_is_not_above_its_floor_are_marked():
    cells = table()
    assert cells["digits / null", "a"]["name"] == "digits°"
    assert cells["wine / null", "a"]["name"] == "wine"
    unsure = {"by_group": {"wine / null": (0.5, Gain("random", 0.1, -0.1))}}
    found = groups.data(section(row("a", 0.5, **unsure), units={"wine / null": 20}), EVERYTHING)
    assert found[-1]["text"] == "·0.50"


def test_what_has_no_score_in_a_group_is_shown_so():
    rows = [row("a", 0.8, **in_groups(wine=0.9, digits=0.7)), row("b", 0.6, **in_groups(wine=0.5))]
    found = groups.data(section(*rows, units=UNITS), EVERYTHING)
    (line,) = (o for o in found if o["explainer"] == "b" and o["group"] == "digits / null")
    assert (line["text"], line["score"], line["best"]) == ("–", None, False)


def test_some_groups_have_no_mean():
    assert {group for group, _ in table(only="WINE")} == {"wine / null"}
    with pytest.raises(RequestError, match=r"no group's name holds 'nope'.*digits / null"):
        table(only="nope")


def timed(name: str, score: float, seconds: float | None, hardware: str = "A", role="explainer"):
    return row(name, score, role, latency_s=seconds, hardware=hardware if seconds else "")


def test_pareto_holds_the_boards_times_in_milliseconds(published, written):
    found = pareto.data(published.sections[0], EVERYTHING)
    times = {one["explainer"]: one["latency_s"] for one in written["rows"] if one["latency_s"]}
    assert {line["name"].replace("\n", ""): line["ms"] for line in found} == pytest.approx(
        {name: seconds * 1000 for name, seconds in times.items()}
    )


def front(*rows, higher: bool = True) -> set[str]:
    found = pareto.data(section(*rows, higher=higher), EVERYTHING)
    return {line["name"] for line in found if line["front"]}


def test_the_front_is_who_nobody_beats():
    rows = [timed("good", 0.9, 1.0), timed("middle", 0.8, 0.5), timed("slow", 0.8, 0.6)]
    assert front(*rows, timed("fast", 0.1, 0.1)) == {"good", "middle", "fast"}


def test_floors_beat_nobody():
    assert front(timed("a", 0.5, 1.0), timed("floor", 0.9, 0.1, role="floor")) == {"a"}


def test_those_who_are_the_same_in_both_are_both_on_the_front():
    assert front(timed("a", 0.5, 1.0), timed("b", 0.5, 1.0)) == {"a", "b"}


def test_where_lower_is_better_the_front_is_the_lowest():
    rows = [timed("a", 0.1, 1.0), timed("b", 0.5, 2.0), timed("c", 0.9, 3.0)]
    assert front(*rows, higher=False) == {"a"}


PAIRS = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5)), min_size=2, max_size=8)


@given(PAIRS)
def test_the_front_is_that_of_the_definition(pairs):
    pairs = sorted(pairs, reverse=True)
    rows = [timed(str(i), float(score), float(time)) for i, (score, time) in enumerate(pairs)]
    expected = set()
    for i, (score, time) in enumerate(pairs):
        beats = [s >= score and t <= time and (s > score or t < time) for s, t in pairs]
        if not any(beats):
            expected.add(str(i))
    assert front(*rows) == expected


def test_times_of_two_machines_are_not_drawn_together():
    rows = [timed("a", 0.9, 1.0), timed("b", 0.8, 0.5, "B"), timed("c", 0.7, 0.1), row("d", 0.1)]
    found = section(*rows)
    assert [line["name"] for line in pareto.data(found, EVERYTHING)] == ["a", "c"]
    assert pareto.untimed(found, EVERYTHING) == ["b (B)", "d (not timed)"]


def test_a_board_without_times_says_how_to_get_them():
    with pytest.raises(RequestError, match="--jobs 1"):
        pareto.data(section(row("a", 0.5)), EVERYTHING)


def test_who_lacks_scores_is_no_rival():
    whole, part = timed("a", 0.5, 1.0), row("b", 0.9, complete=False, latency_s=0.1, hardware="A")
    assert front(whole, part) == {"a"}
    found = {
        (line["group"], line["explainer"]): line["best"]
        for line in groups.data(
            section(
                row("a", 0.5, by_group={"x": (0.5, None)}),
                row("b", 0.9, complete=False, by_group={"x": (0.9, None)}),
                units={"x": 30},
            ),
            EVERYTHING,
        )
    }
    assert found == {
        (groups.MEAN, "a"): True,
        (groups.MEAN, "b"): False,
        ("x", "a"): False,
        ("x", "b"): True,
    }


def test_the_title_says_where_lower_is_better():
    down, up = section(row("a", 0.5), higher=False), section(row("a", 0.9))
    assert metric_title(board(down), down) == "metric (lower is better)"
    assert metric_title(board(up), up) == "metric"


def test_levels_are_chance_and_the_truth():
    found = section(
        row("a", 0.7), row("random", 0.1, "floor"), row("oracle", 1.0, "reference"),
        row("chance", 0.2, "reference"),
    )  # fmt: skip
    assert levels(found) == [{"name": "chance", "score": 0.2}, {"name": "oracle", "score": 1.0}]
    assert levels(section(row("a", 0.7))) == []


def test_scores_are_drawn_from_zero_to_the_greatest_mean():
    assert span(section(row("a", 0.7), row("b", 0.2))) == (0.0, 0.7)
    assert span(section(row("a", -0.2), row("b", -0.7))) == (-0.7, 0.0)


def test_those_who_are_asked_for_stand_beside_the_floors():
    found = section(row("a", 0.9), row("b", 0.5), row("random", 0.1, "floor"))
    lines = ranks.data(found, Wanted(explainers=("b",)))
    assert [line["name"] for line in lines] == ["b", "random"]
    with pytest.raises(RequestError, match=r"explainer of this store 'nope'\. Known: a, b"):
        ranks.data(found, Wanted(explainers=("nope",)))


def test_sections_are_chosen_by_a_part_of_their_heading(published):
    assert list(Wanted(section="CAUSES").sections(published.sections)) == published.sections
    with pytest.raises(RequestError, match="Injected causes"):
        Wanted(section="labels").sections(published.sections)


def test_names_of_several_lines_make_rows_higher():
    assert step([{"name": "a\nb\nc"}, {"name": "d"}]) == 40


@given(st.floats(1e-4, 1e3), st.floats(1.5, 1e5))
def test_ticks_are_round_and_inside(first, ratio):
    found = ticks(first, first * ratio)
    assert all(first <= value <= first * ratio for value in found)
    assert all(f"{value:e}"[0] in "125" and f"{value:e}"[1:8] == ".000000" for value in found)
    assert ratio < 10 or found


def test_labels_hide_neither_points_nor_each_other():
    rng = np.random.default_rng(0)
    points = [(float(x), float(y)) for x, y in rng.random((20, 2)) * 400]
    places = placed(points, [str(i) for i in range(20)])
    for i, (x, y) in enumerate(places):
        half = 3 * len(str(i))
        assert all(abs(x - a) > half or abs(y - b) > 5 for a, b in points)
        others = [p for j, p in enumerate(places) if j != i]
        assert all(abs(x - a) > half or abs(y - b) > 9 for a, b in others)


def test_an_interval_that_nobody_knows_is_not_drawn():
    own = row("a", 0.5, scores={"m": Score(0.5)})
    (line,) = ranks.data(section(own), EVERYTHING)
    assert (line["low"], line["high"]) == (None, None)
