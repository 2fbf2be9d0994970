"""Artificial data: the dependencies hold, one feature breaks them, and a perfect autoencoder sees
no more than that.
"""

from __future__ import annotations

import time
from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from aexbench import Dataset, RequestError, datasets
from aexbench.datasets import perfect as perfect_autoencoder

SHAPES = [("ring", 6), ("ring", 12), ("pairs", 6), ("pairs", 9)]


def broken(made: Dataset, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return for each mean by how much each row misses it, from the features' names alone."""
    column = dict(zip(made.features.names, rows.T.astype(np.float64), strict=True))
    parts = {name: name.removeprefix("feature-").split("-") for name in column}
    return {
        name: column[name] - (column[f"feature-{two[0]}"] + column[f"feature-{two[1]}"]) / 2
        for name, two in parts.items()
        if len(two) == 2
    }


def perfect(made: Dataset) -> np.ndarray:
    """Return what takes a row to its residual under the linear autoencoder that reconstructs normal
    rows perfectly.
    """
    _, sizes, directions = np.linalg.svd(made.train.astype(np.float64), full_matrices=False)
    kept = directions[sizes > 1e-4 * sizes[0]]
    return np.eye(made.train.shape[1]) - kept.T @ kept


@pytest.fixture(params=SHAPES, ids=lambda shape: f"{shape[0]}-{shape[1]}")
def made(request) -> Dataset:
    dependencies, features = request.param
    return datasets.create(
        "perfect-autoencoder", rows=600, dependencies=dependencies, features=features
    )


def test_dependencies_hold_exactly_where_a_row_is_normal(made):
    for split in (made.train, made.validation, made.normal):
        assert (split >= 0).all()
        assert (split <= 1).all()
        assert max(np.abs(miss).max() for miss in broken(made, split).values()) < 1e-7
    assert (len(made.train), len(made.validation), len(made.normal), made.test_labels.sum()) == (
        360,
        120,
        120,
        120,
    )


def test_an_anomaly_breaks_the_dependencies_of_its_truth_and_no_others(made):
    anomalous, truth = made.test[made.test_labels], made.test_truth[made.test_labels]
    names = made.features.names
    misses = {name: np.abs(miss) > 1e-6 for name, miss in broken(made, anomalous).items()}
    for row in range(len(anomalous)):
        numbers = {name.removeprefix("feature-") for name in np.array(names)[truth[row]]}
        for name, missed in misses.items():
            own = name.removeprefix("feature-")
            assert missed[row] == (own in numbers or bool(set(own.split("-")) & numbers)), (
                row,
                name,
            )
    assert not made.test_truth[~made.test_labels].any()


def test_every_change_is_large_and_stays_among_the_usual_values(made):
    anomalous = made.test[made.test_labels]
    least = np.max([np.abs(miss) for miss in broken(made, anomalous).values()], axis=0)
    assert least.min() >= 0.1 / 2 - 1e-6  # an independent feature counts half in its means
    assert (anomalous >= 0).all()
    assert (anomalous <= 1).all()
    assert set(made.test_kinds[made.test_labels]) <= {"independent", "mean"}


def test_in_a_ring_one_feature_alone_can_be_the_changed_one():
    made = datasets.create("perfect-autoencoder", rows=600)
    residual, anomalous = perfect(made), made.test[made.test_labels].astype(np.float64)
    rest = np.stack(
        [np.abs(repaired(residual, anomalous, [i])).max(axis=1) for i in range(12)], axis=1
    )
    assert ((rest < 1e-6) == made.test_truth[made.test_labels]).all()
    for pair in combinations(range(12), 2):  # two normal rows never differ in two features only
        assert np.linalg.matrix_rank(residual[:, pair], tol=1e-9) == 2


def test_in_pairs_each_of_three_features_may_be_the_changed_one():
    made = datasets.create("perfect-autoencoder", rows=600, dependencies="pairs")
    residual, anomalous = perfect(made), made.test[made.test_labels].astype(np.float64)
    rest = np.stack(
        [np.abs(repaired(residual, anomalous, [i])).max(axis=1) for i in range(12)], axis=1
    )
    assert ((rest < 1e-6) == made.test_truth[made.test_labels]).all()
    assert (made.test_truth[made.test_labels].sum(axis=1) == 3).all()


def repaired(residual: np.ndarray, rows: np.ndarray, features: list[int]) -> np.ndarray:
    """Return the residuals that are left when these features may take any value."""
    missing, columns = rows @ residual, residual[:, features]
    return missing - missing @ columns @ np.linalg.pinv(columns)


def test_no_single_feature_gives_an_anomaly_away():
    made = datasets.create("perfect-autoencoder", rows=4000)
    spread = np.abs(made.test - made.train.mean(axis=0)) / made.train.std(axis=0)
    assert abs(roc_auc_score(made.test_labels, spread.max(axis=1)) - 0.5) < 0.06
    hit = made.test_truth[made.test_labels][
        np.arange(made.test_labels.sum()), spread[made.test_labels].argmax(axis=1)
    ]
    assert hit.mean() < 0.25  # chance is .08; the oracle finds 1


def test_noise_is_as_large_as_asked_for():
    made = datasets.create("perfect-autoencoder", rows=2000, noise=0.05)
    misses = np.concatenate(list(broken(made, made.normal).values()))
    assert misses.std() == pytest.approx(0.05 * np.sqrt(1.5), rel=0.05)


def test_same_seed_same_rows_another_seed_others():
    one, same, other = (
        datasets.create("perfect-autoencoder", rows=60, seed=seed) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one.test, same.test)
    assert not np.array_equal(one.test, other.test)


@pytest.mark.parametrize(("dependencies", "features"), [("ring", 4), ("ring", 7), ("pairs", 8)])
def test_features_that_cannot_be_are_refused(dependencies, features):
    with pytest.raises(RequestError, match=f"features={features} must be"):
        datasets.create("perfect-autoencoder", dependencies=dependencies, features=features)


def test_the_default_network_detects_the_anomalies_after_seconds():
    made = datasets.create("perfect-autoencoder")
    start = time.process_time()
    detector = made.detector(autoencoder="default[epochs=30]")
    assert time.process_time() - start < 15
    assert roc_auc_score(made.test_labels, detector.error(made.test)) > 0.9


@pytest.mark.parametrize("seed", [7352, 23636, 28789])
def test_values_that_are_all_near_to_the_right_one_are_drawn_again(seed):
    made = datasets.create("perfect-autoencoder", rows=50, features=6, seed=seed)
    anomalous = made.test[made.test_labels]
    least = np.max([np.abs(miss) for miss in broken(made, anomalous).values()], axis=0)
    assert least.min() >= 0.1 / 2 - 1e-6


def test_without_a_value_that_is_far_enough_it_ends():
    with pytest.raises(RequestError, match="take another seed"):
        perfect_autoencoder._change(
            np.full((5, 2), 0.5),
            np.zeros(5, dtype=int),
            lambda count: np.full((count, 2), 0.55),
            np.random.default_rng(0),
        )
