"""Detectors with known weights on rows of low rank, and a suite of a few explainers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import aexbench
from aexbench import Dataset, Detector, Features
from aexbench.auditing import auditing

SUITE = """
name = "small"
datasets = ["wine"]
corruptions = [
    "group[size=log-uniform,choice=half,donor=alarm,threshold=alarms]",
    "group[size=2,donor=normal,threshold=alarm]",
    "random[threshold=alarm]",
]
explainers = ["residual", "residual[form=standardised]", "repair"]
metrics = ["recall[top=truth]", "average-precision"]
twins = 1
"""


def linear(weight: np.ndarray, bias: np.ndarray | float = 0.0) -> torch.nn.Linear:
    """Return x̂ = W x + b."""
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(np.ascontiguousarray(weight)))
        layer.bias.copy_(torch.as_tensor(np.broadcast_to(bias, len(weight)).copy()))
    return layer


def projection(x: np.ndarray, rank: int) -> Detector:
    """Return the linear autoencoder of the first directions of rows: what training converges to."""
    mean = x.mean(axis=0)
    v = np.linalg.svd(x - mean, full_matrices=False)[2][:rank]
    return Detector(torch.nn.Sequential(linear(v, -v @ mean), linear(v.T, mean)).eval())


def low_rank(
    rng: np.random.Generator, count: int = 1000, columns: int = 10, rank: int = 3, noise=0.05
) -> np.ndarray:
    """Return rows (count, columns) that vary in a few directions, and a little in all."""
    directions = np.random.default_rng(5).normal(size=(rank, columns))
    rows = rng.normal(size=(count, rank)) @ directions * 0.3
    return (rows + noise * rng.normal(size=rows.shape)).astype(np.float32)


def split(rows: np.ndarray, labels=None, truth=None, units=None, **options) -> Dataset:
    """Return rows as a data set: 45 % training, 15 % validation, 40 % test, in their order.

    Labels, truth and units are those of the test rows.
    """
    first, second = int(0.45 * len(rows)), int(0.6 * len(rows))
    features = options.pop("features", None) or within(rows)
    return Dataset(
        rows[:first],
        rows[first:second],
        rows[second:],
        features,
        labels,
        truth,
        test_units=units,
        **options,
    )


def within(rows: np.ndarray) -> Features:
    """Return names f0, f1, … and the bounds of rows."""
    low, high = rows.min(axis=0).tolist(), rows.max(axis=0).tolist()
    return Features(tuple(f"f{n}" for n in range(rows.shape[1])), tuple(low), tuple(high))


@pytest.fixture(scope="session")
def rows() -> np.ndarray:
    return low_rank(np.random.default_rng(0))


@pytest.fixture(scope="session")
def sound(rows: np.ndarray) -> Detector:
    """The linear autoencoder of the training rows."""
    return projection(rows[:450], 3)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let audits try a few explainers on three kinds."""
    return use_suite(tmp_path, monkeypatch)


def use_suite(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str = SUITE) -> Path:
    path = folder / "small.toml"
    path.write_text(text)
    monkeypatch.setattr(auditing, "SUITE", str(path))
    return path


def with_incidents(rows: np.ndarray, count: int = 24, by: float = 0.4, seed: int = 3) -> Dataset:
    """Return a data set whose test holds so many labelled rows, one to three features of each
    moved.
    """
    rng = np.random.default_rng(seed)
    truth = np.zeros((len(rows) - int(0.6 * len(rows)), rows.shape[1]), dtype=bool)
    for row in rng.choice(len(truth), count, replace=False):
        truth[row, rng.choice(rows.shape[1], rng.integers(1, 4), replace=False)] = True
    moved = rows.copy()
    moved[-len(truth) :] += truth * by * rng.choice([-1, 1], truth.shape)
    return split(moved, truth.any(axis=1), truth, features=within(rows))


def audited(detector: Detector, data, store: Path, text: str = SUITE, **options):
    """Return the audit of a detector by a suite that is given as text."""
    with pytest.MonkeyPatch.context() as patch:
        use_suite(store.parent, patch, text)
        return aexbench.audit(detector, data, store=store, quiet=True, **options)


@pytest.fixture(scope="session")
def labelled(rows: np.ndarray) -> Dataset:
    return with_incidents(rows)


@pytest.fixture(scope="session")
def done(sound: Detector, labelled: Dataset, tmp_path_factory: pytest.TempPathFactory):
    """An audit by the small suite, and the store that it has filled."""
    store = tmp_path_factory.mktemp("audit") / "store"
    return audited(sound, labelled, store, budget=60), store
