from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from aexbench import Dataset, Detector, Features, RequestError, explainers
from aexbench.datasets.tools.windows import Windows, features_of, starts_of, windowed


class Halved(nn.Module):
    """x̂ = x / 2."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / 2


def series(
    labels: str, units: list[int] | None = None, kinds: list[str] | None = None, train: int = 9
) -> Dataset:
    """Rows of two channels whose values are the numbers of their rows."""
    rows, marked = len(labels), np.array([c == "1" for c in labels])
    values = np.stack([np.arange(rows), 100 + np.arange(rows)], 1).astype(np.float32)
    truth = np.stack([marked, np.zeros(rows, bool)], 1)
    normal = 1000 + np.stack([np.arange(train), np.arange(train)], 1).astype(np.float32)
    return Dataset(
        normal, normal + 500, values, Features(names=("cpu", "disk"), low=0, high=(1, 2)), marked,
        truth, test_units=None if units is None else np.array(units),
        test_kinds=None if kinds is None else np.array(kinds),
    )  # fmt: skip


def test_windows_are_views_of_the_rows_and_begin_every_stride():
    data = series("0000000000")
    made = windowed(data, 4, 3)
    assert made.test.shape == (3, 4, 2)
    assert made.test[1].tolist() == [[3, 103], [4, 104], [5, 105], [6, 106]]
    assert made.test_truth.shape == (3, 4, 2)
    for split in ("train", "validation", "test", "test_truth"):
        assert np.shares_memory(getattr(made, split), getattr(data, split))
    assert [made.row(number) for number in (0, 3, 6)] == [("test", k) for k in range(3)]


def test_validation_begins_a_window_after_training():
    made = windowed(series("0000"), 4)
    assert made.train[-1, -1].tolist() == [1008, 1008]
    assert made.validation[0, 0].tolist() == [1504, 1504]
    with pytest.raises(RequestError, match="fits in validation: at most 4 of its rows"):
        windowed(series("00000"), 5)


def test_a_window_is_anomalous_if_a_row_is_and_has_the_kind_of_the_first_that_is():
    kinds = ["normal", "normal", "crash", "attack", "normal", "normal", "leak", "normal"]
    made = windowed(series("00110010", kinds=kinds), 3)
    assert made.test_labels.tolist() == [True, True, True, True, True, True]
    assert made.test_kinds.tolist() == ["crash", "crash", "crash", "attack", "leak", "leak"]
    assert windowed(series("0000", kinds=["a", "b", "c", "d"]), 2).test_kinds.tolist() == [*"abc"]


def test_windows_of_a_segment_are_one_unit_and_one_that_meets_two_joins_them():
    apart = windowed(series("0110000010", [0, 1, 1, 3, 4, 5, 6, 7, 8, 9]), 3)
    assert apart.test_units.tolist() == [1, 1, 1, 11, 11, 11, 8, 8]
    joined = windowed(series("0110100000", [0, 1, 1, 3, 4, 5, 6, 7, 8, 9]), 3)
    assert joined.test_units.tolist() == [1, 1, 1, 1, 1, 11, 12, 12]


def by_hand(labels: list[bool], units: list[int], window: int, starts: range) -> list[set[int]]:
    """Return the windows that are one unit, joined pair by pair until nothing changes."""
    met = {s: {units[r] for r in range(s, s + window) if labels[r]} for s in starts}
    groups = [{s} for s in starts if met[s]]
    while True:
        for one in groups:
            reached = set().union(*(met[s] for s in one))
            other = next(
                (g for g in groups if g is not one and reached & set().union(*(met[s] for s in g))),
                None,
            )
            if other is not None:
                groups.remove(other)
                one |= other
                break
        else:
            return groups


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.booleans(), min_size=6, max_size=25),
    st.integers(1, 6),
    st.integers(1, 4),
)
def test_labels_and_units_are_those_by_hand(labels, window, stride):
    runs = np.cumsum(np.diff(labels, prepend=False) != 0)  # a run of one label is a segment
    first = np.array([np.flatnonzero(runs == run)[0] for run in runs])
    units = np.where(labels, first, np.arange(len(labels)))
    made = windowed(
        series("".join("01"[v] for v in labels), units.tolist(), train=2 * window), window, stride
    )
    starts = range(0, len(labels) - window + 1, stride)
    assert made.test_labels.tolist() == [any(labels[s : s + window]) for s in starts]
    found = {
        frozenset(s for s, u in zip(starts, made.test_units, strict=True) if u == unit)
        for unit in made.test_units[made.test_labels]
    }
    assert found == {frozenset(g) for g in by_hand(labels, units.tolist(), window, starts)}
    assert not set(made.test_units[made.test_labels]) & set(made.test_units[~made.test_labels])


def test_features_are_channels_steps_or_values():
    of_rows = Features(names=("cpu", "disk"), low=0, high=(1, 2))
    by_channel, by_step, by_cell = (
        features_of(of_rows, (3, 2), by) for by in ("channels", "steps", "cells")
    )
    assert by_channel.group_names((3, 2)) == ("cpu", "disk")
    assert by_step.group_names((3, 2)) == ("step-0", "step-1", "step-2")
    assert by_cell.group_names((3, 2))[:3] == ("cpu/0", "disk/0", "cpu/1")
    values = np.arange(6.0).reshape(1, 3, 2)
    assert by_channel.sum_groups(values).tolist() == [[6, 9]]
    assert by_step.sum_groups(values).tolist() == [[1, 5, 9]]
    assert by_cell.count((3, 2)) == 6
    assert by_channel.bounds((3, 2))[1].tolist() == [[1, 2]] * 3
    unnamed = features_of(Features(), (2, 2), "channels")
    assert unnamed.group_names((2, 2)) == ("channel-1", "channel-2")
    assert not unnamed.bounded


@given(st.integers(1, 9), st.integers(1, 3), st.integers(1, 11))
def test_a_patch_is_some_steps_of_a_channel(steps, channels, patch):
    names = ("cpu", "disk", "net_2")[:channels]
    features = features_of(Features(names=names), (steps, channels), "patches", patch)
    blocks = [range(t, min(t + patch, steps)) for t in range(0, steps, patch)]
    named = [f"{n}/{b[0]}-{b[-1]}" if len(b) > 1 else f"{n}/{b[0]}" for n in names for b in blocks]
    assert list(features.group_names((steps, channels))) == named
    for number, (channel, block) in enumerate(itertools.product(range(channels), blocks)):
        (mask,) = features.masks(np.array([number]), (steps, channels))
        held = {(t, channel) for t in block}
        assert {(int(t), int(c)) for t, c in np.argwhere(mask)} == held


@pytest.mark.parametrize("name", ["shapley-permutation", "kernelshap-batched"])
def test_shapley_values_go_by_patches(name):
    """Of an error that adds up over patches each has its own part of it."""
    rng = np.random.default_rng(0)
    detector = Detector(Halved(), features=features_of(Features(), (5, 2), "patches", 2), loss="l2")
    normal, x = rng.random((40, 5, 2)), torch.as_tensor(rng.random((3, 5, 2)))
    given = {"nsamples": 64 if name == "kernelshap-batched" else 3000}
    made = explainers.create(name, detector, background=normal.astype(np.float32), **given)
    found = detector.features.sum_groups(made.explain(x).numpy())
    part = ((x.numpy() / 2) ** 2 - ((normal / 2) ** 2).mean(axis=0)) / 10
    np.testing.assert_allclose(found, detector.features.sum_groups(part), atol=2e-3)


def test_what_makes_no_windows_is_said():
    with pytest.raises(RequestError, match="at least 1; got 0 and 1"):
        starts_of(np.zeros(4, dtype=int), 0, 1, "test")
    with pytest.raises(RequestError, match="channels"):
        windowed(series("0000"), 2, by="channel")
    rows = series("0000")
    with pytest.raises(RequestError, match="give by=patches too"):
        Windows(2, patch=4).of(rows)
    assert Windows().of(rows) is rows
    assert Windows(2, by="steps").of(rows).test.shape == (3, 2, 2)
    for said in ({"stride": 2}, {"by": "steps"}, {"by": "patches", "patch": 2}):
        with pytest.raises(RequestError, match="give window=T too"):
            Windows(**said).of(rows)
