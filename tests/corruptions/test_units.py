"""One network, its data in other units: every corruption makes the same anomalies."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aexbench import Detector, Features, SkipError, corruptions
from tests.conftest import mlp
from tests.corruptions.series import SERIES
from tests.explainers.in_units import UNITS, detector_in_units, in_units

NET = mlp((6, 5, 3, 5, 6), ("tanh", "tanh", "tanh", "sigmoid"), seed=3)
ROWS = np.random.default_rng(1).random((200, 6))
NAMES = [
    *(name for name in corruptions.names() if name not in SERIES),
    "adversarial[bounded=true]",
    "adversarial[epsilon=0.2,steps=30]",
    "group[choice=correlated,size=2]",
]
GROUPED = {
    "groups": (0, 0, 0, 1, 2, 2),
    "kinds": ("onehot", "columns", "embedding"),
}


def rows(grouped):
    made = ROWS.copy()
    if grouped:
        made[:, :3] = np.eye(3)[np.arange(200) % 3]
        made[:, 4:] = ROWS[np.arange(200) % 4, 4:]
    return made


@pytest.mark.parametrize("threshold", [0.1, "strict"])
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_anomalies_are_the_same_in_any_unit(name, grouped, threshold):
    def drawn(factor, shift):
        described = GROUPED if grouped else {}
        detector = detector_in_units(NET, factor, shift, **described)
        clean = in_units(rows(grouped), factor, shift)
        given = {"size": 2} if name == "group" else {}
        made = corruptions.create(name, max_draws=400, **given)
        return made.generate(detector.calibrate(clean), clean, count=8, threshold=threshold)

    plain = drawn(1.0, 0.0)
    for factor, shift in UNITS:
        found = drawn(factor, shift)
        np.testing.assert_array_equal(found.unit, plain.unit)
        np.testing.assert_array_equal(found.truth, plain.truth)
        np.testing.assert_allclose(found.x / factor - shift, plain.x, atol=1e-9)
        np.testing.assert_allclose(found.score, plain.score, atol=1e-7)


def test_null_is_the_least_regular_value_of_each_column():
    low = (-1.0, 0.0, 2.0, 0.5, -3.0, 0.0)
    detector = detector_in_units(NET, 1.0, 0.0)
    detector.features = Features(low=low, high=4.0)
    made = corruptions.create("null").generate(
        detector.calibrate(ROWS), ROWS, count=20, threshold=0.0
    )
    expected = np.broadcast_to(low, made.x.shape)
    np.testing.assert_array_equal(made.x[made.truth], expected[made.truth])


def test_a_detector_without_a_gradient_is_not_attacked():
    class Cut(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = NET

        def forward(self, x):
            return self.net(x.detach())

    class Numpy(torch.nn.Module):
        def forward(self, x):
            return torch.as_tensor(np.tanh(np.asarray(x)))

    for model, reason in ((Cut(), "hang on x"), (Numpy(), "refuses gradients")):
        detector = Detector(model).calibrate(ROWS)
        with pytest.raises(SkipError, match=reason):
            corruptions.create("adversarial").generate(detector, ROWS, count=5)
