"""The scale that training rows give: each by its definition, what is constant, what overflows."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aexbench import Features, RequestError
from aexbench.contracts import Dataset
from aexbench.datasets.tools.splits import Scaled, notes, scaled
from aexbench.detector import Detector
from aexbench.given import bounded

SCALINGS = ["minmax", "standard", "robust", "none"]
ROWS, TRAIN = 40, np.arange(0, 40, 2)  # every other row is for training


def table(*columns: object) -> np.ndarray:
    return np.column_stack([np.broadcast_to(column, ROWS) for column in columns]).astype(float)


def made(values: np.ndarray, scaling: str, **how: object) -> Scaled:
    names = [f"c{column}" for column in range(values.shape[1])]
    return scaled(values, names, TRAIN, np.ones(ROWS, dtype=bool), scaling=scaling, **how)


def quartile(values: list[float], share: float) -> float:
    """Linear between the two values beside a share of the way from the least to the greatest."""
    ordered, place = sorted(values), share * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


TWINS = {
    "minmax": lambda v: (min(v), max(v) - min(v)),
    "standard": lambda v: (statistics.fmean(v), statistics.pstdev(v)),
    "robust": lambda v: (statistics.median(v), quartile(v, 0.75) - quartile(v, 0.25)),
    "none": lambda v: (0.0, 1.0),
}


@pytest.mark.parametrize("scaling", SCALINGS)
@given(seed=st.integers(0, 1000), size=st.integers(-6, 9), shift=st.integers(-3, 3))
def test_each_scale_is_its_definition_over_the_training_rows(scaling, seed, size, shift):
    rng = np.random.default_rng(seed)
    values = (rng.gamma(2.0, 1.0, (ROWS, 2)) + shift) * 10.0**size
    found = made(values, scaling)
    for column in range(2):
        offset, factor = TWINS[scaling](values[TRAIN, column].tolist())
        right = (values[:, column] - offset) / factor
        assert np.allclose(found.table[:, column], right, rtol=1e-5, atol=1e-6)
    assert np.array_equal(found.scale.transform(values), found.table)


@pytest.mark.parametrize("scaling", SCALINGS[1:])
def test_bounds_are_those_that_evaluate_takes_from_the_training_rows(scaling):
    flags = np.arange(ROWS) % 3 == 0
    values = table(np.random.default_rng(0).normal(50, 20, ROWS), 7.0, -0.5, flags, ~flags)
    kept = np.array([False, False, False, True, True])
    found = made(values, scaling, kept=kept)
    x = found.table[TRAIN]
    kinds = ("columns", "columns", "columns", "onehot")
    features = Features(groups=(0, 1, 2, 3, 3), kinds=kinds)
    detector = Detector(torch.nn.Identity(), features=features)
    its = bounded(detector, Dataset(x, x, x, Features()))[0].features
    assert (its.low, its.high) == found.bounds


def test_the_default_s_bounds_are_zero_and_one():
    assert made(table(np.arange(ROWS), 3.0), "minmax").bounds is None


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_constant_column_is_zero_and_elsewhere_of_order_one(scaling):
    column = np.full(ROWS, 300.0)
    column[[1, 3]] = 301.0, 302.0  # rows that are not for training
    found = made(table(column, np.arange(ROWS)), scaling)
    assert found.constant == ["c0"]
    right = [300.0, 301.0, 302.0] if scaling == "none" else [0.0, 0.5, 1.0]
    assert found.table[[0, 1, 3], 0].tolist() == right
    if scaling != "minmax":
        low, high = (300.0, 600.0) if scaling == "none" else (0.0, 1.0)
        assert (found.bounds[0][0], found.bounds[1][0]) == (low, high)
    assert "constant in training: column 'c0'" in notes([found])[0]


@pytest.mark.parametrize("scaling", SCALINGS)
def test_what_is_kept_stays(scaling):
    flag = (np.arange(ROWS) == 4).astype(float)
    found = made(table(flag, np.arange(ROWS)), scaling, kept=np.array([True, False]))
    assert found.table[:, 0].tolist() == flag.tolist()
    assert (found.constant, found.even) == ([], [])
    if found.bounds is not None:
        assert (found.bounds[0][0], found.bounds[1][0]) == (0.0, 1.0)


def test_where_the_quartiles_coincide_the_range_is_taken_and_said():
    mostly = np.zeros(ROWS)
    mostly[[0, 2]] = 5.0, 10.0
    found = made(table(mostly, np.arange(ROWS)), "robust")
    assert found.table[[0, 2, 4], 0].tolist() == [0.5, 1.0, 0.0]
    assert found.even == ["c0"]
    assert "quartiles coincide, scaled by the range: 'c0'" in notes([found])
    for scaling in ("minmax", "standard", "none"):
        assert made(table(mostly, np.arange(ROWS)), scaling).even == []


def test_quartiles_that_differ_by_rounding_alone_coincide():
    mostly = np.where(np.arange(ROWS) % 4 < 2, 0.3, 0.1 + 0.2)
    mostly[[0, 2]] = -5.0, 5.0
    found = made(table(mostly, np.float32(0.1) * np.arange(ROWS)), "robust")
    assert found.even == ["c0"]
    assert np.allclose(np.ptp(found.table[TRAIN, 0]), 1.0)


def test_what_float32_rounds_is_said_where_nothing_is_scaled():
    times = table(1.7e9 + np.arange(ROWS), np.arange(ROWS), 1.7e9)
    found = made(times, "none")
    assert found.coarse == ["c0"]
    line = "float32 rounds by more than a thousandth of the range: 'c0': choose a scale"
    assert line in notes([found])
    for scaling in ("minmax", "standard", "robust"):
        assert made(times, scaling).coarse == []


@pytest.mark.parametrize("scaling", SCALINGS)
def test_normal_rows_far_from_the_training_rows_are_said_in_every_scale(scaling):
    column = np.random.default_rng(0).normal(5000, 10, ROWS)
    reach = np.ptp(column[TRAIN])
    column[1] = column[TRAIN].max() + 10.5 * reach
    assert made(table(column), scaling).far == ["c0"]
    column[1] = column[TRAIN].max() + 9.5 * reach
    assert made(table(column), scaling).far == []


@pytest.mark.parametrize(
    ("scaling", "huge", "refused"),
    [
        ("none", 1.1e15, True),
        ("none", 0.9e15, False),
        ("minmax", 1e300, True),
        ("standard", 1e300, True),
        ("robust", 1e300, True),
        ("robust", 1e12, False),
    ],
)
def test_what_is_too_large_for_float32_is_one_clear_line(scaling, huge, refused):
    column = np.arange(ROWS) / ROWS
    column[5] = huge
    if not refused:
        assert np.isfinite(made(table(column), scaling).table).all()
        return
    with pytest.raises(RequestError) as caught:
        made(table(column), scaling)
    said, way_out = str(caught.value), "take logarithms, clip, or leave it out"
    assert "\n" not in said
    assert said.endswith(f"choose a scale, {way_out}" if scaling == "none" else f": {way_out}")
    assert f"column 'c0' reaches {huge:.3g}" in said


def test_few_rows_that_swallow_all_others_are_refused_where_they_give_the_scale():
    column = np.arange(ROWS) / ROWS
    column[4] = 1e17  # a training row
    for scaling in ("minmax", "standard"):
        with pytest.raises(RequestError, match="in few rows"):
            made(table(column), scaling)
    with pytest.raises(RequestError, match="reaches 1e\\+17"):
        made(table(column), "robust")


@given(st.integers(0, 100))
def test_a_robust_scale_does_not_follow_one_row(seed):
    column = np.random.default_rng(seed).normal(0, 1, ROWS)
    other = column.copy()
    other[np.argmax(column * (np.arange(ROWS) % 2 == 0))] = 1e6  # further up than it was
    one, two = (made(table(values), "robust") for values in (column, other))
    assert one.scale == two.scale
