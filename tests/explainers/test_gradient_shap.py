from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from aexbench import Detector, explainers
from aexbench.explainers.tools.seeding import generators
from tests.explainers.cases import KINKED, NORMAL, X, explain, gradient, linear_autoencoder


def test_gradient_shap_equals_the_slow_twin():
    detector, shape = Detector(KINKED, "l1"), (30, 5)
    expected = torch.zeros_like(X)
    for i, generator in enumerate(generators(X, 3)):
        rows, alphas = generator.integers(60, size=shape[0]), generator.random(shape[0])
        for row, alpha in zip(rows, alphas, strict=True):
            b = torch.as_tensor(NORMAL[row]).double()
            expected[i] += (
                (X[i] - b) * gradient(detector, (b + alpha * (X[i] - b))[None])[0] / shape[0]
            )
    torch.testing.assert_close(explain("gradient-shap", detector, nsamples=30, seed=3), expected)


def test_gradient_shap_is_complete_in_expectation():
    """Over many seeds the mean differs from the closed form by no more than chance, and is complete
    to 1e-2.
    """
    detector, R, c = linear_autoencoder()
    normal = torch.as_tensor(NORMAL).double()
    d, starts = (
        X @ R.T - c,
        normal @ R.T - c,
    )  # integrated gradients from b: (x − b) · Rᵀ(d + d_b)/m
    expected = torch.stack(
        [(X - b) * ((d + start) @ R) / 5 for b, start in zip(normal, starts, strict=True)]
    ).mean(0)
    found = torch.stack(
        [explain("gradient-shap", detector, nsamples=1000, seed=seed) for seed in range(50)]
    )
    chance = found.std(dim=0) / len(found) ** 0.5
    assert float(((found.mean(0) - expected).abs() / chance).max()) < 4.5
    promised = detector.error(X) - detector.error(normal).mean()
    assert float(((found.mean(0).sum(1) - promised).abs() / detector.error(X)).max()) < 1e-2


def test_gradient_shap_reads_a_sample_of_a_large_background(tmp_path: Path):
    rows = np.lib.format.open_memmap(
        tmp_path / "normal.npy", mode="w+", dtype=np.float32, shape=(5000, 5)
    )
    rows[:] = np.random.default_rng(0).random((5000, 5))
    explainer = explainers.create("gradient-shap", Detector(KINKED), background=rows)
    assert explainer.references.shape == (1000, 5)
    assert torch.isfinite(explainer.explain(X)).all()


def test_gradient_shap_draws_its_sample_of_the_background_by_its_seed():
    rows = np.random.default_rng(0).random((1500, 5))
    one, same, other = (
        explainers.create("gradient-shap", Detector(KINKED), background=rows, seed=seed).references
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
