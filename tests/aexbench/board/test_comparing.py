from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from aexbench.board import comparing
from aexbench.board.comparing import (
    Estimate,
    Source,
    added,
    compare,
    credit,
    moderated,
    of_seeds,
    of_units,
    satterthwaite,
    t_quantile,
)
from aexbench.board.ranks import surely_better
from tests.aexbench.board.boards import Case, simulated

PAIR = Case(rows=2, seeds=5)
BOARD = Case(rows=6, seeds=4, blocks=3)


def rng(seed=0):
    return np.random.default_rng(seed)


def uneven(generator, shared=False, seeds=3):
    """Two sources of one data set, with clusters of several sizes, some of which are in both."""
    values = [
        [generator.normal(size=(4, 9)) for _ in range(seeds)],
        [generator.normal(size=(4, 5)) for _ in range(seeds)],
    ]
    clusters = [np.array(list("aaaabbccd")), np.array(list("bcdef"))]
    return [
        Source("one", own, [names] * seeds, shared)
        for own, names in zip(values, clusters, strict=True)
    ]


def test_constants():
    assert comparing.LEVEL == 0.95
    assert comparing.PRIOR == 4
    assert comparing.CREDIT == 2
    assert comparing.LEAST_UNITS == 20


def test_groups_of_fewer_than_twenty_units_have_no_interval():
    assert [comparing.enough_units(count) for count in (1, 19, 20, 21)] == [
        False,
        False,
        True,
        True,
    ]


def test_two_rows_of_one_block_are_a_paired_t_test_over_seeds():
    sources = PAIR.sources(rng())
    one, other = sources[0].scores
    found, expected = compare(sources, "recipe").pair(0, 1), stats.ttest_rel(one, other)
    interval = expected.confidence_interval(0.95)
    assert found.interval() == pytest.approx((interval.low, interval.high))
    assert found.p_above() == pytest.approx(
        stats.ttest_rel(one, other, alternative="greater").pvalue
    )


def test_a_row_has_the_t_interval_over_seeds():
    sources = BOARD.sources(rng())[:1]
    interval = stats.ttest_1samp(sources[0].scores[2], 0).confidence_interval(0.95)
    row = compare(sources, "recipe").row(2)
    assert row.interval() == pytest.approx((interval.low, interval.high))


def test_one_draw_on_a_given_network_is_a_paired_t_test_over_units():
    values = rng().normal(size=(2, 30))
    found = compare([Source("net", [values], [np.arange(30)])], "network").pair(0, 1)
    interval = stats.ttest_rel(*values).confidence_interval(0.95)
    assert found.interval() == pytest.approx((interval.low, interval.high))


def test_with_one_seed_nobody_knows_a_recipe():
    for shared in (True, False):
        board = compare(Case(5, seeds=1, shared=shared).sources(rng()), "recipe")
        assert board.row(0).interval() is None
        assert board.pair(0, 1).interval() is None
        assert board.pair(0, 1).lower(0.9) is None
        assert board.pair(0, 1).p_above() is None


def test_one_block_of_one_seed_is_enough_for_nobody_to_know():
    one, several = Case(3, seeds=1).sources(rng())[0], Case(3, seeds=5).sources(rng())[0]
    several = Source("another", several.values, several.clusters)
    assert compare([one, several], "recipe").pair(0, 1).interval() is None


def slow_variance_over_seeds(sources, k, j):
    """From the definition: average within a block at each seed, then the variance of the mean."""
    total = 0.0
    for block in {source.block for source in sources}:
        inside = [source for source in sources if source.block == block]
        differences = []
        for seed in range(len(inside[0].values)):
            scores = [np.mean(s.values[seed][k]) - np.mean(s.values[seed][j]) for s in inside]
            differences.append(np.mean(scores))
        share = len(inside) / len(sources)
        total += share**2 * np.var(differences, ddof=1) / len(differences)
    return total


def test_variance_over_seeds_is_that_of_the_mean_of_blocks():
    sources = BOARD.sources(rng())
    sources.append(Source("block 0", sources[1].values, sources[1].clusters))
    part = of_seeds(sources)
    for k, j in itertools.permutations(range(6), 2):
        assert part.pairs[k, j] == pytest.approx(slow_variance_over_seeds(sources, k, j))


