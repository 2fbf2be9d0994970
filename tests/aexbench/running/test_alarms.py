"""Which samples raise an alarm, and which half of a stream they lie in."""

from __future__ import annotations

import numpy as np
import torch

from aexbench import Dataset, Detector, Features
from aexbench.detector import ScoreScale
from aexbench.running import alarms


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
