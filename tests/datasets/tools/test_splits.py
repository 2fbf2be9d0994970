"""How tables are split, and scaled by their training rows where these know a scale."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexbench import RequestError
from aexbench.datasets.tools import splits
from aexbench.datasets.tools.columns import Column, dataset_of
from aexbench.datasets.tools.splits import TableWarning

N = 50
TRAIN = np.arange(30)
NORMAL = np.arange(N) < 40
RANDOM = np.random.default_rng(0).random(N)


def one(column, **how):
    made = splits.scaled(np.asarray(column, float)[:, None], ["x"], TRAIN, NORMAL, **how)
    return made.table[:, 0], made.constant


@given(
    st.integers(0, N - 1),
    st.floats(-1e6, 1e6).filter(lambda v: abs(v) > 1e-3),
    st.floats(-1e3, 1e3),
    st.sampled_from([1e-12, 1.0, 1e9]),
)
def test_a_row_that_differs_from_a_constant_is_one_away_in_every_unit(row, change, constant, unit):
    column = np.full(N, constant)
    column[row] += change
    made, named = one(column * unit)
    assert np.abs(made).max() == pytest.approx(1)
    assert (made != 0).sum() in (1, N - 1)
    assert named == (["x"] if row >= 30 else [])


@given(st.floats(0.1, 10), st.sampled_from([1e-9, 1e-3, 1.0, 1e6]))
def test_constant_columns_do_not_depend_on_their_unit(change, unit):
    column = np.where(np.arange(N) >= 30, 1.0 + change * RANDOM, 1.0)
    column[45] = 3.0
    np.testing.assert_allclose(one(column)[0], one(column * unit)[0], rtol=1e-5, atol=1e-6)


def test_normal_rows_give_the_unit_before_anomalies_do():
    column = np.zeros(N)
    column[35], column[45] = 4.0, 400.0
    assert one(column)[0][[0, 35, 45]].tolist() == [0, 1, 100]
    column[35] = 0.0
    assert one(column)[0][[0, 35, 45]].tolist() == [0, 0, 1]


@pytest.mark.parametrize(("reach", "said"), [(11.1, ["x"]), (-10.1, ["x"]), (10.9, []), (-9.9, [])])
def test_normal_rows_far_beyond_the_training_ones_are_said(reach, said):
    column = RANDOM.copy()
    low, high = RANDOM[TRAIN].min(), RANDOM[TRAIN].max()
    column[45] = 1e6  # an anomaly may lie anywhere
    made = splits.scaled(column[:, None], ["x"], TRAIN, NORMAL)
    assert made.far == []
    column[35] = low + reach * (high - low)
    made = splits.scaled(column[:, None], ["x"], TRAIN, NORMAL)
    assert made.far == said
    assert bool(splits.notes([made])) == bool(said)


def test_a_column_that_never_changes_is_zero():
    for value in (0.0, 7.0, -1e300, 5e-324):
        made, named = one(np.full(N, value))
        assert (made == 0).all()
        assert named == ["x"]


@given(st.floats(1e-30, 1e9), st.integers(0, 2**31))
def test_rounding_is_no_spread(size, seed):
    rng = np.random.default_rng(seed)
    column = size * (1 + rng.integers(-40, 40, N) * 2.0**-52)
    made, named = one(column)
    assert (made == 0).all()
    assert named == ["x"]
    single = (np.float32(1) + rng.integers(-3, 4, N) * np.float32(2.0**-23)).astype(np.float32)
    for values in (single, [float(str(value)) for value in single]):
        assert (one(values)[0] == 0).all()


def test_what_is_left_of_equal_numbers_is_no_spread():
    a, b = RANDOM, RANDOM[::-1].copy()
    column = (a + b) - a - b
    assert len(np.unique(column)) > 2
    assert (one(column)[0] == 0).all()
    column[48] = 0.25
    assert one(column)[0][48] == 1


@given(st.integers(-(2**52), 2**52), st.integers(1, 3))
def test_whole_numbers_are_exact(size, step):
    made, named = one(size + step * (np.arange(N) % 2))
    assert sorted(set(made.tolist())) == [0, 1]
    assert named == []


def test_columns_that_are_kept_stay():
    column = np.where(np.arange(N) >= 40, 0.0, 1.0)
    made, named = one(column, kept=np.array([True]))
    assert made.tolist() == column.tolist()
    assert named == []


@pytest.mark.parametrize("value", [1e300, 1e16, -1e16])
def test_what_float32_cannot_reckon_with_is_refused_by_name(value):
    column = RANDOM.copy()
    column[45] = value
    with pytest.raises(RequestError, match=r"overflow .*column 'x' reaches .* and spans"):
        one(column)
    with pytest.raises(RequestError, match="column 'x'"):
        one(column, one_scale=True)
    column[45] = value / 1e300 * 1e14
    assert np.isfinite(one(column)[0]).all()


def test_all_columns_that_overflow_are_named():
    table = np.tile(RANDOM[:, None], 3)
    table[45, [0, 2]] = 1e200
    with pytest.raises(RequestError, match=r"'a' reaches .*'c' reaches") as caught:
        splits.scaled(table, ["a", "b", "c"], TRAIN, NORMAL)
    assert "'b'" not in str(caught.value)


def test_split_warns_of_constant_columns_and_of_nothing_else():
    table = np.column_stack([RANDOM, np.ones(N)])
    with pytest.warns(TableWarning, match="^constant in training: column 'b'$"):
        splits.split(table, ["a", "b"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        splits.split(table[:, :1], ["a"])
        splits.split(table, ["a", "b"], one_scale=True)


def mixed(**changes):
    columns = {
        "a": RANDOM.copy(),
        "b": np.zeros(N),
        "text": np.array(["x", "y"] * (N // 2)),
        **changes,
    }
    kinds = np.where(NORMAL, "normal", "odd")
    return dataset_of(
        [Column(name, values) for name, values in columns.items()],
        kinds,
        "normal",
        autoencoder="mlp",
        seed=0,
    )


def test_mixed_columns_are_scaled_alike_and_texts_are_categories():
    values = np.where(np.arange(N) == 45, 5e6, 0.0)
    with pytest.warns(TableWarning, match="constant in training: column 'b'"):
        made = mixed(b=values)
    assert made.test[:, 1].max() == 1
    assert made.features.kinds == ("columns", "columns", "onehot")


def test_what_is_wrong_with_mixed_columns_is_said_at_once():
    gap = RANDOM.copy()
    gap[3] = np.nan
    names = np.array([f"n{n}" for n in range(N)])
    with pytest.raises(RequestError, match=r"'a' has 1 gaps.*'c' has 1 gaps"):
        mixed(a=gap, c=gap, text=names)
    days = np.array([f"2024-01-{1 + n % 28:02}" for n in range(N)])
    clock = np.array([f"{n % 24}:30:00" for n in range(N)])
    with pytest.raises(RequestError, match=r"'day' holds dates.*'at' holds dates"):
        mixed(day=days, at=clock, a=RANDOM)
    far = RANDOM.copy()
    far[45] = 1e200
    with pytest.raises(RequestError, match=r"'a' reaches.*'c' reaches"):
        mixed(a=far, c=far)


@pytest.mark.parametrize("shares", [splits.SHARES, splits.SHARES_BEFORE_TEST])
@given(st.integers(10, 200), st.integers(0, 5), st.integers(0, 99))
def test_every_row_is_in_one_part(shares, normal, odd, seed):
    anomalous = np.random.default_rng(seed).permutation(np.arange(normal + odd) < odd)
    units = np.arange(normal + odd) // 2
    ways = [splits.row_numbers(anomalous, seed, shares), splits.rows_in_time(anomalous, shares)]
    if normal - odd > 10:
        ways.append(splits.rows_of_units(anomalous, units, seed, shares))
    for parts in ways:
        assert sorted(np.concatenate(parts).tolist()) == list(range(normal + odd))
        assert not anomalous[parts.train].any()
        assert not anomalous[parts.validation].any()
        assert len(parts.train) >= len(parts.validation) > 0
    assert (np.diff(ways[1].train) > 0).all()
    assert ways[1].train.max() < ways[1].validation.min()
    if len(ways) == 3:
        assert sum(len(set(units[part])) for part in ways[2]) == len(set(units))


def test_shares_of_units_are_shares_of_their_rows():
    normal, tens = np.zeros(100, dtype=bool), np.arange(100) // 10
    one_of_50 = np.maximum(np.arange(100), 49)  # and 50 units of one row
    for seed in range(10):
        parts = splits.rows_of_units(normal, tens, seed)
        assert [len(part) for part in parts] == [60, 20, 20]
        assert len(splits.rows_of_units(normal, one_of_50, seed).train) <= 60


def test_in_time_the_test_rows_stand_in_their_order():
    anomalous = np.isin(np.arange(20), [2, 18])
    assert splits.rows_in_time(anomalous).test.tolist() == [2, 15, 16, 17, 18, 19]
