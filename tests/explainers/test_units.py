"""One network, its data in other units: every explainer ranks the columns alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from aexbench import Detector, SkipError, evaluate, explainers
from aexbench.explainers.tools.units import Units, error_unit
from aexbench.features import Features
from tests.conftest import mlp
from tests.explainers.in_units import UNITS, detector_in_units, in_units
from tests.explainers.test_conformance import COSTLY

NET = mlp((6, 5, 3, 5, 6), ("relu", "relu", "relu", "sigmoid"), seed=3)
ROWS = np.random.default_rng(1).random((40, 6)).astype(np.float32)
ROWS[:, 4] = 0.25  # a constant column
X = np.random.default_rng(2).random((5, 6)).astype(np.float32).astype(np.float64)
CHOICES = [
    "counterfactual[loss=l1]",
    "deeplift[baseline=zeros]",
    "integrated-gradients[baseline=zeros,steps=20]",
    "integrated-gradients[baseline=nearest,steps=20]",
    "kernelshap[kmeans=true,nsamples=40,rows=4]",
    "lime[nsamples=100,neighbours=quartiles]",
    "lrp[preset=paper-tabular]",
    "lrp[root=joint]",
    "repair[values=conditional]",
    "repair[values=search]",
    "residual[form=p-value]",
    "residual[form=standardised,loss=l1]",
    "arcana[alpha=0.1,rate=0.01,steps=40]",
    "pca-residual[loss=l1,variance=0.5]",
]


def told(name: str, factor: float, shift: float, net: nn.Module, rows, x) -> np.ndarray:
    detector = detector_in_units(net, factor, shift)
    given = {} if "[" in name else COSTLY.get(name, {})
    background = in_units(rows, factor, shift)
    made = explainers.create(name, detector, background=background, **given)
    found = made.explain(torch.as_tensor(in_units(x, factor, shift)))
    return found.numpy().reshape(len(x), -1)


def ranked(found: np.ndarray) -> np.ndarray:
    """Return the columns by rank; what differs by rounding is tied, in the columns' order."""
    scale = np.abs(found).max(axis=1, keepdims=True)
    return np.argsort(-np.round(found / np.where(scale > 0, scale, 1), 5), axis=1, kind="stable")


def applies(name: str, net: nn.Module, rows, x) -> np.ndarray:
    try:
        return told(name, 1.0, 0.0, net, rows, x)
    except SkipError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", [*explainers.names(), *CHOICES])
def test_tables_are_ranked_alike_in_any_unit(name):
    plain = applies(name, NET, ROWS, X)
    for factor, shift in UNITS:
        found = told(name, factor, shift, NET, ROWS, X)
        np.testing.assert_array_equal(ranked(found), ranked(plain), err_msg=f"{factor}, {shift}")


@pytest.mark.parametrize(
    "name", ["ssim-residual", "blurred-deviation", "occlusion", "centre", "edges", "pca-residual"]
)
def test_images_are_ranked_alike_in_any_unit(name):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 1, 1)).double()
    pictures = np.random.default_rng(3).random((9, 1, 12, 12)).astype(np.float32)
    plain = applies(name, net, pictures, pictures[:2])
    for factor, shift in UNITS:
        found = told(name, factor, shift, net, pictures, pictures[:2])
        np.testing.assert_array_equal(ranked(found), ranked(plain), err_msg=f"{factor}, {shift}")


@pytest.mark.parametrize("column", range(6))
def test_kernelshap_sees_small_columns_among_large_ones(column):
    """Ranges differ by column: what is small in its column's range alone is left out."""
    scale = np.ones(6)
    scale[column] = 1e-9

    class Scaled(nn.Module):
        def forward(self, x):
            return NET(x / torch.as_tensor(scale)) * torch.as_tensor(scale)

    detector = Detector(Scaled(), "l1", Features(low=(0.0,) * 6, high=tuple(scale)))
    for name in ("kernelshap", "kernelshap-batched"):
        made = explainers.create(name, detector, background=ROWS * scale, **COSTLY[name])
        found = made.explain(torch.as_tensor(X * scale))
        assert (found[:, column] != 0).all()


@pytest.mark.slow
def test_a_board_is_the_same_in_any_unit(detector, linear_rows):
    """Data on a board are float32: what draws by a sample's digits draws anew in decimal units."""
    boards = []
    for factor, shift in [(1.0, 0.0), (2**-13, 0.0), (1e-4, 0.0), (1.0, -0.5)]:
        frame = evaluate(
            detector_in_units(detector.model, factor, shift),
            in_units(linear_rows[300:], factor, shift),
            background=in_units(linear_rows[:300], factor, shift),
            explainers=["repair", "saliency", "lrp", "input-x-gradient"],
            corruptions=["null", "adversarial", "inward"],
            metrics=["recall[top=2]"],
            count=12,
            seeds=1,
            twins=0,
        ).frame
        boards.append(frame.set_index(["corruption", "explainer", "control"]).score)
    assert boards[0].notna().all()
    pd.testing.assert_series_equal(boards[1], boards[0])
    for board in boards[2:]:
        plain, found = (
            b[b.index.get_level_values("explainer") != "random"] for b in (boards[0], board)
        )
        pd.testing.assert_series_equal(found, plain)


def test_units_of_unbounded_columns_are_their_own():
    units = Units.of(Features(low=(-np.inf, 2.0), high=(1.0, 6.0)), (2,))
    assert (units.low.tolist(), units.span.tolist()) == ([0.0, 2.0], [1.0, 4.0])
    assert units.reach.tolist() == [1.0, 6.0]


def test_the_reach_is_that_of_the_bound_farther_from_zero():
    assert Units.of(Features(low=-1000.0, high=-999.0), (1,)).reach.tolist() == [1000.0]


@pytest.mark.parametrize(
    ("loss", "unit"), [("l1", 4.0), ("l2", 16.0), (lambda x, y: (x - y) ** 4, 512.0)]
)
def test_the_unit_of_errors_is_that_of_whole_ranges(loss, unit):
    detector = Detector(nn.Linear(2, 2), loss, Features(low=-1.0, high=3.0))
    assert error_unit(detector, (2,)) == unit


def test_the_unit_of_squared_errors_is_the_mean_square_of_the_ranges():
    detector = Detector(nn.Identity(), features=Features(low=0.0, high=(1.0, 3.0)))
    assert error_unit(detector, (2,)) == 5.0


@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_what_rounding_may_add_to_a_residual_is_a_share_of_the_values(loss):
    """Of values a thousand ranges from zero, x - x̂ loses a thousand times as many digits."""
    lost = []
    for shift in (0.0, 1e3):
        detector = detector_in_units(NET, 1.0, shift, loss)
        rows = in_units(ROWS, 1.0, shift)
        made = explainers.create("residual", detector, background=rows, form="p-value")
        found = torch.full((1, 6), 1e-3, dtype=torch.float64)
        lost.append(float((found - made.explainer._rounded_down(found)).mean()))
    assert lost[1] / lost[0] == pytest.approx(1001, rel=0.05)
