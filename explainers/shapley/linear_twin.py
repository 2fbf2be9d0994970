"""The linear twin of a network, f̂(r) = w₀ + W₁ᵀu, whose error has Shapley values in closed form.

Its residual is ρ(r) = r − f̂(r) = ρ₀ + A u with A = diag(spread) − W₁ᵀ, its error q = ‖ρ‖²/M. With
one row b of the background the columns' differences u_x − u_b are swapped, and

    q(r) − q(r̄) = s · a(b) ,   a(b) = (u_x − u_b) ∘ (Q (u_x + u_b) + g) / M ,

with Q = AᵀA and g = 2 Aᵀρ₀, summed over each player's columns: of a quadratic in the coalition the
difference of a pair is linear in s. So a(b) are the Shapley values with the row b, and their mean
over the background those of q. As the background's mean u is −u_x and its covariance C,

    mean_b a(b) = (2 u_x ∘ g − diag(Q C)) / M .
"""

from __future__ import annotations

from functools import cached_property

import torch

from aexbench.explainers.shapley.games import Pairs
from aexbench.explainers.shapley.leverage import Fit
from aexbench.explainers.shapley.ridge import RIDGES, NormalEquations, picked
from aexbench.explainers.shapley.scaled import Scaled


class LinearTwin:
    """Linear twins of a network around the samples of pairs; see `twin.Twin`."""

    def __init__(self, pairs: Pairs, fit: Fit) -> None:
        self.pairs, self.fit, self.columns = pairs, fit, Scaled.of(pairs)
        samples, size = self.columns.x.shape
        self.equations = NormalEquations(samples, size + 1, size, self.columns.x.device)

    def see(
        self, samples: torch.Tensor, part: torch.Tensor, rows: torch.Tensor, x_hat: torch.Tensor
    ) -> None:
        """Learn from rows (n', k, 2, M) and their reconstructions."""
        columns = self.columns.some(samples)
        z = torch.nn.functional.pad(columns.of_rows(rows), (1, 0), value=1.0)
        second = part >= self.pairs.half
        self.equations.add(samples, second, z, x_hat - columns.centre[:, None, None])

    def said(self) -> torch.Tensor:
        """Return (s − s̄) · a(b) of each pair (n, 2, K/2, L)."""
        inner, outer = self._form
        given, normal = self.columns.x[:, None], self.columns.of_rows(self.pairs.normal)
        swapped = self.pairs.games.by_column(self.fit.away) * (given - normal) / given.shape[2]
        folds = (len(given), 2, self.pairs.half, -1)
        swapped, both = swapped.view(folds), (given + normal).view(folds)
        every = both @ inner.flip(1).transpose(2, 3).flatten(3)  # of all ridges at once
        value = every.view(*every.shape[:3], len(RIDGES), -1)
        told = (value * swapped[..., None, :]).sum(dim=4)
        return told + swapped @ outer.flip(1).mT

    def shapley(self, ridge: torch.Tensor) -> torch.Tensor:
        """Return the mean of a(b) over the background (n, 2, P)."""
        inner, outer = (picked(part.flip(1), ridge) for part in self._form)
        spread = self.columns.spread
        scale = spread[:, :, None] * spread[:, None]
        covariance = self.pairs.games.background.covariance / scale
        own = 2 * self.columns.x[:, None] * outer - (inner * covariance[:, None]).sum(dim=3)
        return self.pairs.games.by_player(own / spread.shape[1])

    @cached_property
    def _form(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Q (n, 2, L, M, M) and g (n, 2, L, M)."""
        weights = self.equations.solve(self.equations.product)
        slope = torch.diag_embed(self.columns.spread)[:, None, None] - weights[..., 1:, :]
        return slope @ slope.mT, -2 * (slope @ weights[..., 0, :, None])[..., 0]
