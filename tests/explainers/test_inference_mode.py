"""Whatever is made and asked inside `torch.inference_mode()` answers as outside of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aexbench import Detector, SkipError, corruptions, explainers
from tests.conftest import mlp
from tests.corruptions.series import SERIES
from tests.explainers.test_conformance import COSTLY

ROWS = np.random.default_rng(0).random((40, 6)).astype(np.float32)
WINDOWS = np.random.default_rng(0).random((40, 16, 6)).astype(np.float32)
X = np.random.default_rng(1).random((3, 6)).astype(np.float32)


NETWORKS = {
    dtype: mlp((6, 4, 6), ("relu", "sigmoid"), seed=2).to(dtype)
    for dtype in (torch.float32, torch.float64)
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", explainers.names())
def test_an_explainer_made_inside(name, dtype):
    def explained():
        x = torch.as_tensor(X).to(dtype) * 1
        made = explainers.create(
            name, Detector(NETWORKS[dtype]), background=ROWS, **COSTLY.get(name, {})
        )
        return made.explain(x)

    try:
        expected = explained()
    except SkipError as error:
        pytest.skip(str(error))
    with torch.inference_mode():
        torch.testing.assert_close(explained(), expected)


class WithBuffer(torch.nn.Linear):
    def __init__(self):
        super().__init__(6, 6)
        self.register_buffer("shift", torch.linspace(0, 0.1, 6))

    def forward(self, x):
        return torch.sigmoid(super().forward(x)) + self.shift


@pytest.mark.parametrize("name", ["lrp", "integrated-gradients", "counterfactual", "kernelshap"])
def test_a_network_made_inside(name):
    def explained():
        torch.manual_seed(0)
        detector = Detector(WithBuffer())
        made = explainers.create(name, detector, background=ROWS, **COSTLY.get(name, {}))
        return made.explain(torch.as_tensor(X))

    expected = explained()
    with torch.inference_mode():
        torch.testing.assert_close(explained(), expected)
        made_inside = WithBuffer()
    detector = Detector(made_inside)
    assert not detector.model.shift.is_inference()
    assert detector.error_gradient(X).abs().sum() > 0


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", [*corruptions.names(), "adversarial[bounded=true,epsilon=0.2]"])
def test_a_corruption_made_inside(name, dtype):
    rows = WINDOWS if name in SERIES else ROWS

    def generated():
        detector = Detector(NETWORKS[dtype]).calibrate(rows)
        return corruptions.create(name).generate(detector, rows, count=4, threshold=0.01)

    expected = generated()
    with torch.inference_mode():
        found = generated()
    np.testing.assert_array_equal(found.x, expected.x)
    np.testing.assert_array_equal(found.truth, expected.truth)
