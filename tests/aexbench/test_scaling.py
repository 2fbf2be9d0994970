"""Scale: there and back to the precision that is stated, and what is no map."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexbench import RequestError
from aexbench.scaling import Scale

SINGLE = 2.0**-24  # half a unit in the last place of float32, relative
DOUBLE = 2.0**-53  # of float64
LEAST = 2.0**-149  # the least distance of two float32 numbers
numbers = st.floats(-1e12, 1e12, allow_subnormal=False)
factors = st.floats(1e-6, 1e9) | st.floats(-1e9, -1e-6)


def exactly(value: float, offset: float, factor: float) -> Fraction:
    """The definition, without rounding."""
    return (Fraction(value) - Fraction(offset)) / Fraction(factor)


@given(numbers, numbers, factors)
def test_a_scaled_value_is_the_definition_to_float32(value, offset, factor):
    x = float(Scale(offset, factor).transform([[value]])[0, 0])
    right = exactly(value, offset, factor)
    assert abs(Fraction(x) - right) <= abs(right) * Fraction(SINGLE + 4 * DOUBLE) + Fraction(LEAST)


@given(numbers, numbers, factors)
def test_a_value_comes_back_to_the_digits_of_its_distance_from_the_offset(value, offset, factor):
    scale = Scale(offset, factor)
    back = scale.inverse(scale.transform([[value]]))
    assert back.dtype == np.float64
    rounding = 8 * DOUBLE * max(abs(value), abs(offset))
    away = SINGLE * (1 + 1e-6) * abs(value - offset)
    assert abs(back[0, 0] - value) <= away + rounding + 2 * abs(factor) * LEAST


@given(st.floats(0.0, 1.0))
def test_a_large_offset_costs_nothing(share):
    scale = Scale(offset=1e9, factor=1.0)
    back = scale.inverse(scale.transform([[1e9 + share]]))[0, 0]
    assert abs(back - (1e9 + share)) <= 6e-8 + 2.0**-23  # the latter is float64's step there


@given(st.floats(-1.0, 1.0, width=32), numbers, factors)
def test_what_lies_back_is_scaled_to_where_it_was(x, offset, factor):
    scale = Scale(offset, factor)
    again = scale.transform(scale.inverse([[x]]))[0, 0]
    lost = 8 * DOUBLE * abs(offset / factor)
    assert abs(float(again) - x) <= 2 * SINGLE * abs(x) + lost + 2 * LEAST


def test_without_a_scale_values_stay():
    values = np.array([[0.1, -3.0], [1e30, 0.0]])
    assert np.array_equal(Scale().transform(values), values.astype(np.float32))
    assert np.array_equal(Scale().inverse(values), values)


def test_columns_have_scales_of_their_own_whatever_the_shape_of_a_sample():
    scale = Scale.of(np.array([[1.0, 2.0], [3.0, 4.0]]), [1.0, 2.0, 4.0, 8.0])
    x = scale.transform(np.full((3, 2, 2), 12.0))
    assert x.shape == (3, 2, 2)
    assert x[0].tolist() == [[11.0, 5.0], [2.25, 1.0]]
    assert scale.inverse(x).tolist() == np.full((3, 2, 2), 12.0).tolist()


def test_what_lies_within_the_tolerance_is_the_offset():
    scale = Scale(offset=(5.0, 5.0), factor=(2.0, 2.0), tolerance=(0.25, 0.0))
    x = scale.transform([[5.25, 5.25], [4.75, 4.75], [5.5, 5.5]])
    assert x.tolist() == [[0.0, 0.125], [0.0, -0.125], [0.25, 0.25]]
    assert scale.inverse(x)[:, 0].tolist() == [5.0, 5.0, 5.5]


def test_the_values_that_are_given_stay_as_they_are():
    values = np.array([[5.1]])
    Scale(5.0, 1.0, 1.0).transform(values)
    assert values[0, 0] == 5.1


def test_a_scale_can_be_compared_and_is_frozen():
    assert Scale([1.0, 2.0], [1, 1]) == Scale((1.0, 2.0), (1.0, 1.0))
    assert hash(Scale()) == hash(Scale(0, 1, 0))
    with pytest.raises(AttributeError):
        Scale().offset = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"factor": 0.0}, "must not be 0"),
        ({"factor": (1.0, 0.0)}, "must not be 0"),
        ({"factor": np.inf}, "must be finite"),
        ({"offset": (0.0, np.nan)}, "must be finite"),
        ({"tolerance": -1.0}, "must not be negative"),
        ({"offset": (0.0, 1.0), "factor": (1.0, 1.0, 1.0)}, r"differ in length: \[2, 3\]"),
    ],
)
def test_what_is_no_scale_is_refused(parts, said):
    with pytest.raises(RequestError, match=said):
        Scale(**parts)


@pytest.mark.parametrize("way", ["transform", "inverse"])
def test_rows_of_other_columns_are_refused(way):
    with pytest.raises(RequestError, match="2 columns does not fit samples of shape"):
        getattr(Scale(offset=(0.0, 1.0)), way)(np.zeros((4, 3)))
