"""Anomalies that the engine makes of labels."""

from __future__ import annotations

import numpy as np
import torch

from aexbench import Dataset, Detector, Features
from aexbench.contracts import AnomalySet
from aexbench.detector import ScoreScale
from aexbench.running.references import labelled_anomalies


class Zero(torch.nn.Module):
    def forward(self, x):
        return torch.zeros_like(x)


def of_labels(values, **given) -> AnomalySet:
    """Return labelled anomalies of one column, whose errors are their values."""
    rows, known = np.asarray(values, dtype=np.float32)[:, None], np.ones(len(values), dtype=bool)
    data = Dataset(rows, rows, rows, Features(), known, known[:, None])
    detector = Detector(Zero(), "l1", scale=ScoreScale(0.0, 1.0, 0.25, 0.5))
    return labelled_anomalies(data, detector, **given)


def test_labelled_rows_up_to_the_95th_percentile_of_normal_ones_raise_no_alarm():
    assert of_labels([0.125, 0.25, 0.375, 0.75]).report["unalarmed"] == 0.5


def test_a_sample_of_labelled_rows_has_each_once_and_other_ones_for_another_seed():
    one, other = (of_labels(np.arange(100) / 128, count=90, seed=seed) for seed in (0, 1))
    assert len(set(one.unit.tolist())) == 90
    assert one.unit.tolist() != other.unit.tolist()
    assert [one.report[part] for part in ("labelled", "asked", "found")] == [100, 90, 90]
