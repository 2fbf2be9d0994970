"""What every data set must do, whoever wrote it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_wine

from aexbench import Dataset, Features, datasets
from aexbench.conformance import check_dataset
from aexbench.conformance.datasets import RULES
from aexbench.datasets.tools.splits import row_numbers

SMALL_IMAGES = "images=6,per_damage=2,size=16,train_samples=20,validation_samples=6"
NAMES = [
    *(f"{name}[seed={seed}]" for name in ("wine", "breast-cancer", "digits") for seed in (0, 1)),
    "digits[anomaly=1]",
    "breast-cancer[encoding=embedding,columns=4]",
    "linear-autoencoder",
    "linear-autoencoder[noise=0,rows=200]",
    "perfect-autoencoder",
    "perfect-autoencoder[dependencies=pairs,noise=0.1,rows=200]",
    *(
        f"sql-workload[rows={rows},encoding={encoding}]"
        for rows in (200, 2000)
        for encoding in ("scalar", "groups")
    ),
    "sql-workload[rows=300,in_memory_rows=0]",
    "sql-workload[rows=300,encoding=embedding,columns=3]",
    "sql-workload[rows=300,encoding=embedding,codes=any,in_memory_rows=0]",
    *(f"defects[category={kind},{SMALL_IMAGES}]" for kind in ("bottle", "tile")),
]


def problems(make):
    return {rule: problem for rule, problem in check_dataset(make) if problem}


@pytest.mark.parametrize("name", NAMES)
def test_keeps_the_contract(name):
    assert problems(lambda: datasets.create(name)) == {}


def scaled_by(load, seed, rows):
    """Return real data as the built-in ones are made, but scaled by other rows."""
    data = load()
    anomalous = data.target == 0
    splits = row_numbers(anomalous, seed)
    known = data.data[rows(splits, anomalous)]
    table = (data.data - known.min(axis=0)) / np.ptp(known, axis=0)
    return Dataset(*(table[part] for part in splits), Features(), anomalous[splits[2]])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("load", [load_wine, load_breast_cancer])
def test_scaling_by_all_rows_is_told_from_scaling_by_training_rows(load, seed):
    scaling = "scaled by the training split alone"
    wrong = problems(lambda: scaled_by(load, seed, lambda splits, anomalous: slice(None)))
    assert list(wrong) == [scaling]
    assert "reached outside of train alone" in wrong[scaling]
    assert problems(lambda: scaled_by(load, seed, lambda splits, anomalous: splits[0])) == {}


def test_bounds_that_few_training_rows_reach_tell_nothing():
    """Damage that is white, where no grey value of the training images is."""
    rng = np.random.default_rng(0)
    grey = rng.uniform(0.1, 0.9, (40, 1, 8, 8))
    white = grey[30:].copy()
    white[:5, :, :6] = 1.0
    made = Dataset(grey[:20], grey[20:30], white, Features(), np.arange(10) < 5)
    assert problems(lambda: made) == {}


def test_rows_that_repeat_by_themselves_may_stand_in_two_splits():
    rows = np.random.default_rng(0).integers(3, size=(200, 3)) / 2
    made = Dataset(rows[:100], rows[100:150], rows[150:], Features())
    assert problems(lambda: made) == {}
    rare = np.random.default_rng(0).random((200, 3))
    rare[100:102] = rare[:2]  # two of fifty
    assert problems(lambda: Dataset(rare[:100], rare[100:150], rare[150:], Features())) == {}


def labelled():
    """Return a data set with everything that one can have."""
    rows = np.random.default_rng(0).random((100, 4))
    anomalous = np.arange(20) >= 10
    truth = anomalous[:, None] & np.eye(4, dtype=bool)[np.arange(20) % 4]
    return Dataset(
        rows[:60],
        rows[60:80],
        rows[80:],
        Features(),
        anomalous,
        truth,
        test_units=np.arange(20) // 2,
        test_kinds=np.where(anomalous, "odd", "normal"),
    )


def changed(change):
    """Return what makes a data set and changes it after it was looked at."""

    def make():
        made = labelled()
        change(made)
        return made

    return make


def parts(**values):
    return changed(lambda made: [setattr(made, name, of(made)) for name, of in values.items()])


def another_time(**values):
    """Return what makes a data set that has other parts at every call."""
    calls = itertools.count()

    def make():
        made = labelled()
        call = next(calls)
        for name, of in values.items():
            setattr(made, name, of(made, call))
        return made

    return make


def not_finite(made):
    made.validation[3, 1] = np.nan


def drawing():
    np.random.seed(0)
    return labelled()


def minus_zero(made):
    """Repeat training rows in the validation split, with another zero."""
    made.train[:, 0], made.validation[:] = 0.0, made.train[:20]
    made.validation[:, 0] = -0.0


SHAPE, SAME = "splits of samples of one shape", "the same when made again"
SHARED, LABELLED = "splits share no rows", "labelled rows in the test alone"
SCALED, TRUTH = "scaled by the training split alone", "a truth where it is labelled"
WRONG = [
    (parts(test=lambda made: made.test[:, :3]), SHAPE, "different shapes: [(3,), (4,)]"),
    (parts(validation=lambda made: made.validation[:0]), SHAPE, "no samples in validation"),
    (changed(not_finite), "finite values", "values in validation are not finite"),
    (parts(test=lambda made: made.test / 0), "finite values", "values in test"),
    (parts(validation=lambda made: made.train[:20]), SHARED, "100% of validation"),
    (parts(test=lambda made: made.train[20:40]), SHARED, "100% of the test's normals"),
    (parts(train=lambda made: np.append(made.train, made.test[:1], 0)), SHARED, "10% of the test"),
    (changed(minus_zero), SHARED, "100% of validation"),
    (parts(train=lambda made: made.test[5:]), LABELLED, "100% of the anomalies"),
    (parts(validation=lambda made: made.test[15:]), LABELLED, "50% of the anomalies"),
    (lambda: scaled_by(load_wine, 0, lambda splits, _: slice(None)), SCALED, "62% of the bounds"),
    (parts(test_labels=lambda made: np.arange(20) >= 13), TRUTH, "3 rows have a true column"),
    (parts(test_labels=lambda made: None), TRUTH, "without labels"),
    (another_time(train=lambda made, call: made.train + call), SAME, "train is another one"),
    (another_time(test=lambda made, call: made.test[call:]), SAME, "test is another one"),
    (another_time(test_labels=lambda made, call: np.arange(20) >= call), SAME, "test_labels"),
    (another_time(test_truth=lambda made, call: [made.test_truth, None][call % 2]), SAME, "truth"),
    (
        another_time(test_truth_kind=lambda made, call: ["cause", "both"][call % 2]),
        SAME,
        "test_truth_kind",
    ),
    (another_time(features=lambda made, call: Features(high=2.0 + call)), SAME, "features"),
    (another_time(test_units=lambda made, call: np.arange(20) + call), SAME, "test_units"),
    (another_time(test_kinds=lambda made, call: np.full(20, f"{call}")), SAME, "test_kinds"),
    (another_time(autoencoder=lambda made, call: f"mlp[epochs={call}]"), SAME, "autoencoder"),
    (drawing, "leaves the random state", "numpy"),
]


def test_the_data_set_that_is_broken_by_hand_is_whole():
    assert problems(labelled) == {}


@pytest.mark.parametrize(("make", "rule", "problem"), WRONG)
def test_what_breaks_it_is_named(make, rule, problem):
    np.random.seed(1)
    with np.errstate(all="ignore"):
        assert problem in problems(make).get(rule, "")


def test_every_rule_is_tried():
    assert {rule for _, rule, _ in WRONG} == set(RULES)
