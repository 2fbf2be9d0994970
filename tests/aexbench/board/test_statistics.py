from __future__ import annotations

import numpy as np
import pytest

from aexbench.board.statistics import Bootstrap, Distribution, average


def samples(rng, seeds=1, units=100, shift=0.0, spread=1.0):
    return {s: (rng.normal(shift, spread, units), np.arange(units)) for s in range(seeds)}


def test_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        data = samples(rng, units=60)
        estimate = Bootstrap(np.arange(60), [0], resamples=400).mean(data).estimate()
        covered += estimate.low <= 0 <= estimate.high
    assert 0.88 <= covered / 200 <= 0.99


def test_samples_of_one_unit_do_not_count_as_many():
    rng = np.random.default_rng(0)
    values = rng.normal(size=20)
    one = Bootstrap(np.arange(20), [0]).mean({0: (values, np.arange(20))}).estimate()
    ten = (
        Bootstrap(np.arange(20), [0])
        .mean({0: (np.repeat(values, 10), np.repeat(np.arange(20), 10))})
        .estimate()
    )
    assert ten.high - ten.low == pytest.approx(one.high - one.low, rel=1e-9)


def test_seeds_that_disagree_widen_the_interval():
    units = np.arange(50)
    bootstrap = Bootstrap(units, [0, 1])
    agree = bootstrap.mean({0: (np.ones(50), units), 1: (np.ones(50), units)}).estimate()
    disagree = bootstrap.mean({0: (np.zeros(50), units), 1: (np.ones(50), units)}).estimate()
    assert agree.high == agree.low == 1
    assert (disagree.low, disagree.high) == (0, 1)


def test_a_paired_difference_is_surer_than_its_sides():
    rng = np.random.default_rng(0)
    units = np.arange(80)
    values = rng.normal(size=80)
    bootstrap = Bootstrap(units, [0])
    low, high = (bootstrap.mean({0: (values + shift, units)}) for shift in (0.0, 0.05))
    assert high.minus(low).estimate().low == pytest.approx(0.05)
    assert low.estimate().high > high.estimate().low


def test_groups_count_the_same_whatever_their_size():
    small = Bootstrap(np.arange(2), [0]).mean({0: (np.zeros(2), np.arange(2))})
    large = Bootstrap(np.arange(90), [0]).mean({0: (np.ones(90), np.arange(90))})
    assert average([small, large]).mean == 0.5


def test_resamples_that_miss_a_group_do_not_count():
    found = Bootstrap(np.arange(10), [0]).mean({0: (np.ones(1), np.array([3]))}).estimate()
    assert (found.low, found.high) == (1, 1)


def test_a_resample_that_misses_one_group_of_several_does_not_count():
    seldom = Distribution(0.0, np.array([np.nan, 0.0]))
    often = Distribution(1.0, np.array([1.0, 1.0]))
    np.testing.assert_array_equal(average([seldom, often]).resamples, [np.nan, 0.5])


def test_every_sample_counts_the_same_whatever_its_seed():
    data = {0: (np.ones(3), np.arange(3)), 1: (np.zeros(1), np.arange(1))}
    assert Bootstrap(np.arange(3), [0, 1]).mean(data).mean == 0.75
