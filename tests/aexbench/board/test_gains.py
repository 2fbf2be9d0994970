from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexbench.board import gains as module
from aexbench.board.comparing import Estimate, compare
from aexbench.board.gains import gains, holm
from tests.aexbench.board.boards import Case

UNKNOWN = float("nan")


def sure(value):
    return Estimate(value, variance=1e-6, df=10.0)


def test_constants():
    assert module.ERROR == 0.025


def test_a_row_alone_has_the_one_sided_bound_of_its_best_floor():
    floors = {"random": sure(0.5), "deviation": Estimate(0.2, 0.0025, 9.0)}
    gain = gains({"mine": floors})["mine"]
    assert (gain.floor, gain.gain) == ("deviation", 0.2)
    assert gain.low == pytest.approx(floors["deviation"].lower(0.975))
    assert gain.above


def test_a_row_must_be_surely_above_every_floor():
    floors = {"unsure": Estimate(0.3, 0.09, 9.0), "best": Estimate(0.2, 1e-6, 9.0)}
    gain = gains({"mine": floors})["mine"]
    assert gain.floor == "best"
    assert gain.low == pytest.approx(floors["unsure"].lower(0.975))
    assert not gain.above


def test_lower_is_better_where_it_is_said():
    gain = gains({"mine": {"a": sure(-0.2), "b": sure(-0.5)}}, higher_is_better=False)["mine"]
    assert (gain.floor, gain.gain) == ("a", 0.2)
    assert gain.above


def test_a_floor_that_nobody_knows_leaves_no_bound():
    gain = gains({"mine": {"a": sure(0.2), "b": Estimate(0.9, UNKNOWN, UNKNOWN)}})["mine"]
    assert (gain.floor, gain.gain, gain.low) == ("a", 0.2, None)
    assert not gain.above


def test_rows_without_floors_are_left_out():
    assert gains({"mine": {}}) == {}
    assert list(gains({"mine": {}, "other": {"a": sure(1.0)}})) == ["other"]


def test_the_more_rows_the_more_is_asked_of_the_best():
    just = Estimate(2.4, 1.0, 20.0)  # p = .013
    assert gains({"one": {"a": just}})["one"].above
    many = gains({name: {"a": just} for name in "abc"})
    assert not any(gain.above for gain in many.values())
    assert many["a"].low == pytest.approx(just.lower(1 - 0.025 / 3))


def test_rows_that_are_above_make_room_for_the_others():
    just = Estimate(2.4, 1.0, 20.0)
    found = gains({"far": {"a": sure(1.0)}, "farther": {"a": sure(2.0)}, "just": {"a": just}})
    assert all(gain.above for gain in found.values())
    assert found["just"].low == pytest.approx(just.lower(0.975))


def naive_holm(p_values, error):
    """Adjusted p values, as the textbook has them: cumulative maximum of (m − i) p₍ᵢ₎."""
    adjusted, most = {}, 0.0
    for i, row in enumerate(sorted(range(len(p_values)), key=lambda row: p_values[row])):
        most = max(most, (len(p_values) - i) * p_values[row])
        adjusted[row] = most
    return [adjusted[row] < error for row in range(len(p_values))]


@given(st.lists(st.floats(0, 0.1), max_size=8))
def test_holm_rejects_what_the_textbook_rejects(p_values):
    allowed = holm(p_values, 0.05)
    close = any(abs(p - a) < 1e-12 for p in p_values for a in allowed)
    rejected = [p < a for p, a in zip(p_values, allowed, strict=True)]
    assert close or rejected == naive_holm(p_values, 0.05)


@given(st.lists(st.lists(st.floats(-1, 6), min_size=1, max_size=3), min_size=1, max_size=6))
def test_the_bound_says_what_holm_says(values):
    rows = {
        row: {str(n): Estimate(value, 1.0, 7.0) for n, value in enumerate(own)}
        for row, own in enumerate(values)
    }
    worst = [max(own.p_above() for own in floors.values()) for floors in rows.values()]
    expected = naive_holm(worst, 0.025)
    assert [gain.above for gain in gains(rows).values()] == expected


def boards_with_a_false_gain(boards, generator):
    """Return how many boards of rows that equal their floor say that one is above, with Holm and
    without.
    """
    with_holm = without = 0
    case = Case(rows=11, seeds=5)
    for _ in range(boards):
        board = compare(case.sources(generator), "recipe")
        pairs = {row: {"floor": board.pair(row, 10)} for row in range(10)}
        with_holm += any(gain.above for gain in gains(pairs).values())
        without += any(floors["floor"].lower(0.975) > 0 for floors in pairs.values())
    return with_holm, without


def test_rows_that_equal_their_floor_are_seldom_above_it():
    with_holm, without = boards_with_a_false_gain(400, np.random.default_rng(0))
    assert with_holm <= 20
    assert without > 2 * with_holm
