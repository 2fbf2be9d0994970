from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from aexbench.board import ranks
from aexbench.board.comparing import Comparison, Part, compare, t_quantile
from aexbench.board.ranks import rank_intervals, studentised_range, surely_better
from tests.aexbench.board.boards import Case


def board(means, variance, df):
    """A comparison whose pairs have these variances, as they are measured."""
    means = np.asarray(means, dtype=float)
    variance = np.broadcast_to(variance, (len(means),) * 2) * (1 - np.eye(len(means)))
    return Comparison(means, [Part(variance, means * 0, df, df)], 5, "recipe")


def test_constants():
    assert ranks.FAMILY_LEVEL == 0.96


def test_rows_that_are_far_apart_have_one_rank():
    assert rank_intervals(board([0.1, 0.9, 0.5], 1e-4, 8.0)) == [(3, 3), (1, 1), (2, 2)]


def test_lower_is_better_where_it_is_said():
    found = rank_intervals(board([0.1, 0.9, 0.5], 1e-4, 8.0), higher_is_better=False)
    assert found == [(1, 1), (3, 3), (2, 2)]


def test_rows_that_cannot_be_told_apart_share_an_interval():
    assert rank_intervals(board([0.5, 0.51, 0.1], 1e-3, 8.0)) == [(1, 2), (1, 2), (3, 3)]


def test_with_one_seed_a_row_may_have_any_rank():
    found = compare(Case(4, seeds=1).sources(np.random.default_rng(0)), "recipe")
    assert rank_intervals(found) == [(1, 4)] * 4


def test_a_row_alone_is_first():
    found = compare(Case(1, seeds=3).sources(np.random.default_rng(0)), "recipe")
    assert rank_intervals(found) == [(1, 1)]


def test_equal_rows_that_never_vary_are_not_better_than_each_other():
    assert rank_intervals(board([0.5, 0.5, 0.2], 0.0, 4.0)) == [(1, 2), (1, 2), (3, 3)]


@settings(deadline=None)  # the first quantile takes its time
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=6),
    st.floats(0, 4),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)
def test_a_row_has_its_place_in_the_order_within_its_interval(means, size, seed, higher):
    half = np.triu(np.random.default_rng(seed).exponential(size or 1, (len(means),) * 2), 1)
    found = board(means, half + half.T, df=3.0)
    order = np.argsort([-mean if higher else mean for mean in means], kind="stable")
    intervals = rank_intervals(found, higher)
    for place, row in enumerate(order, start=1):
        first, last = intervals[row]
        assert 1 <= first <= place <= last <= len(means)


def test_two_rows_are_compared_by_t():
    for df in (2.0, 6.0, 20.0):
        quantile = float(studentised_range(2, np.array(df)))
        assert quantile / math.sqrt(2) == pytest.approx(float(t_quantile(0.98, df)), rel=1e-6)


def test_quantiles_between_nodes_are_those_of_scipy():
    dfs = np.array([1.0, 2.4, 4.9, 8.0, 13.0, 35.0, 200.0])
    exact = [stats.studentized_range.ppf(0.96, 23, df) for df in dfs]
    np.testing.assert_allclose(studentised_range(23, dfs), exact, rtol=5e-3)


def test_between_one_and_two_degrees_of_freedom_the_quantile_errs_to_the_safe_side():
    exact = stats.studentized_range.ppf(0.96, 5, 1.4)
    assert exact <= float(studentised_range(5, np.array(1.4))) <= 1.03 * exact
    rounded = float(studentised_range(5, np.array(1 - 1e-9)))
    assert rounded == float(studentised_range(5, np.array(1.0)))


def test_the_quantile_is_that_of_a_range_of_normals_over_a_spread():
    rng = np.random.default_rng(0)
    spread = np.sqrt(rng.chisquare(7, size=100_000) / 7)
    drawn = np.ptp(rng.normal(size=(100_000, 6)), axis=1) / spread
    assert float(studentised_range(6, np.array(7.0))) == pytest.approx(
        np.quantile(drawn, 0.96), rel=0.01
    )


@pytest.mark.parametrize("seed", range(4))
def test_with_one_variance_for_all_it_is_tukeys_test(seed):
    groups = np.random.default_rng(seed).normal(size=(5, 6)) + np.linspace(0, 3, 5)[:, None]
    p_values = stats.tukey_hsd(*groups).pvalue
    mean_square, df = groups.var(axis=1, ddof=1).mean(), 25.0
    found = surely_better(board(groups.mean(axis=1), 2 * mean_square / 6, df - 2))
    np.testing.assert_array_equal(found | found.T, p_values < 0.04)
    assert found.any()
    assert not found.all()


def test_each_pair_is_judged_by_its_own_variance():
    variance = np.full((4, 4), 1e-4)
    variance[0, 1] = variance[1, 0] = 1.0
    found = surely_better(board([0.9, 0.5, 0.5, 0.5], variance, df=200.0))
    assert found[0].tolist() == [False, False, True, True]


def test_unequal_pairs_are_judged_as_games_and_howell_do():
    variance = np.array([[0, 1, 4], [1, 0, 5], [4, 5, 0]]) * 1e-3
    means = np.array([0.0, 0.12, 0.3])
    found = board(means, variance, df=300.0)
    moderated, df = found.pairs
    for k, j in ((0, 1), (1, 2), (0, 2)):
        statistic = math.sqrt(2) * (means[j] - means[k]) / math.sqrt(moderated[k, j])
        p = stats.studentized_range.sf(statistic, 3, df[k, j])
        assert surely_better(found)[j, k] == (p < 0.04)
