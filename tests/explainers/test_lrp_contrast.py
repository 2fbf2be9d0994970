"""LRP less its own prior, and over it: what the rules say of an error without pattern is gone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aexbench import Detector, Features, RequestError, explainers
from aexbench.running.controls import controlled
from tests.conftest import mlp

SIZES = (7, 6, 3, 6, 7)
NAMES = ("relu", "relu", "relu", "sigmoid")
GROUPS = (0, 1, 2, 2, 2, 3, 3)


def detector(groups: tuple[int, ...] | None = None) -> Detector:
    return Detector(mlp(SIZES, NAMES), features=Features(groups=groups))


def rows(count: int = 5) -> torch.Tensor:
    return torch.rand(count, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def maps(of: Detector, **parameters: object) -> dict[str, np.ndarray]:
    """Return the map, its prior with the same total, and both contrasts, of some rows."""
    made = {
        "map": {},
        "prior": {"relevance": "uniform"},
        "minus": {"contrast": "minus"},
        "over": {"contrast": "over"},
    }
    found = {
        name: explainers.create("lrp", of, **parameters, **own).explain(rows()).numpy()
        for name, own in made.items()
    }
    prior = found["prior"]
    found["prior"] = prior * found["map"].sum(1, keepdims=True) / prior.sum(1, keepdims=True)
    return found


@pytest.mark.parametrize(
    "parameters",
    [
        {"preset": "paper-tabular"},
        {"preset": "paper-tabular", "loss": "l1", "root": "joint"},
        {"first": "epsilon", "rule": "epsilon", "epsilon": 0.3},
    ],
)
def test_a_contrast_is_the_map_less_or_over_the_prior_of_the_same_total(parameters):
    found = maps(detector(), **parameters)
    np.testing.assert_allclose(found["minus"], found["map"] - found["prior"], atol=1e-12)
    there = found["prior"] > 0  # by ε some is negative
    ratio = found["map"] / found["prior"]
    np.testing.assert_allclose(found["over"], np.where(there, ratio - 1, 0), rtol=1e-6, atol=1e-12)
    assert np.abs(found["minus"]).max() > 0.01 * np.abs(found["map"]).max()


def test_the_shares_of_a_feature_sum_to_its_own_ratio():
    found = maps(detector(GROUPS), preset="paper-tabular")
    by_feature = {name: Features(groups=GROUPS).sum_groups(one) for name, one in found.items()}
    ratio = by_feature["map"] / by_feature["prior"]
    np.testing.assert_allclose(by_feature["over"], ratio - 1, rtol=1e-9)


def test_a_layer_of_one_weight_an_output_is_contrasted_by_hand():
    """w² of a layer hands output 0 to input 0, output 1 to both: T = [[1, .2], [0, .8]]."""
    layer = torch.nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, 0.0], [1.0, 2.0]]))
    made = Detector(torch.nn.Sequential(layer).double())
    x = torch.tensor([[0.5, 1.0]], dtype=torch.float64)
    r = np.array([(0.5 - 1.5) ** 2, (1.0 - 2.5) ** 2]) / 2
    share = np.array([[1.0, 0.2], [0.0, 0.8]])
    expected = share @ np.full(2, r.sum() / 2)
    for kind, wanted in (
        ("minus", share @ r - expected),
        ("over", (share @ r - expected) / expected),
    ):
        found = explainers.create("lrp", made, first="w2", contrast=kind).explain(x)
        np.testing.assert_allclose(found[0], wanted, rtol=1e-12)


@pytest.mark.parametrize("kind", ["minus", "over"])
@pytest.mark.parametrize("groups", [None, GROUPS])
def test_an_even_error_has_no_contrast_in_any_precision(groups, kind):
    """Else the floor would rank features by what rounding has left."""
    for precision in (torch.float32, torch.float64):
        made = Detector(mlp(SIZES, NAMES).to(precision), features=Features(groups=groups))
        ablated = controlled(made, "loss-ablated", 0)
        lrp = explainers.create("lrp", ablated, preset="paper-tabular", contrast=kind)
        assert not lrp.explain(rows(40).to(precision)).any()


def test_what_no_relevance_reaches_is_neither_more_nor_less_than_expected():
    made = detector()
    with torch.no_grad():
        made.model[0].weight[:, 2] = 0
    for kind in ("minus", "over"):
        found = explainers.create("lrp", made, preset="paper-tabular", contrast=kind)
        assert not found.explain(rows())[:, 2].any()


def test_the_gap_of_a_contrast_is_that_of_the_map():
    lrp = explainers.create("lrp", detector(), preset="paper-tabular", contrast="minus")
    found = lrp.explain(rows())
    np.testing.assert_allclose(found.sum(1), 0, atol=1e-15)
    assert float(lrp.measures(rows(), found)["gap to conservation"].max()) < 1e-6
    assert float(lrp.ledger(rows()).gap.max()) < 1e-6


def test_the_ledger_of_a_contrast_is_like_no_loss_ablated_form():
    """That form is 0 everywhere; the plain map's is not."""
    alike = [
        explainers.create("lrp", detector(), preset="paper-tabular", contrast=kind)
        .ledger(rows())
        .correlation
        for kind in ("none", "over")
    ]
    assert alike[0].all()
    assert not alike[1].any()


def test_a_contrast_of_the_prior_with_itself_is_refused():
    with pytest.raises(RequestError, match="leave relevance out"):
        explainers.create("lrp", detector(), relevance="uniform", contrast="over")
