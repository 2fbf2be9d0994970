from __future__ import annotations

import pytest

from aexbench import Features, RequestError


@pytest.mark.parametrize(
    ("features", "bounded"),
    [
        (Features(), False),
        (Features(names=("a", "b")), False),
        (Features(low=0.0), True),
        (Features(high=1.0), True),
        (Features().within(0.0, 1.0), True),
    ],
)
def test_bounds_count_as_said_where_somebody_said_them(features, bounded):
    assert features.bounded is bounded
    assert (features.low, features.high) == (0.0, 1.0)


@pytest.mark.parametrize("bounds", [(1.0, 1.0), (2.0, 1.0), ((0.0, 3.0), (1.0, 3.0))])
def test_a_column_without_a_range_is_refused(bounds):
    with pytest.raises(RequestError, match="low of Features must lie below high"):
        Features(low=bounds[0], high=bounds[1])


@pytest.mark.parametrize("kinds", [("onehot",), ("onehot", "columns", "columns")])
def test_kinds_are_one_a_group(kinds):
    with pytest.raises(RequestError, match=f"{len(kinds)} kinds for 2 groups"):
        Features(groups=(0, 0, 1), kinds=kinds)
