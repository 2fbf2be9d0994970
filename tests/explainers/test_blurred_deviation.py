from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

from aexbench import Detector, Features, explainers

RNG = np.random.default_rng(0)
NORMAL = (0.5 + 0.1 * RNG.random((40, 2, 32, 24))).astype(np.float32)


def test_blurred_deviation_is_its_formula():
    x = RNG.random((3, 2, 32, 24))
    found = explainers.create(
        "blurred-deviation", Detector(nn.Identity(), "l2", Features(high=2.0)), background=NORMAL
    ).explain(torch.as_tensor(x))
    normal = NORMAL.astype(np.float64)
    z = np.abs(x - normal.mean(axis=0)) / (normal.std(axis=0) + 0.02 * 2.0)
    expected = np.stack(
        [[gaussian_filter(channel, 1.0, mode="reflect") for channel in image] for image in z]
    )
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4)
