from __future__ import annotations

import pytest
import torch
from captum import attr

from aexbench import Detector
from tests.explainers.cases import KINKED, SMOOTH, X, explain, gradient


@pytest.mark.parametrize("loss", ["l1", "l2"])
@pytest.mark.parametrize("model", [KINKED, SMOOTH])
def test_saliency_is_its_formula_and_captums(model, loss):
    detector = Detector(model, loss)
    expected = gradient(detector, X)
    torch.testing.assert_close(explain("saliency", Detector(model), loss=loss), expected.abs())
    captum_x = X.clone().requires_grad_()
    torch.testing.assert_close(
        explain("saliency", detector), attr.Saliency(detector.error).attribute(captum_x)
    )
