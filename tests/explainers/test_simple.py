from __future__ import annotations

import numpy as np
import pytest
import torch

from aexbench import Detector, explainers
from tests.conftest import mlp

MODEL = mlp((4, 2, 4), ("relu", "sigmoid"))
X = torch.rand(200, 4, dtype=torch.float64)


def test_random_has_mean_zero_and_spread_one_and_another_seed_is_other_noise():
    noise = explainers.create("random", Detector(MODEL)).explain(X)
    assert abs(float(noise.mean())) < 0.1
    assert abs(float(noise.std()) - 1) < 0.1
    assert not torch.allclose(
        noise, explainers.create("random[seed=1]", Detector(MODEL)).explain(X)
    )


def test_deviation_counts_spreads_from_the_mean():
    background = np.array([[0.0, 1.0, 5.0, 0.0], [2.0, 3.0, 5.0, 4.0]])
    deviation = explainers.create("deviation", Detector(MODEL), background=background)
    expected = torch.tensor([[0.0, 2.0, 0.0, 0.5]], dtype=torch.float64)
    torch.testing.assert_close(
        deviation.explain(torch.tensor([[1.0, 4.0, 5.0, 3.0]]).double()), expected
    )
    assert (
        deviation.explain(torch.tensor([[1.0, 2.0, 5.1, 2.0]])).argmax() == 2
    )  # a constant column that changes


def test_noise_does_not_tell_minus_zero_from_zero():
    zeros = torch.zeros(1, 4, dtype=torch.float64)
    explainer = explainers.create("random", Detector(MODEL))
    assert torch.equal(explainer.explain(zeros), explainer.explain(-zeros))


def test_rounding_of_a_constant_column_does_not_deviate():
    rows = np.full((9, 4), 0.1, dtype=np.float32)
    deviation = explainers.create("deviation", Detector(MODEL), background=rows)
    assert deviation.explain(torch.full((1, 4), 0.1, dtype=torch.float64)).max() < 0.01


@pytest.mark.parametrize("spread", [1e-3, 1e3])
def test_deviation_of_columns_that_vary_does_not_depend_on_their_unit(spread):
    rows = np.random.default_rng(0).random((50, 4))
    expected = explainers.create("deviation", Detector(MODEL), background=rows).explain(X)
    found = explainers.create("deviation", Detector(MODEL), background=spread * rows).explain(
        spread * X
    )
    torch.testing.assert_close(found, expected)
