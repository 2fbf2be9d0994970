"""What every explainer must do, whoever wrote it."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from aexbench import Detector, explainers
from tests.conftest import mlp

BACKGROUND = np.random.default_rng(1).random((40, 7)).astype(np.float32)


@pytest.fixture(params=explainers.names())
def explainer(request):
    model = mlp((7, 5, 3, 5, 7), ("relu", "relu", "relu", "sigmoid"))
    return explainers.create(request.param, Detector(model), background=BACKGROUND)


X = torch.rand(9, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_returns_finite_floats_of_the_samples_shape(explainer):
    attributions = explainer.explain(X)
    assert attributions.shape == X.shape
    assert attributions.is_floating_point()
    assert torch.isfinite(attributions).all()
    assert not attributions.requires_grad


def test_does_not_depend_on_batch_or_order(explainer):
    whole = explainer.explain(X)
    torch.testing.assert_close(torch.cat([explainer.explain(x) for x in X.split(2)]), whole)
    torch.testing.assert_close(explainer.explain(X.flip(0)).flip(0), whole)


def test_is_repeatable_and_leaves_the_random_state(explainer):
    state = torch.random.get_rng_state()
    torch.testing.assert_close(explainer.explain(X), explainer.explain(X), rtol=0, atol=0)
    assert torch.equal(state, torch.random.get_rng_state())


def test_takes_arrays(explainer):
    torch.testing.assert_close(explainer.explain(X.numpy()), explainer.explain(X))


@pytest.mark.parametrize("name", explainers.names())
def test_leaves_the_model_as_it_was(name):
    model = mlp((7, 5, 3, 5, 7), ("relu", "relu", "relu", "sigmoid")).train()
    before = copy.deepcopy(model.state_dict())
    explainers.create(name, Detector(model), background=BACKGROUND).explain(X)
    assert model.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])


def test_a_wrong_shape_is_an_error():
    plugin = explainers.register.__self__.adapt(lambda detector, x: x.sum(1))
    made = explainers.register.__self__.make(plugin, (Detector(mlp((7, 7), ("relu",))),), {})
    with pytest.raises(ValueError, match=r"attributions have shape \(9,\), the samples \(9, 7\)"):
        made.explain(X)