def test_blocks_may_have_other_numbers_of_seeds():
    few, many = (Case(3, seeds).sources(rng(seeds))[0] for seeds in (2, 6))
    sources = [few, Source("another", many.values, many.clusters)]
    part = of_seeds(sources)
    assert part.pairs[0, 2] == pytest.approx(slow_variance_over_seeds(sources, 0, 2))
    assert 1 <= part.pairs_df <= 6


def test_what_the_groups_of_one_network_have_in_opposite_ways_cancels():
    values = rng().normal(size=(5, 2, 1))
    names = [np.zeros(1, int)] * 5
    up, down = ("one", list(values), names), ("one", list(-values), names)
    together = of_seeds([Source(*up), Source(*down)])
    apart = of_seeds([Source(*up), Source("other", *down[1:])])
    assert together.pairs[0, 1] == pytest.approx(0)
    assert apart.pairs[0, 1] > 0.01


def test_degrees_of_freedom_are_those_of_blocks_that_vary_alike():
    rows, seeds = 40, 5
    alike = of_seeds(Case(rows, seeds, blocks=3).sources(rng()))
    assert alike.pairs_df == pytest.approx(12, rel=0.05)
    first, *others = Case(rows, seeds, blocks=3).sources(rng())
    loud = Source("loud", [100 * values for values in first.values], first.clusters)
    assert of_seeds([loud, *others]).pairs_df == pytest.approx(4, rel=0.01)


def test_what_all_rows_have_in_common_makes_rows_unsure_but_not_their_differences():
    values = [row + 100 * seed for seed, row in enumerate(rng().normal(size=(4, 3, 1)))]
    part = of_seeds([Source("one", values, [np.zeros(1, int)] * 4)])
    assert part.pairs.max() < 2
    assert part.rows.min() > 100


def slow_jackknife(sources, k, j):
    """Leave out one cluster everywhere, and see how much the difference moves in each source."""
    total = 0.0
    for left_out in {name for source in sources for names in source.clusters for name in names}:
        moved = 0.0
        for source in sources:
            kept, whole, weights = 0.0, 0.0, 0.0
            own = {name for names in source.clusters for name in names}
            if left_out not in own:
                continue
            for values, names in zip(source.values, source.clusters, strict=True):
                for unit, name in enumerate(names):
                    weight = 1 / len(names) / len(source.values)
                    whole += weight * (values[k, unit] - values[j, unit])
                    if name != left_out:
                        kept += weight * (values[k, unit] - values[j, unit])
                        weights += weight
            correction = ((len(own) - 1) / len(own)) ** 0.5
            moved += correction * (kept / weights - whole) / len(sources)
        total += moved**2
    return total


@pytest.mark.parametrize("seeds", [1, 3])
def test_variance_over_units_is_the_jackknife_over_clusters(seeds):
    sources = uneven(rng(), seeds=seeds)
    part = of_units(sources, 2)
    for k, j in itertools.permutations(range(4), 2):
        assert part.pairs[k, j] == pytest.approx(slow_jackknife(sources, k, j))


def test_variance_over_clusters_of_one_size_is_that_of_their_means():
    values = rng().normal(size=(2, 12))
    part = of_units([Source("one", [values], [np.repeat(np.arange(4), 3)])], 1)
    means = (values[0] - values[1]).reshape(4, 3).mean(axis=1)
    assert part.pairs[0, 1] == pytest.approx(np.var(means, ddof=1) / 4)
    assert part.pairs_df == pytest.approx(3)


def test_units_that_recur_in_each_draw_do_not_count_as_more():
    values = rng().normal(size=(2, 30))
    once = of_units([Source("net", [values], [np.arange(30)])], 1)
    again = of_units([Source("net", [values] * 4, [np.arange(30)] * 4)], 1)
    anew = of_units([Source("net", [values] * 4, [np.arange(30) + 30 * s for s in range(4)])], 1)
    assert again.pairs[0, 1] == pytest.approx(once.pairs[0, 1])
    assert anew.pairs[0, 1] == pytest.approx(once.pairs[0, 1] / 4, rel=0.05)


def test_two_detectors_of_one_data_set_are_seen_on_the_same_units():
    values = rng().normal(size=(2, 30))
    same = [Source(name, [values], [np.arange(30)]) for name in ("mlp", "unet")]
    other = [same[0], Source("unet", [values], [np.arange(30, 60)])]
    ratio = of_units(same, 2).pairs[0, 1] / of_units(other, 2).pairs[0, 1]
    assert ratio == pytest.approx(2)


