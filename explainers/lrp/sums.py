"""Sums of two parts: those count that have the sum's own sign, and such there always are (γ → ∞ of
the γ rule, Montavon et al. 2019, Sec. 10.2.3).

Of a + b with one sign for both, a has the share a / (a + b); where they have different signs the
larger one has all, and a / (a + b) lies outside of [0, 1].
"""

from __future__ import annotations

import torch

from aexbench.explainers.lrp.rules import Exists


def first_share(a: torch.Tensor, b: torch.Tensor, even: float | torch.Tensor = 0.5) -> torch.Tensor:
    """Return the share of a in a + b, of the sum's shape; `even` where the sum is 0."""
    total = a + b
    return torch.where(total == 0, even, (a / total).clamp_(0, 1))


def share(
    a: torch.Tensor,
    b: torch.Tensor,
    relevance: torch.Tensor,
    exists: tuple[Exists, Exists] = (None, None),
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the relevance of a and of b, of their shapes, from that of a + b.

    Constants that were inserted (where `exists` is 0) take none, unless there is nothing else.
    """
    if exists == (None, None):
        own = first_share(a, b) * relevance
    else:
        there_a, there_b = (
            torch.ones_like(part) if mask is None else mask
            for part, mask in zip((a, b), exists, strict=True)
        )
        there = there_a + there_b
        even = torch.where(there > 0, there_a / there, 0.5)
        own = first_share(a * there_a, b * there_b, even) * relevance
    return own.sum_to_size(a.shape), (relevance - own).sum_to_size(b.shape)
