from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from aexbench.board import power
from aexbench.board.comparing import compare, moderated
from aexbench.board.power import detectable, minimum_detectable_difference, seeds_to_settle
from tests.aexbench.board.boards import Case


def board_with(case, difference):
    """A board that shows this difference of its first two rows."""
    board = compare(case.sources(np.random.default_rng(0)), "recipe")
    return replace(board, means=np.arange(case.rows) * -difference)


def test_constants():
    assert power.POWER == 0.8
    assert power.MOST_SEEDS == 1000


def test_the_typical_pair_is_the_median_one():
    board = compare(Case(6, 4, spread=4, shared=True).sources(np.random.default_rng(0)), "recipe")
    found = []
    for k in range(6):
        for j in range(k):
            pair = board.pair(k, j)
            t = stats.t(pair.df)
            found.append((t.ppf(0.975) + t.ppf(0.8)) * pair.variance**0.5)
    assert minimum_detectable_difference(board) == pytest.approx(np.median(found))


def test_of_differences_that_can_be_detected_four_in_five_are():
    rng, boards, df = np.random.default_rng(0), 100_000, 8
    difference = float(detectable(np.array(1.0), np.array(8.0)))
    spread = np.sqrt(rng.chisquare(df, boards) / df)
    found = np.abs(rng.normal(difference, 1, boards)) > stats.t.ppf(0.975, df) * spread
    assert found.mean() == pytest.approx(0.8, abs=0.01)


def test_nobody_knows_what_one_seed_would_find():
    board = compare(Case(3, 1).sources(np.random.default_rng(0)), "recipe")
    assert minimum_detectable_difference(board) is None
    assert seeds_to_settle(board, 0, 1) is None


def test_a_row_alone_has_nothing_to_be_told_from():
    board = compare(Case(1, 5).sources(np.random.default_rng(0)), "recipe")
    assert minimum_detectable_difference(board) is None


def slow_seeds(board, difference):
    """Try one number of seeds after the other."""
    parts = [moderated(part.pairs, part.pairs_df)[0][0, 1] for part in board.parts]
    for seeds in range(2, 1001):
        v = parts[0] * board.seeds / seeds
        n = board.parts[0].pairs_df * (seeds - 1) / (board.seeds - 1)
        if len(parts) > 1:
            w, m = parts[1], board.parts[1].pairs_df
            v, n = v + w, (v + w) ** 2 / (v**2 / n + w**2 / m)
        t = stats.t(n + min(2, (len(board.means) - 2) / 2 * n))
        if (t.ppf(0.975) + t.ppf(0.8)) * v**0.5 <= difference:
            return seeds
    return None


@pytest.mark.parametrize("difference", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("shared", [False, True])
def test_the_fewest_seeds_are_those_at_which_the_difference_can_be_detected(difference, shared):
    board = board_with(Case(5, 4, blocks=2, shared=shared, units=30), difference)
    assert seeds_to_settle(board, 0, 1) == slow_seeds(board, difference)
    assert seeds_to_settle(board, 1, 0) == slow_seeds(board, difference)


def test_larger_differences_need_fewer_seeds():
    found = [seeds_to_settle(board_with(Case(5, 4), shift), 0, 1) for shift in (0.3, 1.0, 9.0)]
    assert found[0] > found[1] > found[2] == 2


def test_no_number_of_seeds_settles_what_units_leave_open():
    own, shared = Case(5, 10, share=0.5), Case(5, 10, share=0.5, shared=True)
    assert seeds_to_settle(board_with(own, 0.8), 0, 1) < 50
    assert seeds_to_settle(board_with(shared, 0.8), 0, 1) is None


def test_what_is_never_settled_by_seeds():
    case = Case(3, 3)
    assert seeds_to_settle(board_with(case, 0.0), 0, 1) is None
    assert seeds_to_settle(replace(board_with(case, 5.0), target="network"), 0, 1) is None


def test_what_would_take_more_than_a_thousand_seeds_is_not_said():
    case = Case(5, 4)
    alone = float(
        detectable(np.array(board_with(case, 1.0).pair(0, 1).variance * 4), np.array(999.0))
    )
    assert seeds_to_settle(board_with(case, alone / 990**0.5), 0, 1) > 950
    assert seeds_to_settle(board_with(case, alone / 1010**0.5), 0, 1) is None
