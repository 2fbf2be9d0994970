"""What LRP says beyond its own prior: its map less, or over, that of an error without pattern."""

from __future__ import annotations

from typing import Literal

import torch

from aexbench import Features

Contrast = Literal["none", "minus", "over"]
EVEN = 1e-5  # of a mean error: outputs that differ by less are equal, but for rounding


def settled(start: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
    """Return errors (N, …), those of a sample evened out where rounding alone tells its outputs
    apart: noise would rank its features where a constant says nothing.
    """
    near = (start - spread).abs() <= EVEN * spread
    return torch.where(near.flatten(1).all(1).reshape(-1, *(1,) * (start.dim() - 1)), spread, start)


def contrasted(
    kind: Contrast, relevance: torch.Tensor, prior: torch.Tensor, features: Features
) -> torch.Tensor:
    """Return R − U, or (R − U) / U with U summed over each feature's columns, of maps (N, …).

    U is the prior with R's total. Over the columns of a feature the latter sums to the feature's
    R / U − 1; it is 0 where no relevance arrives from anywhere, or, by rules that hand on both
    signs, less than none.
    """
    sample = (-1, *(1,) * (relevance.dim() - 1))
    total, known = relevance.flatten(1).sum(1), prior.flatten(1).sum(1)
    expected = prior * torch.where(known != 0, total / known, 0.0).reshape(sample)
    if kind == "minus":
        return relevance - expected
    of_feature = _by_feature(expected, features)
    return torch.where(of_feature > 0, (relevance - expected) / of_feature, 0.0)


def _by_feature(values: torch.Tensor, features: Features) -> torch.Tensor:
    """Return for each column of values (N, …) the sum over its feature's columns."""
    if features.groups is None:
        return values
    groups = torch.as_tensor(features.groups, device=values.device)
    sums = values.new_zeros(len(values), int(groups.max()) + 1)
    sums.index_add_(1, groups, values.flatten(1))
    return sums[:, groups].reshape(values.shape)
