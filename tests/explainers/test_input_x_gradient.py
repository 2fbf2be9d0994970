from __future__ import annotations

import pytest
import torch
from captum import attr

from aexbench import Detector
from tests.explainers.cases import KINKED, SMOOTH, X, explain, gradient


@pytest.mark.parametrize("loss", ["l1", "l2"])
@pytest.mark.parametrize("model", [KINKED, SMOOTH])
def test_input_x_gradient_is_its_formula_and_captums(model, loss):
    detector = Detector(model, loss)
    expected = gradient(detector, X)
    torch.testing.assert_close(
        explain("input-x-gradient", Detector(model), loss=loss), X * expected
    )
    captum_x = X.clone().requires_grad_()
    by_captum = attr.InputXGradient(detector.error).attribute(captum_x).detach()
    torch.testing.assert_close(explain("input-x-gradient", detector), by_captum)
