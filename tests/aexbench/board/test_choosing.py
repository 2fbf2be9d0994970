"""Agreement and regret, beside slow twins that count pairs and enumerate choices."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from aexbench.board.choosing import agreement, jackknife, over_entities, regret
from aexbench.board.validity import by_others

SCORES = st.integers(1, 6).flatmap(
    lambda k: st.tuples(*[arrays(float, k, elements=st.integers(0, 4).map(float))] * 2)
)  # few values: many ties


def tau_by_pairs(one, other):
    """Return (C − D) / √((n₀ − n₁)(n₀ − n₂)), pair by pair."""
    concordant = discordant = ties_of_one = ties_of_other = 0
    pairs = list(combinations(range(len(one)), 2))
    for i, j in pairs:
        product = (one[i] - one[j]) * (other[i] - other[j])
        concordant += product > 0
        discordant += product < 0
        ties_of_one += one[i] == one[j]
        ties_of_other += other[i] == other[j]
    ranked = (len(pairs) - ties_of_one) * (len(pairs) - ties_of_other)
    return (concordant - discordant) / ranked**0.5 if ranked else 0.0


def regret_by_orders(chosen_by, judged_by):
    """Return the mean loss over all orders in which somebody may look for the first."""
    lost = []
    for order in permutations(range(len(chosen_by))):
        chosen = order[0]
        for place in order:
            if chosen_by[place] > chosen_by[chosen]:
                chosen = place
        lost.append(max(judged_by) - judged_by[chosen])
    return sum(lost) / len(lost)


@given(SCORES)
def test_agreement_is_that_of_all_pairs(scores):
    assert agreement(*scores) == pytest.approx(tau_by_pairs(*scores))


@given(SCORES)
def test_regret_is_the_mean_over_all_ways_to_take_the_first(scores):
    assert regret(*scores) == pytest.approx(regret_by_orders(*scores))


@given(SCORES, st.randoms())
def test_the_order_of_explainers_does_not_matter(scores, random):
    order = list(range(len(scores[0])))
    random.shuffle(order)
    for of in (agreement, regret):
        assert of(*(one[order] for one in scores)) == pytest.approx(of(*scores))


@given(SCORES)
def test_only_the_order_counts_of_what_is_chosen_by(scores):
    by, judged = scores
    for of in (agreement, regret):
        assert of(np.exp(3 * by) - 7, judged) == pytest.approx(of(by, judged))


@given(SCORES)
def test_who_chooses_by_what_judges_loses_nothing(scores):
    judged = scores[0]
    assert regret(judged, judged) == 0
    assert agreement(judged, judged) == pytest.approx(float(len(set(judged)) > 1))
    assert agreement(-judged, judged) == -agreement(judged, judged)
    assert regret(-judged, judged) == judged.max() - judged.min()


@given(SCORES)
def test_who_ranks_nothing_picks_at_random(scores):
    flat, judged = np.zeros_like(scores[0]), scores[1]
    assert regret(flat, judged) == pytest.approx(judged.max() - judged.mean())
    assert agreement(flat, judged) == agreement(judged, flat) == 0


def test_scores_that_rounding_alone_tells_apart_are_tied():
    by, judged = np.array([0.1 + 0.2, 0.3]), np.array([1.0, 0.0])
    assert by[0] != by[1]
    assert (agreement(by, judged), regret(by, judged)) == (0, 0.5)
    by = np.array([0.3, 0.3 + 1e-11])
    assert (agreement(by, judged), regret(by, judged)) == (-1, 1)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=9))
def test_of_values_of_their_own_entities_are_a_plain_sample(values):
    found = over_entities(values)
    assert (found.value, found.df) == (pytest.approx(np.mean(values)), len(values) - 1)
    assert found.variance == pytest.approx(np.var(values, ddof=1) / len(values), abs=1e-12)


def test_one_entity_has_no_interval():
    found = over_entities([0.5])
    assert (found.value, found.interval()) == (0.5, None)


def test_a_jackknife_leaves_out_each_entity():
    values = [3.0, 1.0, 4.0, 1.5]
    without = [max(values[:i] + values[i + 1 :]) for i in range(4)]
    variance = 3 / 4 * sum((one - sum(without) / 4) ** 2 for one in without)
    assert jackknife(max, values).variance == pytest.approx(variance)


def test_choices_by_others_have_what_they_share_in_their_interval():
    """A plain variance of the eight values covers .81 here."""
    rng = np.random.default_rng(0)
    common = rng.normal(size=12)

    def mean_tau(labels):
        return by_others(agreement, labels)

    def drawn():
        return list(0.3 * common + rng.normal(size=(8, 12)))

    truth = np.mean([mean_tau(drawn()) for _ in range(500)])
    intervals = [jackknife(mean_tau, drawn()).interval() for _ in range(200)]
    assert 0.92 < np.mean([low <= truth <= high for low, high in intervals]) <= 1


def test_choices_by_others_of_two_entities_are_one_and_have_no_interval():
    labels = [np.array([0.1, 0.2, 0.3]), np.array([0.3, 0.2, 0.4])]
    found = jackknife(lambda own: by_others(agreement, own), labels)
    assert (found.value, found.interval()) == (pytest.approx(1 / 3), None)
    assert np.isnan(by_others(regret, labels[:1]))
