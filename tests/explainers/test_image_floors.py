from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

from aexbench import Detector, Features, SkipError, explainers
from aexbench.running.planning import from_values, plan

RNG = np.random.default_rng(0)
NORMAL = (0.5 + 0.1 * RNG.random((40, 2, 32, 24))).astype(np.float32)


def detector(high: float = 1.0) -> Detector:
    return Detector(nn.Identity(), "l2", Features(high=high))


def test_blurred_deviation_is_its_formula():
    x = RNG.random((3, 2, 32, 24))
    found = explainers.create("blurred-deviation", detector(2.0), background=NORMAL).explain(
        torch.as_tensor(x)
    )
    normal = NORMAL.astype(np.float64)
    z = np.abs(x - normal.mean(axis=0)) / (normal.std(axis=0) + 0.02 * 2.0)
    expected = np.stack(
        [[gaussian_filter(channel, 1.0, mode="reflect") for channel in image] for image in z]
    )
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4)


def test_centre_is_highest_in_the_middle_and_looks_at_nothing():
    x = torch.rand(2, 1, 33, 21)
    found = explainers.create("centre", detector()).explain(x)
    assert torch.equal(found, explainers.create("centre", detector()).explain(1 - x))
    assert divmod(int(found[0, 0].argmax()), 21) == (16, 10)
    assert float(found[0, 0, 0, 10] / found[0, 0, 16, 10]) == pytest.approx(
        np.exp(-0.5 * (16 / (33 / 4)) ** 2)
    )
    torch.testing.assert_close(found, found.flip(2).flip(3))


@pytest.mark.parametrize("name", ["centre", "blurred-deviation"])
def test_tables_are_none_of_their_business(name):
    with pytest.raises(SkipError, match="floor for images"):
        explainers.create(name, detector(), background=np.zeros((5, 4))).explain(torch.zeros(2, 4))


def test_boards_of_images_have_them_and_boards_of_tables_do_not():
    values = {
        "name": "x",
        "datasets": ["wine", "defects"],
        "corruptions": ["labels"],
        "explainers": ["residual"],
    }
    cells = plan(from_values(values, "x"))
    by_data = {
        name: {c.explainer.name for c in cells if c.dataset.name == name}
        for name in ("wine", "defects")
    }
    assert by_data["defects"] - by_data["wine"] == {"centre", "blurred-deviation"}
    assert {"deviation", "random", "feature-prior", "oracle"} <= by_data["wine"]
