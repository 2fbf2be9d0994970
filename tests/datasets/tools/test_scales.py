"""What the values of a column say of its scale."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexbench.datasets.tools.scales import ROUNDING, ROUNDING_SINGLE, fillers, rounding, stretch

RANDOM = np.random.default_rng(0)


def around(constant: float, steps: np.ndarray) -> np.ndarray:
    """Return float32 numbers, as many steps from a constant, with the digits that it prints."""
    single = np.float32(constant)
    values = (single + steps.astype(np.float32) * np.spacing(single)).astype(np.float32)
    return np.array([float(str(value)) for value in values])


@pytest.mark.parametrize("constant", [0.1, 1.0, 3.0, 10.0, 52.12, 100.0, 255.0, 1000.5, 1e5, 1e6])
@pytest.mark.parametrize("rows", [10, 36, 1000])
def test_numbers_that_float32_has_rounded_are_not_taken_for_decimal_ones(constant, rows):
    for steps in (RANDOM.integers(-1, 2, rows), RANDOM.normal(0, 1.5, rows).round()):
        steps[:2] = 0.0, 1.0
        values = around(constant, steps)
        if np.mod(values, 1).any():
            size = np.abs(values).max()
            assert rounding(values) == pytest.approx(size * ROUNDING_SINGLE)


def test_two_rows_with_few_digits_may_do_so_by_accident():
    values = around(52.12, np.array([0] * 30 + [3] * 2))
    assert set(values) == {52.12, 52.12001}
    assert rounding(values) == pytest.approx(52.12 * ROUNDING_SINGLE)


@pytest.mark.parametrize(
    ("start", "step", "count"), [(52.12341, 4e-5, 2), (230.0, 1e-4, 3), (100_000.0, 0.01, 9)]
)
def test_numbers_written_with_few_digits_are_exact(start, step, count):
    values = (start + RANDOM.integers(0, count, 60) * step).round(5)
    assert rounding(values) == pytest.approx(values.max() * ROUNDING)
    single = values.astype(np.float32).astype(np.float64)
    assert rounding(single) == pytest.approx(values.max() * ROUNDING)


def test_few_values_stretch_a_range():
    column = RANDOM.random(400)
    for count, size, found in [
        (1, 2e3, (True, False)),
        (4, -2e3, (True, False)),
        (5, 2e3, (False, False)),
        (1, 500.0, (False, False)),
        (3, 1e16, (True, True)),
        (4, 1e16, (True, False)),
    ]:
        values = column.copy()
        values[:count] = size
        assert stretch(values) == found


@given(st.floats(1e-20, 1e20), st.booleans())
def test_what_is_one_number_without_few_others_is_not_stretched(size, noise):
    column = np.full(60, 0.3) if not noise else 0.1 + np.tile([0.2, 0.2 + 2e-17, 0.2 - 3e-17], 20)
    column[7] = size
    assert stretch(column) == (False, False)


def test_only_numbers_far_from_all_others_stand_for_gaps():
    column = np.append(RANDOM.random(20) * 900, [-999.0, -999.0])
    assert fillers(column) == "-999 in 2 rows"
    assert fillers(column - 5) == ""
    assert fillers(np.append(column[:20] * 2, -999.0)) == ""
    assert fillers(np.append(column, -9999.0)) == "-9999 in 1 row, -999 in 2 rows"
    assert fillers(np.append(RANDOM.random(20), -99.0)) == "-99 in 1 row"
    assert fillers(np.full(5, 999.0)) == ""
