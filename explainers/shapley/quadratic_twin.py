"""The quadratic twin of a network, f̂(r) = w₀ + W₁ᵀu + Σ_ij W₂_ij u_i u_j, whose error has exact
Shapley values too: see `quartic.py`.
"""

from __future__ import annotations

from functools import cached_property

import torch

from aexbench.detector import in_chunks
from aexbench.explainers.shapley.games import Pairs
from aexbench.explainers.shapley.quartic import Quartic
from aexbench.explainers.shapley.ridge import NormalEquations, picked
from aexbench.explainers.shapley.scaled import Scaled

VALUES = 2**20  # of (b, M, M) at once


class QuadraticTwin:
    """Quadratic twins of a network around the samples of pairs; see `twin.Twin`."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs, self.columns = pairs, Scaled.of(pairs)
        samples, size = self.columns.x.shape
        self.first, self.other = torch.triu_indices(size, size, device=self.columns.x.device)
        regressors = 1 + size + len(self.first)
        self.equations = NormalEquations(samples, regressors, size, self.columns.x.device)

    def see(
        self, samples: torch.Tensor, part: torch.Tensor, rows: torch.Tensor, x_hat: torch.Tensor
    ) -> None:
        """Learn from rows (n', k, 2, M) and their reconstructions."""
        columns = self.columns.some(samples)
        z = self._regressors(columns.of_rows(rows))
        second = part >= self.pairs.half
        self.equations.add(samples, second, z, x_hat - columns.centre[:, None, None])

    def said(self) -> torch.Tensor:
        """Return q(r) − q(r̄) − s̄ (q(x) − q(b)) of each pair (n, 2, K/2, L)."""
        weights = self._weights.flip(1)
        games, part = self.pairs.games, self.pairs.taking_part
        inside = games.by_column(part.double()) > 0
        given, normal = self.columns.x[:, None], self.columns.of_rows(self.pairs.normal)
        mean = 2 * part.double().mean(dim=2) - 1
        rows = (
            torch.where(inside, given, normal),
            torch.where(inside, normal, given),
            given.expand_as(normal),
            normal,
        )
        r, opposite, x, b = (self._error(u, weights) for u in rows)
        return (r - opposite - mean.view(len(mean), 2, 1, -1) * (x - b)).mT

    def shapley(self, ridge: torch.Tensor) -> torch.Tensor:
        """Return the Shapley values of q over the background (n, 2, P)."""
        weights = picked(self._weights.flip(1), ridge)
        return torch.stack(
            [
                torch.stack([self._mean(number, fold) for fold in folds])
                for number, folds in enumerate(weights)
            ]
        )

    def _mean(self, number: int, weights: torch.Tensor) -> torch.Tensor:
        """Return the mean Shapley values (P,) of a sample's twin over all rows."""
        columns = self.columns.some(torch.tensor([number]))
        form = Quartic.of(self.pairs.games, columns.x[0], weights)
        rows = self.pairs.games.background.rows.flatten(1)

        def total(part: torch.Tensor) -> torch.Tensor:
            return form.shapley(columns.of_rows(part[None])[0]).sum(dim=0, keepdim=True)

        return in_chunks(total, rows, max(1, VALUES // rows.shape[1] ** 2)).sum(dim=0) / len(rows)

    def _regressors(self, u: torch.Tensor) -> torch.Tensor:
        """Return 1, u_i and u_i u_j of columns (…, M), those of i ≤ j, as (…, F)."""
        one = torch.ones_like(u[..., :1])
        return torch.cat([one, u, u[..., self.first] * u[..., self.other]], dim=-1)

    def _error(self, u: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return q (n, 2, L, K/2) of rows (n, K, M)."""
        ridges, size = weights.shape[2], weights.shape[4]
        z = self._regressors(u).view(len(u), 2, self.pairs.half, -1)
        residuals: torch.Tensor = z @ weights.transpose(2, 3).flatten(3)
        by_ridge = residuals.view(*residuals.shape[:3], ridges, size)
        return by_ridge.square().mean(dim=4).mT

    @cached_property
    def _weights(self) -> torch.Tensor:
        """ρ's weights (n, 2, L, F, M)."""
        weights = -self.equations.solve(self.equations.product)
        size = self.columns.x.shape[1]
        weights[..., 1 : size + 1, :] += torch.diag_embed(self.columns.spread)[:, None, None]
        return weights