@pytest.mark.parametrize(
    "sizes", [[5] * 8, [40, 20, 10, 5, 5, 3, 2, 1], [7, 1], [45, 45] + [1] * 10]
)
def test_degrees_of_freedom_of_clusters_are_those_of_the_quadratic_form(sizes):
    """The jackknife is Σ z² of a linear map z of independent units: E = tr G, var = 2 tr G²."""
    names = np.repeat(np.arange(len(sizes)), sizes)
    means = np.stack([(names == c) / size for c, size in enumerate(sizes)])
    share = np.array(sizes) / len(names)
    left_out = np.stack([np.where(np.arange(len(sizes)) == c, 0, share) for c in range(len(sizes))])
    moved = (left_out / left_out.sum(axis=1, keepdims=True) - share) @ means
    G = moved @ moved.T
    part = of_units([Source("one", [rng().normal(size=(2, len(names)))], [names])], 1)
    assert part.pairs_df == pytest.approx(np.trace(G) ** 2 / np.trace(G @ G))


def test_clusters_of_one_size_have_one_degree_of_freedom_less_than_they_are():
    assert comparing.df_of_clusters(np.full(9, 1 / 9)) == pytest.approx(8)
    assert comparing.df_of_clusters(np.array([0.9, 0.1])) == pytest.approx(1)
    assert comparing.df_of_clusters(np.array([0.45, 0.45] + [0.01] * 10)) < 2


def test_a_few_large_clusters_are_covered():
    generator, sizes, covered = rng(), [30, 10, 10, 10, 10, 10], 0
    names = np.repeat(np.arange(6), sizes)
    for _ in range(600):
        values = generator.normal(size=(2, 6))[:, names]
        low, high = compare([Source("one", [values], [names])], "network").pair(0, 1).interval()
        covered += low < 0 < high
    assert 0.93 <= covered / 600 <= 0.985


def test_units_that_are_one_cluster_say_nothing():
    source = Source("one", [rng().normal(size=(2, 9))] * 3, [np.zeros(9, int)] * 3, shared=True)
    assert compare([source], "network").pair(0, 1).interval() is None
    assert compare([source], "recipe").pair(0, 1).interval() is None


def test_units_count_for_a_recipe_where_seeds_share_them_and_nowhere_else():
    own, shared = uneven(rng()), uneven(rng(), shared=True)
    assert compare(own, "recipe").parts[0].pairs == pytest.approx(of_seeds(own).pairs)
    assert len(compare(own, "recipe").parts) == 1
    seeds, units = compare(shared, "recipe").parts
    assert seeds.pairs == pytest.approx(of_seeds(own).pairs)
    assert units.pairs == pytest.approx(of_units(own, 2).pairs)


def test_units_of_a_source_weigh_as_much_as_it_does_on_the_board():
    shared, own = uneven(rng(), shared=True)[0], uneven(rng())[1]
    _, units = compare([shared, own], "recipe").parts
    assert units.pairs == pytest.approx(of_units([shared], 1).pairs / 4)


def test_parts_are_added_and_then_moderated():
    board = compare(uneven(rng(), shared=True), "recipe")
    seeds, units = board.parts
    above = np.triu_indices(4, 1)

    def welch(v, w):
        return (v + w) ** 2 / (v**2 / seeds.pairs_df + w**2 / units.pairs_df)

    typical = welch(seeds.pairs[above].mean(), units.pairs[above].mean())
    variance, df = board.pairs
    for k, j in itertools.combinations(range(4), 2):
        own = min(welch(seeds.pairs[k, j], units.pairs[k, j]), typical)
        total = slow_moderation(seeds.pairs + units.pairs, own)[k, j]
        assert variance[k, j] == pytest.approx(total)
        assert df[k, j] == pytest.approx(own + min(2, own))
    assert len({round(value, 6) for value in df[above]}) > 1


def test_parts_of_the_variance_of_a_row_are_added():
    board = compare(uneven(rng(), shared=True), "recipe")
    (v, n), (w, m) = ((part.rows[1], part.rows_df) for part in board.parts)
    row = board.row(1)
    assert row.variance == pytest.approx(v + w)
    assert row.df == pytest.approx((v + w) ** 2 / (v**2 / n + w**2 / m))


def test_a_given_network_varies_by_its_units_alone():
    (part,) = compare(uneven(rng()), "network").parts
    assert part.pairs == pytest.approx(of_units(uneven(rng()), 2).pairs)


