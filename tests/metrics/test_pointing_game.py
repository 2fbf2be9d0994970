from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aexbench.metrics.pointing_game import pointing_game
from tests.metrics import plane_twins

SHAPE = (2, 4, 5)
VALUES = hnp.arrays(np.float64, SHAPE, elements=st.integers(-3, 3).map(float))
TRUTH = hnp.arrays(np.bool_, SHAPE).filter(lambda truth: truth.any(axis=(1, 2)).all())


@given(VALUES, TRUTH, st.integers(0, 3))
@settings(deadline=None, max_examples=40)
def test_equals_its_definition_over_every_highest_pixel(attributions, truth, tolerance):
    goal = plane_twins.near(truth, tolerance)
    expected = []
    for values, hits in zip(attributions, goal, strict=True):
        highest = [place for place in np.ndindex(values.shape) if values[place] == values.max()]
        expected.append(sum(bool(hits[place]) for place in highest) / len(highest))
    found = pointing_game(attributions, truth, tolerance=tolerance)
    np.testing.assert_allclose(found, expected)


def test_a_near_miss_is_a_miss_where_nobody_says_otherwise():
    truth = np.zeros((1, 1, 9, 9), dtype=bool)
    truth[0, 0, 4, 4] = True
    values = np.zeros((1, 1, 9, 9))
    values[0, 0, 4, 6] = 1.0
    assert pointing_game(values, truth) == [0.0]
    assert pointing_game(values, truth, tolerance=1) == [0.0]
    assert pointing_game(values, truth, tolerance=2) == [1.0]


def test_chance_is_the_share_of_pixels_that_hit():
    truth = np.zeros((1, 1, 9, 9), dtype=bool)
    truth[0, 0, 4, 4] = True
    assert pointing_game(np.zeros(truth.shape), truth) == pytest.approx(1 / 81)
    assert pointing_game(np.zeros(truth.shape), truth, tolerance=1) == pytest.approx(5 / 81)


def test_rows_have_no_neighbours():
    assert pointing_game([[0.0, 1.0, 0.0]], [[1, 0, 0]], tolerance=5) == [0.0]
