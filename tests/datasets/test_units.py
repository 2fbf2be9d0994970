"""What data sets say of their units: a row of the source, read by its number and scaled, is the
split's row.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from aexbench import Dataset, datasets
from aexbench.datasets.tools.columns import Column, dataset_of
from aexbench.datasets.tools.splits import split

SPLITS = ("train", "validation", "test")


def check(data: Dataset, source: np.ndarray) -> None:
    """Fail unless every row of a split is the source's of its number, and comes back."""
    for name in SPLITS:
        rows, values = getattr(data, name), source[data.numbers(name)]
        assert len(rows)
        assert np.array_equal(data.transform(values), rows)
        offset = np.asarray(data.scale.offset)
        kept = 2.0**-24 * np.abs(values - offset) + 1e-15 * np.abs(values)
        assert (np.abs(data.inverse(rows) - values) <= 1.001 * kept).all()


@pytest.mark.parametrize(
    ("name", "load"),
    [("wine", load_wine), ("breast-cancer", load_breast_cancer), ("digits", load_digits)],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_rows_of_scikit_learn_are_found_and_come_back(name, load, seed):
    data = datasets.create(name, seed=seed)
    check(data, load().data)
    every = np.concatenate([data.numbers(part) for part in SPLITS])
    assert sorted(every.tolist()) == list(range(len(load().data)))


def test_what_is_constant_in_training_comes_back_but_for_rounding():
    source = np.random.default_rng(0).random((40, 3)) * 100
    source[:, 1] = 0.3
    source[::2, 1] = 0.1 + 0.2
    source[-5:, 1] = 7.5
    data = split(source, list("abc"), np.arange(40) >= 35)
    for name in SPLITS:
        values = source[data.numbers(name)]
        assert np.array_equal(data.transform(values), getattr(data, name))
        assert np.allclose(data.inverse(getattr(data, name)), values, rtol=1e-7, atol=1e-5)
    assert set(data.test[:, 1].tolist()) == {0.0, 1.0}


def columns() -> list[Column]:
    rng = np.random.default_rng(3)
    texts = np.array(["tcp", "udp"])[rng.integers(2, size=60)]
    return [Column("size", rng.random(60) * 1e6), Column("kind", texts)]


def test_columns_of_texts_and_numbers_come_back():
    kinds = np.where(np.arange(60) < 50, "normal", "attack")
    data = dataset_of(columns(), kinds, "normal", autoencoder="mlp", seed=1)
    size, texts = columns()
    flags = [texts.values == text for text in ("tcp", "udp", "(other)")]
    check(data, np.column_stack([size.values, *flags]))
    assert data.features.group_names((4,)) == ("size", "kind")


def test_logarithms_have_no_scale():
    kinds = np.where(np.arange(60) < 50, "normal", "attack")
    data = dataset_of(columns(), kinds, "normal", "size", autoencoder="mlp", seed=1)
    assert np.array_equal(data.inverse(data.test), data.test)
    assert sorted(data.numbers().tolist())[-10:] == list(range(50, 60))
