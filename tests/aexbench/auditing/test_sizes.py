"""How many features an alarm is about, on linear autoencoders with known weights."""

from __future__ import annotations

import numpy as np
import pytest

from aexbench import Detector, Features
from aexbench.auditing import sizes
from aexbench.auditing.sizes import features_to_silence, typical_sizes

from .conftest import low_rank, projection


@pytest.fixture(scope="module")
def many() -> np.ndarray:
    """Rows of 12 columns that vary in two directions."""
    return low_rank(np.random.default_rng(2), 900, 12, 2, noise=0.02)


@pytest.fixture(scope="module")
def known(many) -> Detector:
    return projection(many[:450], 2).calibrate(many[450:])


def broken(rows: np.ndarray, count: int, seed: int = 0, by: float = 3.0) -> np.ndarray:
    """Return rows with so many columns far from where the others say they are."""
    rng = np.random.default_rng(seed)
    made = rows.copy()
    for row in made:
        places = rng.choice(rows.shape[1], count, replace=False)
        row[places] += by * rng.choice([-1, 1], count)
    return made


def test_constants():
    assert (sizes.MOST, sizes.STEPS, sizes.QUANTILES) == (200, 30, (0.25, 0.5, 0.75))


@pytest.mark.parametrize("count", [1, 2, 4])
def test_as_many_as_are_broken(many, known, count):
    alarms = broken(many[:40], count)
    found = features_to_silence(known, alarms, many[:450].mean(axis=0))
    assert np.median(found) == count
    assert (found >= count).mean() > 0.9  # fewer do not silence it
    assert typical_sizes(known, alarms, many[:450].mean(axis=0))[0] == count


@pytest.mark.parametrize("seed", range(3))
def test_never_more_than_half_of_the_features(many, known, seed):
    noise = np.random.default_rng(seed).normal(size=(30, 12)).astype(np.float32) * 9
    found = features_to_silence(known, noise, many.mean(axis=0))
    assert found.min() >= 1
    assert found.max() == 6


def test_what_raises_no_alarm_needs_one_at_most(many, known):
    assert features_to_silence(known, many[450:460] * 0, many.mean(axis=0)).max() == 1


def test_a_group_of_columns_is_one_feature(many, known):
    pairs = Detector(known.model, features=Features(groups=tuple(n // 2 for n in range(12))))
    pairs.calibrate(many[450:])
    alarms = many[:30].copy()
    alarms[:, [2, 3]] += np.array([3.0, -3.0], dtype=np.float32)
    found = features_to_silence(pairs, alarms, many.mean(axis=0))
    assert np.median(features_to_silence(known, alarms, many.mean(axis=0))) == 2
    assert np.median(found) == 1
    noise = np.random.default_rng(0).normal(size=(20, 12)) * 9
    assert features_to_silence(pairs, noise, many.mean(axis=0)).max() == 3


def slow(detector, x, mean) -> int:
    """From the definition: take the feature of the greatest error, let the network say what it
    expects there, until the alarm falls silent.
    """
    layers = [p.detach().double().numpy() for p in detector.model.parameters()]

    def reconstruct(row):
        return layers[2] @ (layers[0] @ row + layers[1]) + layers[3]

    taken, row = [], x.astype(np.float64)
    for count in range(1, len(x) // 2 + 1):
        shares = (row - reconstruct(row)) ** 2
        shares[taken] = -1
        taken.append(int(shares.argmax()))
        row = x.astype(np.float64)
        row[taken] = mean[taken]
        for _ in range(30):
            row[taken] = reconstruct(row)[taken]
        if ((row - reconstruct(row)) ** 2).mean() <= detector.scale.normal_95:
            return count
    return len(x) // 2


def test_as_the_slow_twin(many, known):
    mean = many[:450].mean(axis=0)
    alarms = np.concatenate([broken(many[:10], count, count, by=0.6) for count in (1, 2, 3, 5)])
    found = features_to_silence(known, alarms, mean)
    assert found.tolist() == [slow(known, row, mean) for row in alarms]
    assert len(set(found.tolist())) > 3


def test_typical_sizes_are_quartiles_each_once(monkeypatch):
    counts = np.array([1, 1, 1, 2, 2, 2, 4, 4, 7])
    monkeypatch.setattr(sizes, "features_to_silence", lambda *given: counts)
    assert typical_sizes(None, np.zeros((9, 2)), np.zeros(2)) == [1, 2, 4]
    monkeypatch.setattr(sizes, "features_to_silence", lambda *given: counts * 0 + 1)
    assert typical_sizes(None, np.zeros((9, 2)), np.zeros(2)) == [1]


def test_of_many_alarms_two_hundred_are_looked_at(many, known, monkeypatch):
    seen = []

    def look(detector, alarms, mean):
        seen.append(len(alarms))
        return np.ones(len(alarms), dtype=int)

    monkeypatch.setattr(sizes, "features_to_silence", look)
    typical_sizes(known, many, many.mean(axis=0))
    assert seen == [200]
