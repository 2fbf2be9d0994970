"""Windows of a table of one's own: of which rows they are, and in which units."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from aexbench import Dataset, Detector, RequestError, autoencoders, explainers
from aexbench.datasets.file import SIGMOID
from aexbench.datasets.tools.windows import runs_of, starts_of

SPLITS = ("train", "validation", "test")


def table(labels: str, **columns: object) -> pd.DataFrame:
    """Rows of two channels; the first one counts the rows."""
    rows = np.arange(len(labels))
    values = {"row": rows + 0.5, "other": np.sin(rows), "y": [int(label) for label in labels]}
    return pd.DataFrame({**values, **columns})


def windows_of(frame: pd.DataFrame, **given: object) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Dataset.of(frame, **{"label": "y", "split": "time", **given})


def rows_of(data: Dataset, split: str) -> np.ndarray:
    """The numbers of the rows (N, T) that a split's windows hold, as their first channel says."""
    return np.rint(data.inverse(getattr(data, split)[:])[:, :, 0] - 0.5).astype(int)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(3, 9)), min_size=8, max_size=16),
    st.lists(st.integers(0, 2), min_size=4, max_size=4),
    st.integers(1, 3),
    st.integers(1, 3),
    st.booleans(),
)
def test_no_window_holds_rows_that_do_not_follow_one_another(lengths, where, window, stride, unit):
    labels = "0" * 12 + "".join(str(kind) * length for kind, length in lengths) + "0" * 12
    units = np.searchsorted(np.cumsum([9, 5 + where[0], 20]), np.arange(len(labels)), "right")
    frame = table(labels, machine=units) if unit else table(labels)
    given = {"unit": "machine"} if unit else {}
    rows = windows_of(frame, **given)
    try:
        made = windows_of(frame, window=window, stride=stride, **given)
    except RequestError as error:
        assume("of its rows lie together" not in str(error))
        raise
    marked = np.array([label == "1" for label in labels])
    for split in SPLITS:
        held, own = rows_of(made, split), set(rows.numbers(split).tolist())
        assert (np.diff(held, axis=1) == 1).all()
        assert set(held.ravel().tolist()) <= own
        assert not unit or all(len(set(units[one])) == 1 for one in held)
        assert made.numbers(split).tolist() == held[:, 0].tolist()
    assert not marked[rows_of(made, "train")].any()
    held = rows_of(made, "test")
    assert made.test_labels.tolist() == marked[held].any(axis=1).tolist()
    if stride == 1:  # each window that there could be is there
        every = runs_of(rows.numbers("test"), units[rows.numbers("test")] if unit else None)
        could = sum(max(0, n - window + 1) for n in np.unique(every, return_counts=True)[1])
        assert len(held) == could


def test_training_does_not_reach_across_what_is_left_out_of_it():
    made = windows_of(table("0" * 10 + "111" + "0" * 30), window=4, stride=2)
    assert rows_of(made, "train")[:, 0].tolist() == [0, 2, 4, 6, 13, 15, 17, 19, 21, 23]
    (validation, *_) = rows_of(made, "validation")
    assert validation[0] - rows_of(made, "train")[-1, -1] > 4
    assert made.row(13) == ("train", 4)
    assert made.train[4:5].shape == made.sample(13).shape == (1, 4, 2)


def test_splits_of_one_run_are_views():
    made = windows_of(table("0" * 40 + "11"), window=4, stride=2)
    assert all(isinstance(getattr(made, split), np.ndarray) for split in SPLITS)
    assert made.train.strides[0] == 2 * made.train.strides[1]


def test_beside_a_test_file_training_does_not_cross_its_own_anomalies():
    train, test = table("0" * 10 + "11" + "0" * 20), table("0000110000")
    made = windows_of(train, test=test, window=4)
    for split in ("train", "validation"):
        assert (np.diff(rows_of(made, split), axis=1) == 1).all()
    assert made.numbers("test").tolist() == list(range(7))
    assert len(made.numbers("train")) == 0


