"""Rules of LRP for linear layers: how a layer's output relevance R_k is shared among its inputs i.

A rule names non-negative contributions z_ik, written as sums of input parts times weight parts, and shares

    R_i = Σ_k R_k z_ik / Σ_h z_hk .

Biases take part in none: relevance given to a bias is lost. **Fallback.** The reconstruction error does not scale with
activations, so an output can have relevance and no contribution at all (Σ_h z_hk = 0). Its relevance is then shared by
the squared weights, w_ik² / Σ_h w_hk², and equally where all its weights are zero: every rule conserves.
"""

from __future__ import annotations

from functools import cached_property

import torch

Part = tuple[torch.Tensor, torch.Tensor]


class LinearRule:
    """Shares relevance by contributions that depend on the input x; subclasses name the parts of `z = Σ part · wᵀ`."""

    def __init__(self, weight: torch.Tensor) -> None:
        self.weight = weight
        self.positive, self.negative = weight.clamp_min(0), weight.clamp_max(0)

    def parts(self, x: torch.Tensor) -> list[Part]:
        """Return pairs of an input part (N, in) and a weight part (out, in) whose products are never negative."""
        raise NotImplementedError

    def propagate(self, x: torch.Tensor, relevance: torch.Tensor) -> torch.Tensor:
        """Return the inputs' relevance (N, in) from the outputs' (N, out)."""
        parts = self.parts(x)
        z = sum((part @ w.T for part, w in parts), start=torch.zeros_like(relevance))
        reached = z > 1e6 * torch.finfo(z.dtype).tiny  # below, R / z could overflow
        s = torch.where(reached, relevance / torch.where(reached, z, 1.0), 0.0)
        shared = sum((part * (s @ w) for part, w in parts), start=torch.zeros_like(x))
        left = relevance.masked_fill(reached, 0.0)
        return shared + left @ self.fallback if bool((left != 0).any()) else shared

    @cached_property
    def fallback(self) -> torch.Tensor:
        """w² / Σ w² (out, in), rows of zeros shared equally."""
        return squared_shares(self.weight)


class ZPlus(LinearRule):
    """z⁺: `z = x⁺ W⁺ + x⁻ W⁻`, only positive contributions count (Montavon et al. 2017, Sec. 4.2; both signs of x).

    `signed=False` says that x is never negative: the second part is left out.
    """

    def __init__(self, weight: torch.Tensor, signed: bool = True) -> None:
        super().__init__(weight)
        self.signed = signed

    def parts(self, x: torch.Tensor) -> list[Part]:
        """Return x⁺ W⁺ and x⁻ W⁻."""
        if not self.signed:
            return [(x, self.positive)]
        return [(x.clamp_min(0), self.positive), (x.clamp_max(0), self.negative)]


class ZBox(LinearRule):
    """z-box: `z = x W − l W⁺ − h W⁻`, for inputs in the box [l, h] (Montavon et al. 2017, Sec. 4.1).

    It is computed as (x − l) W⁺ + (x − h) W⁻, whose terms are never negative: nothing cancels. A sample outside the
    box widens its own.
    """

    def __init__(self, weight: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> None:
        super().__init__(weight)
        self.low, self.high = low, high

    def parts(self, x: torch.Tensor) -> list[Part]:
        """Return (x − l) W⁺ and (x − h) W⁻."""
        return [((x - self.low).clamp_min(0), self.positive), ((x - self.high).clamp_max(0), self.negative)]


class SquaredWeights(LinearRule):
    """w²: `R_i = Σ_k R_k w_ik² / Σ_h w_hk²`, whatever the input (Montavon et al. 2017, Sec. 4.1)."""

    def propagate(self, x: torch.Tensor, relevance: torch.Tensor) -> torch.Tensor:
        """Return the inputs' relevance (N, in); x takes no part."""
        return relevance @ self.fallback


def squared_shares(weight: torch.Tensor) -> torch.Tensor:
    """Return w² / Σ w² (out, in); an output whose weights are all zero shares equally."""
    scaled = weight / weight.abs().amax(dim=1, keepdim=True).clamp_min(torch.finfo(weight.dtype).tiny)
    squares = scaled.square()
    total = squares.sum(dim=1, keepdim=True)
    return torch.where(total > 0, squares / total.clamp_min(torch.finfo(weight.dtype).tiny), 1.0 / weight.shape[1])
