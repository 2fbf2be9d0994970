"""What random layers do to relevance, by formula and by trial; and T's diagonal, by its columns."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from aexbench import Detector, Features, datasets, explainers
from aexbench.autoencoders import training
from aexbench.explainers.lrp.maps import Dense
from aexbench.explainers.lrp.rules import Rule, SquaredWeights, ZPlus
from tests.conftest import mlp

RULES = {"z-plus": math.pi - 1, "w2": 2.0}
ROWS, LAYERS = 20, 20


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def ruled(name: str, weight: torch.Tensor) -> Rule:
    layer = Dense(weight)
    return SquaredWeights(layer) if name == "w2" else ZPlus(layer, signed=False)


def kept(name: str, inputs: int, outputs: int, silent: int = 0) -> tuple[float, float]:
    """Return how much of a difference at the outputs random layers keep at the inputs, of which
    some are silent: of its Euclidean length, and of its total variation.
    """
    length, variation = [], []
    for number in range(LAYERS):
        x = torch.ones(ROWS, inputs, dtype=torch.float64)
        x[:, :silent] = 0
        difference = normal(ROWS, outputs, seed=2 * number)
        difference -= difference.mean(dim=1, keepdim=True)
        rule = ruled(name, normal(outputs, inputs, seed=2 * number + 1))
        found = rule.propagate(x, difference, None)
        length.append(found.norm(dim=1) / difference.norm(dim=1))
        variation.append(found.abs().sum(1) / difference.abs().sum(1))
    return float(torch.cat(length).mean()), float(torch.cat(variation).mean())


@pytest.mark.parametrize(("inputs", "outputs"), [(60, 60), (40, 200), (200, 40)])
@pytest.mark.parametrize("name", RULES)
def test_a_random_layer_keeps_the_root_of_v_over_n(name, inputs, outputs):
    length, variation = kept(name, inputs, outputs)
    assert length == pytest.approx(math.sqrt(RULES[name] / inputs), rel=0.08)
    assert variation == pytest.approx(math.sqrt(RULES[name] / outputs), rel=0.08)


def test_of_z_plus_the_active_inputs_alone_count():
    length, variation = kept("z-plus", 100, 60, silent=50)
    assert length == pytest.approx(math.sqrt((math.pi - 1) / 50), rel=0.08)
    assert variation == pytest.approx(math.sqrt((math.pi - 1) / 60), rel=0.08)


def tied(columns: int, hidden: int, density: float) -> nn.Sequential:
    """Return an autoencoder whose decoder is its encoder's transpose, with random weights."""
    there = torch.rand(hidden, columns, generator=torch.Generator().manual_seed(1)) < density
    weight = normal(hidden, columns) * there
    layers = [nn.Linear(*sizes, bias=False) for sizes in ((columns, hidden), (hidden, columns))]
    for layer, own in zip(layers, (weight, weight.T), strict=True):
        layer.weight = nn.Parameter(own)
    return nn.Sequential(layers[0], nn.ReLU(), layers[1])


def ledger(model: nn.Module, columns: int, features: Features | None = None, **parameters: object):
    detector = Detector(model, features=features or Features())
    lrp = explainers.create("lrp", detector, preset="paper-tabular", **parameters)
    return lrp.ledger(torch.as_tensor(np.random.default_rng(0).random((10, columns))))


@pytest.mark.parametrize("density", [1.0, 0.5, 0.25, 0.1])
def test_a_tied_layers_diagonal_is_two_over_its_density(density):
    book = ledger(tied(150, 1200, density), 150)
    assert float(book.diagonal.median()) == pytest.approx(2 / density, rel=0.1)
    assert book.tied == pytest.approx(2 / density, rel=0.25)  # few weights a unit: 3 Σ²/Σ⁴ is large


def test_of_a_feature_of_several_columns_one_is_its_own():
    groups = tuple((np.arange(150) // 3).tolist())
    book = ledger(tied(150, 1200, 0.25), 150, Features(groups=groups))
    assert float(book.diagonal.median()) == pytest.approx((2 / 0.25 + 2) / 3, rel=0.1)
    assert book.tied == pytest.approx((2 / 0.25 + 2) / 3, rel=0.25)


def test_other_networks_have_no_formula_of_a_tied_layer():
    deep = mlp((7, 6, 3, 6, 7), ("relu", "relu", "relu", "sigmoid"))
    assert math.isnan(ledger(deep, 7).tied)


@pytest.mark.parametrize("root", [1.0, 0.5])
def test_the_diagonal_is_the_share_of_single_outputs_that_stays_with_their_feature(root):
    """T's columns one by one, as maps of errors that are 1 at one output."""
    model = mlp((4, 3, 4), ("relu", "sigmoid"))
    groups = (0, 1, 1, 2)
    found = ledger(model, 4, Features(groups=groups), root=root).diagonal
    x = torch.as_tensor(np.random.default_rng(0).random((10, 4)))
    expected = np.zeros(10)
    for output in range(4):

        class One(Detector):
            def error_share(self, x, x_hat, output=output):
                return torch.zeros_like(x).index_fill(1, torch.tensor([output]), 1.0)

        lrp = explainers.create("lrp", One(model), preset="paper-tabular", root=root)
        own = [groups[i] == groups[output] for i in range(4)]
        expected += lrp.explain(x).numpy()[:, own].sum(1) * 4 / sum(own) / 4
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_the_residuals_share_stays_all_with_its_feature():
    book = ledger(mlp((6, 3, 6), ("relu", "sigmoid")), 6, root=0.0)
    torch.testing.assert_close(book.diagonal, torch.full((10,), 6.0, dtype=torch.float64))


def test_a_ledger_says_what_a_random_layer_would_keep_of_what_it_received():
    model = nn.Sequential(nn.Linear(40, 300), nn.ReLU(), nn.Linear(300, 40)).double()
    for seed, layer in enumerate((model[0], model[2])):
        layer.weight = nn.Parameter(normal(*layer.weight.shape, seed=seed))
    last, first = ledger(model, 40).layers
    assert (last.rule, first.rule) == ("z-plus", "w2")
    torch.testing.assert_close(first.contraction, first.random, rtol=0.25, atol=0)
    spread = math.sqrt(2 / 150)  # over the hidden units that are active, a half of them
    assert float(first.random.median()) == pytest.approx(spread, rel=0.3)


def test_convolutions_have_no_formula():
    model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 1, 3, padding=1))
    book = explainers.create("lrp", Detector(model)).ledger(torch.rand(3, 1, 5, 5))
    assert all(layer.random.isnan().all() for layer in book.layers)
    assert book.diagonal.shape == (3,)
    assert float(book.diagonal.min()) > 1  # what is near stays near


def test_sparse_weights_lead_relevance_to_its_own_feature():
    data = datasets.create("breast-cancer[encoding=embedding,columns=4]")
    found = []
    for l1 in (0.0, 3e-5):
        recipe = training.recipe(f"mlp[widths=[120],l1={l1},epochs=150]", "mlp")
        detector = training.train(data, recipe, seed=0)
        lrp = explainers.create("lrp", detector, preset="paper-tabular")
        found.append(float(lrp.ledger(data.normal[:20]).diagonal.median()))
    assert found[0] < 1.5
    assert found[1] > 2 * found[0]
