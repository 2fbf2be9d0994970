from __future__ import annotations

import numpy as np
import pytest
import torch

from aexbench import Detector, Features
from aexbench.explainers.tools.seeding import generators
from tests.explainers.cases import KINKED, X, explain, gradient


@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_smoothgrad_equals_the_slow_twin(loss):
    low, high = (-1.0, 0.0, 0.0, 0.0, 0.0), (1.0, 1.0, 2.0, 5.0, 1.0)
    detector = Detector(KINKED, loss, Features(low=low, high=high))
    expected = []
    for row, generator in zip(X, generators(X, 7, detector.features), strict=True):
        total = torch.zeros(5, dtype=torch.float64)
        for noise in generator.standard_normal((20, 5), dtype=np.float32):
            noisy = (
                row
                + 0.2
                * (torch.tensor(high) - torch.tensor(low)).double()
                * torch.as_tensor(noise).double()
            )
            total += gradient(detector, noisy[None])[0] / 20
        expected.append(total.abs())
    torch.testing.assert_close(
        explain("smoothgrad", detector, nsamples=20, noise=0.2, seed=7), torch.stack(expected)
    )


def test_smoothgrad_without_noise_is_the_saliency_and_noise_depends_on_content_and_seed():
    detector = Detector(KINKED)
    torch.testing.assert_close(
        explain("smoothgrad", detector, noise=0.0), explain("saliency", detector)
    )
    assert not torch.allclose(
        explain("smoothgrad", detector), explain("smoothgrad", detector, seed=1)
    )
    first, twin, other = (
        generator.random(5) for generator in generators(torch.stack([X[0], X[0], X[0] + 1e-6]), 0)
    )
    np.testing.assert_array_equal(first, twin)
    assert not np.any(first == other)
