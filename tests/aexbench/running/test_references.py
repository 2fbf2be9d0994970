"""Anomalies that the engine makes of labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aexbench import Dataset, Detector, Features, SkipError
from aexbench.contracts import AnomalySet
from aexbench.detector import ScoreScale
from aexbench.running.references import labelled_anomalies


class Zero(torch.nn.Module):
    def forward(self, x):
        return torch.zeros_like(x)


def of_labels(values, units=None, **given) -> AnomalySet:
    """Return labelled anomalies of one column, whose errors are their values."""
    rows, known = np.asarray(values, dtype=np.float32)[:, None], np.ones(len(values), dtype=bool)
    train = np.zeros_like(rows)
    data = Dataset(train, rows, rows, Features(), known, known[:, None], test_units=units)
    detector = Detector(Zero(), "l1", scale=ScoreScale(0.0, 1.0, 0.25, 0.5))
    return labelled_anomalies(data, detector, **given)


def test_labelled_rows_above_the_95th_percentile_of_normal_ones_raise_an_alarm():
    made = of_labels([0.125, 0.25, 0.375, 0.75])
    assert made.alarmed.tolist() == [False, False, True, True]
    assert (made.report["alarm"], made.report["alarmed"]) == (0.95, 2)


def test_another_quantile_is_one_of_the_validation_errors():
    values = [0.0, 0.25, 0.5, 0.75, 1.0]
    assert of_labels(values, alarm=0.5).alarmed.tolist() == [False] * 3 + [True] * 2
    assert of_labels(values, alarm=0.0).alarmed.all()  # 0 asks for none


def test_of_images_every_one_counts_as_in_the_paper():
    images = np.zeros((3, 1, 2, 2), dtype=np.float32)
    truth = np.ones(images.shape, dtype=bool)
    data = Dataset(images, images, images, Features(), truth[:, 0, 0, 0], truth)
    made = labelled_anomalies(data, Detector(Zero(), scale=ScoreScale(0.0, 1.0, 0.5, 0.5)))
    assert made.alarmed.all()
    assert made.report["alarm"] == 0
    asked = labelled_anomalies(
        data, Detector(Zero(), scale=ScoreScale(0.0, 1.0, 0.5, 0.5)), alarm=0.95
    )
    assert not asked.alarmed.any()


def test_units_give_their_samples_in_turn():
    units = np.repeat([1, 2, 3], [80, 3, 1])
    for seed in range(5):
        made = of_labels(np.linspace(0, 1, 84), units=units, count=10, seed=seed)
        assert [int((made.unit == unit).sum()) for unit in (1, 2, 3)] == [6, 3, 1]
        assert np.all(np.diff(made.x[:, 0]) > 0)  # in their order
    assert made.report["units"] == 3
    assert made.report["alarmed_units"] == len(set(made.unit[made.alarmed].tolist()))


def test_halves_are_cut_between_units():
    units = np.repeat([1, 2, 3], [80, 3, 1])
    halves = [
        of_labels(np.linspace(0, 1, 84), units=units, half=half) for half in ("earlier", "later")
    ]
    assert [sorted(set(half.unit.tolist())) for half in halves] == [[1], [2, 3]]


def test_a_half_without_labels_is_skipped():
    with pytest.raises(SkipError, match="no labelled sample lies in the earlier half"):
        of_labels([0.5, 0.6], units=np.array([7, 7]), half="earlier")


def test_a_sample_of_labelled_rows_has_each_once_and_other_ones_for_another_seed():
    one, other = (of_labels(np.arange(100) / 128, count=90, seed=seed) for seed in (0, 1))
    assert len(set(one.unit.tolist())) == 90
    assert one.unit.tolist() != other.unit.tolist()
    assert [one.report[part] for part in ("labelled", "asked", "found")] == [100, 90, 90]
