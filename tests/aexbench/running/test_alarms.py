"""Which samples raise an alarm, and which half of a stream they lie in."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aexbench import Dataset, Detector, Features
from aexbench.detector import ScoreScale
from aexbench.running import alarms, planning


class Zero(torch.nn.Module):
    def forward(self, x):
        return torch.zeros_like(x)


DETECTOR = Detector(Zero(), "l1", scale=ScoreScale(0.0, 1.0, 0.25, 0.5))


def data(values, labels=None, units=None) -> Dataset:
    rows = np.asarray(values, dtype=np.float32)[:, None]
    labels = None if labels is None else np.asarray(labels, dtype=bool)
    units = None if units is None else np.asarray(units)
    return Dataset(rows, rows, rows, Features(), labels, test_units=units)


def test_errors_are_the_detectors():
    rows = np.random.default_rng(0).random((7, 1)).astype(np.float32)
    np.testing.assert_allclose(alarms.errors(DETECTOR, rows), rows[:, 0])


def test_the_95th_percentile_is_the_one_that_the_detector_has_kept():
    normal = np.linspace(0, 1, 11, dtype=np.float32)[:, None]
    found = [alarms.least_error(DETECTOR, normal, alarm) for alarm in (0.95, 0.9, 0.0)]
    np.testing.assert_allclose(found, [0.25, 0.9, -np.inf])


def test_the_cut_lies_before_the_middle_labelled_unit():
    labels = [0, 1, 1, 0, 1, 0, 1, 0]
    later = alarms.later(data(np.zeros(8), labels, [0, 1, 1, 3, 4, 5, 6, 7]))
    assert later.tolist() == [False] * 4 + [True] * 4  # of three units the second is later
    later = alarms.later(data(np.zeros(8), [0, 1, 1, 0, 0, 0, 0, 0], [0, 1, 1, 3, 4, 5, 6, 7]))
    assert later.tolist() == [False] + [True] * 7


def test_without_labels_the_samples_are_halved():
    assert alarms.later(data(np.zeros(4))).tolist() == [False, False, True, True]
    assert alarms.later(data(np.zeros(4), np.zeros(4))).tolist() == [False, False, True, True]


def test_a_unit_lies_where_its_first_sample_does():
    later = alarms.later(data(np.zeros(6), np.ones(6), [5, 7, 5, 7, 7, 5]))
    assert later.tolist() == [False, True, False, True, True, False]


def test_alarms_are_those_of_the_earlier_half_whether_labelled_or_not():
    values = [0.1, 0.3, 0.4, 0.2, 0.9, 0.8]
    seen = alarms.seen(DETECTOR, data(values, [0, 0, 1, 0, 1, 1]))
    np.testing.assert_allclose(seen[:, 0], [0.3, 0.4])
    assert len(alarms.seen(DETECTOR, data([0.1, 0.2, 0.9, 0.9]))) == 0


def test_of_many_samples_some_are_looked_at(monkeypatch):
    monkeypatch.setattr(alarms, "MOST_ALARMS", 10)
    assert len(alarms.seen(DETECTOR, data(np.full(100, 0.5)))) == 10


def test_beyond_chance_are_all_but_a_twentieth_of_what_is_looked_at_the_least_errors():
    """Of the forty samples of the earlier half two are such that normal ones account for them."""
    values = np.full(80, 0.1)
    values[[3, 9, 20, 31]] = [0.9, 0.5, 0.7, 0.6]
    found = alarms.beyond_chance(DETECTOR, data(values))
    assert found.ravel().tolist() == pytest.approx([0.9, 0.7])  # as they stand
    assert len(alarms.seen(DETECTOR, data(values))) == 4


def test_where_no_more_raise_an_alarm_than_normal_ones_do_none_is_beyond_chance():
    values = np.full(80, 0.1)
    values[[3, 9]] = 0.9
    assert len(alarms.beyond_chance(DETECTOR, data(values))) == 0
    assert len(alarms.beyond_chance(DETECTOR, data(np.full(80, 0.1)))) == 0


@pytest.mark.parametrize(("threshold", "count"), [("alarm", 4), ("alarms", 2), ("strict", 4)])
def test_what_is_matched_to_alarms_is_offered_those_beyond_chance(threshold, count):
    values = np.full(80, 0.1)
    values[[3, 9, 20, 31]] = [0.9, 0.5, 0.7, 0.6]
    made = planning.corruption(f"group[donor=alarm,threshold={threshold}]")
    assert len(alarms.offered(made, DETECTOR, data(values))) == count
