from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from aexbench import Detector, explainers


def test_centre_is_highest_in_the_middle_and_looks_at_nothing():
    x, detector = torch.rand(2, 1, 33, 21), Detector(nn.Identity())
    found = explainers.create("centre", detector).explain(x)
    assert torch.equal(found, explainers.create("centre", detector).explain(1 - x))
    assert divmod(int(found[0, 0].argmax()), 21) == (16, 10)
    assert float(found[0, 0, 0, 10] / found[0, 0, 16, 10]) == pytest.approx(
        np.exp(-0.5 * (16 / (33 / 4)) ** 2)
    )
    torch.testing.assert_close(found, found.flip(2).flip(3))