def slow_moderation(variance, df):
    """In words: the weighted mean of the pair's own variance, and of a prior that lies halfway
    between the mean of pairs that share a row, row by row, and the mean of all pairs.
    """
    rows = range(len(variance))
    everything = np.mean([variance[a, b] for a, b in itertools.combinations(rows, 2)])
    found = np.zeros_like(variance)
    for k, j in itertools.permutations(rows, 2):
        with_k = np.mean([variance[k, other] for other in rows if other != k])
        with_j = np.mean([variance[j, other] for other in rows if other != j])
        sharing = (with_k + with_j) / 2
        found[k, j] = (2 * sharing + 2 * everything + df * variance[k, j]) / (4 + df)
    return found


def test_variances_are_drawn_to_those_of_other_pairs():
    variance = of_seeds(BOARD.sources(rng())).pairs
    drawn, df = moderated(variance, 5.0)
    assert drawn == pytest.approx(slow_moderation(variance, 5.0))
    assert (df == 7).all()


def test_two_times_the_mean_square_is_the_mean_over_pairs():
    (source,) = Case(rows=7, seeds=4).sources(rng())
    y = source.scores
    rest = y - y.mean(axis=0) - y.mean(axis=1, keepdims=True) + y.mean()
    mean_square = (rest**2).sum() / (6 * 3)
    above = np.triu_indices(7, 1)
    assert of_seeds([source]).pairs[above].mean() == pytest.approx(2 * mean_square / 4)


def test_two_rows_have_nothing_to_be_drawn_to():
    variance = np.array([[0.0, 3.0], [3.0, 0.0]])
    drawn, df = moderated(variance, 1.0)
    assert drawn == pytest.approx(variance)
    assert (df == 1).all()


def test_a_prior_is_worth_two_degrees_of_freedom_or_half_of_what_the_other_rows_have():
    assert [float(credit(rows, 1)) for rows in (2, 3, 4, 6, 23)] == [0, 0.5, 1, 2, 2]
    assert [float(credit(3, df)) for df in (1, 4, 9)] == [0.5, 2, 2]


def test_equal_variances_stay_as_they_are():
    variance = 0.3 * (1 - np.eye(5))
    assert moderated(variance, 4.0)[0] == pytest.approx(variance)


def test_a_single_row_has_no_pairs():
    board = compare(Case(1, seeds=5).sources(rng()), "recipe")
    assert board.row(0).interval() is not None
    assert board.pair(0, 0).value == 0


def test_degrees_of_freedom_of_a_sum_are_those_of_welch():
    one, other = rng().normal(size=8), 5 * rng(1).normal(size=13)
    parts = [(np.array([np.var(y, ddof=1) / len(y)]), len(y) - 1) for y in (one, other)]
    variance, df = added(parts)
    expected = stats.ttest_ind(one, other, equal_var=False)
    assert df[0] == pytest.approx(expected.df)
    difference = one.mean() - other.mean()
    assert difference / variance[0] ** 0.5 == pytest.approx(expected.statistic)


def test_where_nothing_varies_the_degrees_of_freedom_are_the_fewest():
    assert satterthwaite(np.zeros((2, 1)), np.array([[3.0], [5.0]])) == pytest.approx([3])
    assert satterthwaite(np.array([[0.0], [1e-200]]), np.array([[3.0], [5.0]])) == pytest.approx(
        [5]
    )


def test_quantiles_of_t():
    for df in (1, 2.5, 7, 40.3, 1e6):
        for level in (0.8, 0.975, 0.99999):
            assert float(t_quantile(level, df)) == pytest.approx(stats.t.ppf(level, df))


def test_intervals_and_bounds():
    estimate = Estimate(0.4, variance=0.01, df=6.0)
    assert estimate.interval() == pytest.approx(stats.t.interval(0.95, 6, 0.4, 0.1))
    assert estimate.lower(0.975) == pytest.approx(estimate.interval()[0])
    assert estimate.p_above() == pytest.approx(stats.t.sf(4, 6))
    assert (-estimate).interval() == pytest.approx(tuple(-x for x in estimate.interval()[::-1]))


def test_what_does_not_vary_is_sure():
    assert Estimate(0.1, 0.0, 4.0).p_above() == 0
    assert Estimate(0.0, 0.0, 4.0).p_above() == 1
    assert Estimate(-0.1, 0.0, 4.0).interval() == (-0.1, -0.1)


