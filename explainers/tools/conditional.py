"""Conditional values: what the other features of a sample suggest for each of them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from aexbench.detector import Detector
from aexbench.errors import SkipError
from aexbench.explainers.tools.baselines import Baseline, normal_rows
from aexbench.explainers.tools.units import Units
from aexbench.rows import most, sample

NORMAL_SAMPLES = 10_000  # of the background, at most, drawn with a fixed seed
# Added to every variance, in squares of the columns' ranges: noise of 3 % of the range. What rows
# held out from wine, breast-cancer, digits and sql-workload were told was within a tenth of the
# best from a tenth of this to this.
RIDGE = 1e-3

Floats = NDArray[np.float64]


def conditional(detector: Detector, background: ArrayLike) -> Baseline:
    """Return a function from samples (N, …) to what the other features suggest, column by column.

    With mean μ and covariance Σ of the background, in units of the columns' ranges, and the
    precision P = (Σ + α I)⁻¹, a column i follows from all others as in a ridge regression on them:

        x̂_i = μ_i − Σ_{j≠i} P_ij (x_j − μ_j) / P_ii .

    The columns g of a feature group follow together, x̂_g = μ_g − P_gg⁻¹ P_go (x_o − μ_o) of the
    columns o outside of it: the mean of a Gaussian under that condition.

    Parameters
    ----------
    detector
        For its features: their ranges and groups.
    background : (B, …)
        Normal samples; of more than 10,000 a seeded sample, fewer where samples × columns pass 2²⁵.

    Raises
    ------
    SkipError
        For images: their columns are too many to be told from each other.

    References
    ----------
    Lauritzen 1996, "Graphical Models", Appendix C: conditional means by the precision matrix.

    Examples
    --------
    >>> normal = np.array([[0.0, 0.0], [0.4, 0.4], [1.0, 1.0]])
    >>> told = conditional(Detector(torch.nn.Identity()), normal)
    >>> told(torch.tensor([[0.2, 0.8]])).round(decimals=1)
    tensor([[0.8000, 0.2000]])
    """
    rows = normal_rows(detector, background)
    shape = tuple(rows.shape[1:])
    if len(shape) == 3:
        raise SkipError("values=conditional tells columns of tables from each other: use nearest")
    units = Units.of(detector.features, shape)
    low, span = units.low.ravel(), units.span.ravel()
    chosen = sample(rows, most(rows, NORMAL_SAMPLES)).astype(np.float64)
    normal = (chosen.reshape(len(chosen), -1) - low) / span
    mean = normal.mean(axis=0)
    groups = np.arange(len(span)) if detector.features.groups is None else detector.features.groups
    weights = regressions(np.cov(normal.T, bias=True).reshape(len(span), -1), np.asarray(groups))
    told, shift, scale = (torch.as_tensor(one) for one in (weights, low + span * mean, span))

    def suggested(x: torch.Tensor) -> torch.Tensor:
        at, unit = shift.to(x.device), scale.to(x.device)
        away = (x.flatten(1).double() - at) / unit
        return (at + unit * (away @ told.to(x.device).T)).to(x).view(x.shape)

    return suggested


def regressions(covariance: Floats, groups: NDArray[np.int64]) -> Floats:
    """Return the weights (M, M) by which columns follow from those outside of their group.

    >>> regressions(np.array([[1.0, 1.0], [1.0, 1.0]]), np.arange(2)).round(3)
    array([[0.   , 0.999],
           [0.999, 0.   ]])
    """
    precision = np.linalg.inv(covariance + RIDGE * np.eye(len(covariance)))
    weights = np.zeros_like(precision)
    for group in np.unique(groups):
        own = groups == group
        weights[np.ix_(own, ~own)] = -np.linalg.solve(
            precision[np.ix_(own, own)], precision[np.ix_(own, ~own)]
        )
    return weights