def test_windows_have_their_rows_units_kinds_and_truth():
    frame = table("0" * 30 + "0011100000", machine=[*"a" * 35, *"b" * 5])
    frame["kind"] = ["", *["crash" if y else "" for y in frame.y[1:]]]
    frame["cause_row"] = frame.y == 1
    given = {"kind": "kind", "truth": "cause_", "window": 3}
    made = windows_of(frame, unit="machine", **given)
    held = rows_of(made, "test")
    machines = frame.machine.to_numpy()
    assert [len(set(machines[one])) for one in held] == [1] * len(held)
    assert (made.test_units == (machines[held[:, 0]] == "b")).all()
    assert (
        made.test_truth[:].tolist()
        == np.stack([frame.cause_row.to_numpy()[held], np.zeros(held.shape, bool)], -1).tolist()
    )
    marked = frame.y.to_numpy()[held].any(axis=1)
    assert (np.asarray(made.test_kinds)[marked] == "crash").all()


def test_without_units_those_that_meet_one_run_of_anomalous_rows_are_of_one():
    made = windows_of(table("0" * 30 + "01110000110000"), window=2, stride=2)
    anomalous = np.asarray(made.test_units)[made.test_labels]
    assert len(set(anomalous.tolist())) == 2


def test_anomalous_rows_that_are_in_no_window_are_told():
    with pytest.warns(UserWarning, match="2 anomalous rows are in no window of 4"):
        Dataset.of(table("0" * 10 + "11" + "0" * 30), label="y", split="time", window=4, drop=[])


@pytest.mark.parametrize("scale", ["minmax", "standard", "robust", "none"])
def test_values_come_back_in_the_users_units(scale):
    frame = table("0" * 40)
    frame["other"] = 1e6 + 3 * frame.other
    made = windows_of(frame, window=4, scale=scale)
    own = frame[["row", "other"]].to_numpy()[rows_of(made, "test")]
    np.testing.assert_allclose(made.inverse(made.test[:]), own, rtol=1e-6)
    np.testing.assert_allclose(made.transform(own), made.test[:], atol=1e-4)
    ends = "gru" if scale == "minmax" else "gru[output=identity]"
    assert made.autoencoder == ends
    named = windows_of(frame, window=4, scale=scale, autoencoder="tcn[code=2]").autoencoder
    assert ("output=identity" in named) == (scale != "minmax")


@settings(max_examples=20, deadline=None)
@given(st.integers(-8, 8), st.integers(-1000, 1000))
def test_a_channel_in_other_units_changes_no_window_and_no_explanation(power, shift):
    rng = np.random.default_rng(0)
    frame = table("0" * 40, other=rng.integers(0, 64, 40).astype(float))
    plain = windows_of(frame, window=4)
    frame["other"] = shift + 2.0**power * frame.other
    found = windows_of(frame, window=4)
    for split in SPLITS:
        np.testing.assert_array_equal(getattr(found, split)[:], getattr(plain, split)[:])
    told = [
        explainers.create(
            "own-past", Detector(nn.Identity(), features=one.features), background=one.train
        ).explain(torch.as_tensor(np.array(one.test[:])))
        for one in (plain, found)
    ]
    torch.testing.assert_close(told[1], told[0])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"split": "random"}, "give split=time"),
        ({"encoding": "embedding"}, "leave window out"),
        ({"groups": ["r*"]}, "leave groups out"),
        ({"window": None}, "give window=T too"),
        ({"window": 30}, "no window of 30 fits"),
        ({"unit": "alternate"}, "at most 1 of its rows lie together"),
    ],
)
def test_what_makes_no_windows_is_said(given, said):
    frame = table("0" * 40, **({"alternate": [*"ab" * 20]} if "unit" in given else {}))
    with pytest.raises(RequestError, match=said):
        windows_of(frame, **{"window": 4, "stride": 2, **given})


def test_windows_begin_anew_with_each_run():
    runs = np.array([0, 0, 0, 0, 0, 1, 1, 1, -1, 2, 2])
    assert starts_of(runs, 2, 2, "test").tolist() == [0, 2, 5, 9]


@pytest.mark.parametrize("seed", range(6))
def test_windows_of_a_unit_right_behind_training_are_kept(seed):
    frame = table("0" * 60, machine=[*"a" * 20, *"b" * 20, *"c" * 20]).drop(columns="y")
    made = windows_of(frame, label=None, unit="machine", split="unit", window=15, seed=seed)
    assert len(made.validation) == 6


def test_every_autoencoder_whose_sigmoid_can_be_left_out_is_known():
    outputs = {n: autoencoders.describe(n).parameters.get("output") for n in autoencoders.names()}
    assert {n for n, one in outputs.items() if one and one.default == "sigmoid"} == {*SIGMOID}
