from __future__ import annotations

import numpy as np
import torch

from aexbench import Detector, baselines
from tests.conftest import mlp

NORMAL = np.random.default_rng(0).random((50, 4)).astype(np.float32)
X = torch.rand(6, 4, dtype=torch.float64)
DETECTOR = Detector(mlp((4, 2, 4), ("tanh", "sigmoid")))


def test_each_baseline_is_what_its_name_says():
    found = {name: baselines.baseline(name, DETECTOR, NORMAL)(X) for name in baselines.BaselineName.__args__}
    torch.testing.assert_close(found["mean"], torch.as_tensor(NORMAL.mean(0, dtype=np.float64)).expand(6, 4))
    assert not found["zeros"].any()
    torch.testing.assert_close(found["reconstruction"], DETECTOR.model(X).detach())
    expected = [
        min(NORMAL.tolist(), key=lambda row: sum((a - b) ** 2 for a, b in zip(row, x, strict=True))) for x in X.tolist()
    ]
    torch.testing.assert_close(found["nearest"], torch.tensor(expected, dtype=torch.float64))
    assert all(value.shape == X.shape and value.dtype == X.dtype for value in found.values())


def test_the_nearest_sample_does_not_depend_on_blocks(monkeypatch):
    whole = baselines.nearest(X, NORMAL)
    monkeypatch.setattr(baselines, "BLOCK", 7)
    assert torch.equal(baselines.nearest(X, NORMAL), whole)


def test_a_sample_of_the_background_is_seeded_and_without_repetition():
    found = baselines.sample(NORMAL, 20, seed=3)
    assert len(np.unique(found, axis=0)) == 20
    assert np.array_equal(found, baselines.sample(NORMAL, 20, seed=3))
    assert not np.array_equal(found, baselines.sample(NORMAL, 20, seed=4))
    assert np.array_equal(baselines.sample(NORMAL, 99), NORMAL)
