"""Verdicts follow from intervals."""

from __future__ import annotations

import math

import pytest

from aexbench.board.comparing import Estimate
from aexbench.paper.verdicts import NO, UNKNOWN, YES, Found, above, averaged, below, every

SURE, UNSURE, NOBODY = 1e-4, 1e-1, math.nan


@pytest.mark.parametrize(
    ("value", "variance", "verdict", "turned"),
    [
        (0.8, SURE, YES, NO),
        (0.2, SURE, NO, YES),
        (0.8, UNSURE, UNKNOWN, UNKNOWN),
        (0.2, UNSURE, UNKNOWN, UNKNOWN),
        (0.8, NOBODY, UNKNOWN, UNKNOWN),
    ],
)
def test_what_is_surely_so_is_supported(value, variance, verdict, turned):
    own = Estimate(value, variance, 8.0)
    assert above(own, 0.5, "it").verdict == verdict
    assert below(own, 0.5, "it").verdict == turned


def test_one_part_that_is_surely_not_so_decides():
    yes, no, unknown = (Found(verdict, "") for verdict in (YES, NO, UNKNOWN))
    assert every([yes, yes]).verdict == YES
    assert every([yes, unknown]).verdict == UNKNOWN
    assert every([unknown, no]).verdict == NO


def test_a_mean_weighs_its_parts_and_adds_their_variances():
    made = averaged([Estimate(0.1, 0.01, 5.0), Estimate(0.5, 0.02, 5.0)], [3, 1])
    assert made.value == pytest.approx(0.2)
    assert made.variance == pytest.approx(0.01 * 9 / 16 + 0.02 / 16)
    assert 5.0 < made.df < 10.0


def test_a_part_without_variance_leaves_none_to_the_mean():
    made = averaged([Estimate(0.1, 0.01, 5.0), Estimate(0.5, NOBODY, NOBODY)], [1, 1])
    assert made.interval() is None
