"""Which rows are explained."""

from __future__ import annotations

import numpy as np
import pytest

from aexbench import Dataset, RequestError
from aexbench.explaining.picking import by_number, most_anomalous
from aexbench.running import alarms


def test_rows_by_their_numbers(data):
    found = by_number(data, [1003, 1000])
    assert found.numbers == [1003, 1000]
    np.testing.assert_array_equal(found.x, data.test[[3, 0]])
    with pytest.raises(RequestError, match=r"row 17 is in no split"):
        by_number(data, [17])


def test_the_greatest_errors_first(constant, data):
    errors = alarms.errors(constant, data.test)
    assert errors.shape == (100,)
    found = most_anomalous(data, errors, 0.1, 3)
    order = sorted(range(100), key=lambda row: -errors[row])[:3]
    assert found.numbers == [1000 + row for row in order]
    assert found.more == sum(error > 0.1 for error in errors) - 3
    np.testing.assert_array_equal(found.x, data.test[order])


def test_only_what_is_above(data):
    errors = np.zeros(100)
    errors[[4, 7]] = 1.0, 2.0
    assert most_anomalous(data, errors, 1.0, 10).numbers == [1007]
    assert most_anomalous(data, errors, 2.0, 10).numbers == []


def test_rows_without_numbers_are_called_by_their_places(data):
    bare = Dataset(data.train, data.validation, data.test, data.features)
    assert most_anomalous(bare, np.arange(100.0), 97.5, 5).numbers == [99, 98]


def test_the_error_of_a_score(constant, data):
    for score in (0.0, 0.3, 0.9):
        error = constant.calibrated.error_at(score)
        scale = constant.calibrated
        assert (error - scale.low) / (scale.high - scale.low) == pytest.approx(score)
