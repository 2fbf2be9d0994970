from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch

from aexbench import Detector, Features, RequestError
from aexbench.explainers.tools import baselines
from aexbench.rows import most, sample
from tests.conftest import mlp
from tests.explainers.memory import Peak

NORMAL = np.random.default_rng(0).random((50, 4)).astype(np.float32)
X = torch.rand(6, 4, dtype=torch.float64)
DETECTOR = Detector(mlp((4, 2, 4), ("tanh", "sigmoid")))


def test_each_baseline_is_what_its_name_says():
    found = {
        name: baselines.baseline(name, DETECTOR, NORMAL)(X)
        for name in baselines.BaselineName.__args__
    }
    torch.testing.assert_close(
        found["mean"], torch.as_tensor(NORMAL.mean(0, dtype=np.float64)).expand(6, 4)
    )
    assert not found["zeros"].any()
    torch.testing.assert_close(found["reconstruction"], DETECTOR.model(X).detach())
    expected = [
        min(NORMAL.tolist(), key=lambda row: sum((a - b) ** 2 for a, b in zip(row, x, strict=True)))
        for x in X.tolist()
    ]
    torch.testing.assert_close(found["nearest"], torch.tensor(expected, dtype=torch.float64))
    assert all(value.shape == X.shape and value.dtype == X.dtype for value in found.values())


def test_the_nearest_sample_does_not_depend_on_blocks(monkeypatch):
    whole = baselines.nearest(X, NORMAL)
    monkeypatch.setattr(baselines, "NEAREST_VALUES", 7 * 4)
    assert torch.equal(baselines.nearest(X, NORMAL), whole)


def test_the_nearest_of_wide_samples_takes_no_more_memory(monkeypatch):
    monkeypatch.setattr(baselines, "NEAREST_VALUES", 2**12)
    wide = np.random.default_rng(0).random((400, 1024))
    x = torch.as_tensor(wide[::40] + 1e-3)
    with Peak() as memory:
        assert torch.equal(baselines.nearest(x, wide), torch.as_tensor(wide[::40]))
    assert memory.most < 4 * (8 * 2**12) + 4 * x.nbytes


def test_the_nearest_is_found_far_from_zero():
    rng = np.random.default_rng(0)
    normal = np.c_[1e8 + 3 * rng.random(500), 3 * rng.random(500)]
    x = np.c_[1e8 + 3 * rng.random(50), 3 * rng.random(50)]
    expected = [min(normal.tolist(), key=lambda row: math.dist(row, one)) for one in x.tolist()]
    assert baselines.nearest(torch.as_tensor(x), normal).tolist() == expected


def test_what_is_kept_of_wide_samples_is_bounded():
    wide = np.broadcast_to(np.float32(0), (10_000, 3, 1024, 1024))
    kept = most(wide, 5000)
    assert kept >= 1
    assert kept * wide[0].nbytes <= 2**27  # 128 MiB
    assert most(wide[:, :, :1, :1], 5000) == 5000


@pytest.mark.parametrize(
    ("background", "problem"),
    [
        (np.zeros((0, 4)), "one at least"),
        (np.zeros(4), "one at least"),
        ([["a", "b", "c", "d"]], "one at least"),
        (np.zeros((3, 5)), r"background \(3, 5\) does not fit"),
        (np.zeros((3, 1)), r"background \(3, 1\) does not fit"),
    ],
)
def test_a_background_that_does_not_fit_is_named(background, problem):
    with pytest.raises(RequestError, match=problem):
        baselines.normal_rows(DETECTOR, background)
    with pytest.raises(RequestError, match="describes 3 columns"):
        baselines.normal_rows(
            Detector(torch.nn.Identity(), features=Features(names=("a", "b", "c"))), NORMAL
        )


def test_default_rows_are_the_papers():
    table, images = np.zeros((900, 4)), np.zeros((9, 1, 2, 2))
    assert len(baselines.representatives(DETECTOR, table)) == 755  # Sec. 4.1
    assert len(baselines.representatives(Detector(torch.nn.Identity()), images)) == 5


def test_a_sample_of_the_background_is_seeded_and_without_repetition():
    found = sample(NORMAL, 20, seed=3)
    assert len(np.unique(found, axis=0)) == 20
    assert np.array_equal(found, sample(NORMAL, 20, seed=3))
    assert not np.array_equal(found, sample(NORMAL, 20, seed=4))
    assert np.array_equal(sample(NORMAL, 99), NORMAL)


def test_a_sample_of_a_file_that_cannot_be_written_is_a_copy(tmp_path):
    np.save(tmp_path / "normal.npy", NORMAL)
    rows = np.load(tmp_path / "normal.npy", mmap_mode="r")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.as_tensor(sample(rows, 99))
        torch.as_tensor(sample(rows, 9))
        baselines.nearest(X, rows)
