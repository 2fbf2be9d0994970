"""Anomalies that the engine makes of labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aexbench import Dataset, Detector, Features, SkipError
from aexbench.contracts import AnomalySet
from aexbench.detector import ScoreScale
from aexbench.running.references import labelled_anomalies, shuffled_truth


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


def set_of(labels: str, units: list[int]) -> AnomalySet:
    """Return images whose truths are all different, with labels of one letter."""
    count = len(units)
    truth = np.zeros((count, 1, 4, 4), dtype=bool)
    truth.reshape(count, -1)[np.arange(count), np.arange(count)] = True
    one = np.zeros(count)
    x = np.zeros(truth.shape, dtype=np.float32)
    return AnomalySet(x, truth, one, one, np.array(list(labels)), np.array(units), Features())


def donors(made: AnomalySet) -> list[int]:
    """Return whose truth each sample is given."""
    found = shuffled_truth(made).reshape(len(made), -1)
    assert set(np.unique(found)) <= {0.0, 1.0}
    return [int(row.argmax()) for row in found]


def slow_donors(made: AnomalySet) -> list[int]:
    """The same, sample by sample."""
    found = []
    for label, unit in zip(made.label, made.unit, strict=True):
        own = [i for i in range(len(made)) if made.label[i] == label]
        alone = len({int(made.unit[i]) for i in own}) == 1
        among = range(len(made)) if alone else own
        units = sorted({int(made.unit[i]) for i in among})
        other = units[(units.index(unit) + len(units) // 2) % len(units)]
        there = [i for i in among if made.unit[i] == other]
        before = [i for i in own[: own.index(len(found))] if made.unit[i] == unit]
        found.append(there[len(before) % len(there)])
    return found


@pytest.mark.parametrize(
    ("labels", "units"),
    [
        ("aaaa", [0, 1, 2, 3]),
        ("abababab", [3, 3, 1, 1, 2, 5, 7, 7]),
        ("aabbbc", [4, 4, 1, 2, 2, 9]),
        ("aaaaaaa", [1, 1, 1, 2, 2, 3, 3]),
        ("ab", [0, 1]),
    ],
)
def test_a_sample_is_given_the_truth_of_another_unit_and_of_its_label_where_it_can(labels, units):
    made = set_of(labels, units)
    found = donors(made)
    assert found == slow_donors(made)
    assert all(made.unit[given] != made.unit[own] for own, given in enumerate(found))
    for own, given in enumerate(found):
        others = {u for label, u in zip(labels, units, strict=True) if label == labels[own]}
        assert made.label[given] == made.label[own] or others == {units[own]}


def test_the_truth_of_one_unit_alone_cannot_be_shuffled():
    with pytest.raises(SkipError, match="masks of other units, and these are of one alone"):
        shuffled_truth(set_of("ab", [5, 5]))