def agreeing(units, difference=0.5, seeds=1):
    """Two rows that differ by the same on every unit."""
    values = np.stack([np.full(units, 0.5 + difference), np.full(units, 0.5)])
    return Source("a", [values] * seeds, [np.arange(units)] * seeds, shared=seeds > 1)


@pytest.mark.parametrize("units", [2, 3, 5, 20])
def test_units_that_all_agree_count_as_if_one_more_had_shown_no_difference(units):
    pair = compare([agreeing(units)], "network").pair(0, 1)
    shown = np.array([0.5] * units + [0.0])
    assert pair.value == 0.5
    t = shown.mean() / (shown.std(ddof=1) / np.sqrt(len(shown)))
    assert pair.value / np.sqrt(pair.variance) == pytest.approx(t) == pytest.approx(units)


def test_two_units_that_agree_are_not_sure_and_twenty_are():
    low, _ = compare([agreeing(2)], "network").pair(0, 1).interval()
    assert low < 0
    low, _ = compare([agreeing(20)], "network").pair(0, 1).interval()
    assert low > 0
    low, _ = compare([agreeing(2, seeds=3)], "recipe").pair(0, 1).interval()
    assert low < 0


def test_seeds_that_all_agree_are_sure():
    own = [Source(s.block, s.values, s.clusters) for s in [agreeing(2, seeds=3)]]
    assert compare(own, "recipe").pair(0, 1).variance == 0


@pytest.mark.parametrize(("rows", "units"), [(6, 2), (6, 3), (23, 5)])
def test_rows_that_are_right_by_chance_on_few_units_are_not_ranked(rows, units):
    generator, errors = rng(), 0
    for _ in range(200):
        values = (generator.random((rows, units)) < 0.8).astype(float)
        board = compare([Source("a", [values], [np.arange(units)])], "network")
        errors += surely_better(board).any()
    assert errors == 0


def test_the_mean_is_over_sources_of_the_mean_over_seeds_of_the_mean_over_units():
    few = Source("a", [np.array([[0.0, 1.0]]), np.array([[0.0]])], [np.arange(2), np.arange(1)])
    many = Source("b", [np.ones((1, 7))] * 2, [np.arange(7)] * 2)
    assert compare([few, many], "recipe").means == pytest.approx([(0.25 + 1) / 2])
    assert compare([few, many], "network").means == pytest.approx([(0.25 + 1) / 2])


@given(st.floats(0.1, 100), st.floats(-5, 5), st.permutations(range(6)), st.booleans())
def test_units_of_measurement_and_the_order_of_rows_do_not_matter(scale, shift, order, shared):
    sources = Case(6, 3, shared=shared, blocks=2).sources(rng())
    changed = [
        Source(s.block, [scale * v[list(order)] + shift for v in s.values], s.clusters, shared)
        for s in sources
    ]
    one, other = compare(sources, "recipe"), compare(changed, "recipe")
    assert other.pairs[0] == pytest.approx(scale**2 * one.pairs[0][np.ix_(order, order)], rel=1e-6)
    assert other.pairs[1] == pytest.approx(one.pairs[1][np.ix_(order, order)], rel=1e-6)
    assert other.means == pytest.approx(scale * one.means[list(order)] + shift)


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        (lambda: [], "same rows"),
        (lambda: [*Case(2, 3).sources(rng()), *Case(3, 3).sources(rng())], "same rows"),
        (lambda: [*Case(2, 3).sources(rng()), *Case(2, 4).sources(rng())], "same seeds"),
        (lambda: [Source("a", [np.array([[np.nan]])], [np.zeros(1, int)])], "finite"),
        (lambda: [Source("a", [], [])], "units at every seed"),
        (lambda: [Source("a", [np.ones((2, 3))], [np.zeros(2, int)])], "cluster for each"),
    ],
)
def test_what_cannot_be_compared_is_said(sources, said):
    with pytest.raises(ValueError, match=said):
        compare(sources(), "recipe")


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("seeds", "error"), [(2, 0.07), (5, 0.06)])
def test_boards_of_equal_rows_of_several_spreads(seeds, error, shared):
    found = simulated(Case(6, seeds, spread=4, shared=shared), boards=500)
    assert found.family_error <= error + 0.02  # two standard errors
    assert found.worst_coverage >= (0.86 if seeds > 2 else 0.85) - 0.03
