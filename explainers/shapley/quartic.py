"""Exact Shapley values of the squared length of a quadratic form, a game of degree 4.

The residual of a row is ρ(u) = w₀ + W₁ᵀu + Σ_ij W₂_ij u_i u_j, vectors of M columns. Between x and
one row b of the background, d = u_x − u_b,

    ρ = ρ(b) + Σ_p β_p z_p + Σ_{p<q} Γ_pq z_p z_q ,

where z_p says whether player p takes part; Γ_pq has what two players do together. The game
q = ‖ρ‖²/M has φ_p = ∫₀¹ ∂_p E q dt, where every player takes part with probability t; of degree 3,
it is the mean at two nodes of Gauss and Legendre. With δ_p = β_p + t Σ_q Γ_pq, the mean of what p
adds,

    M ∂_p E q = δ_p · (2 E ρ + (1 − 2t) δ_p) + 2 t (1 − t) Σ_q Γ_pq · δ_q ,

but for (1 − 2t) t (1 − t) Σ_q ‖Γ_pq‖², which the nodes have with opposite signs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from aexbench.explainers.shapley.games import Games

NODES = (0.5 - 12**-0.5, 0.5 + 12**-0.5)


@dataclass(frozen=True)
class Quartic:
    """The residual's form, and where one sample stands.

    Attributes
    ----------
    games
        Whose players take part.
    x : (M,)
        The sample's u.
    constant : (M,)
    linear : (M, M)
    square : (M, M, M)
        W₂, symmetric in its first two; the last is the residual's column.
    together : (M, M) float64
        1 for columns of one player, 0 for others.
    """

    games: Games
    x: torch.Tensor
    constant: torch.Tensor
    linear: torch.Tensor
    square: torch.Tensor
    together: torch.Tensor

    @staticmethod
    def of(games: Games, x: torch.Tensor, weights: torch.Tensor) -> Quartic:
        """Return the form of weights (F, M) of 1, u_i and u_i u_j, those of i ≤ j."""
        size = len(x)
        first, other = torch.triu_indices(size, size, device=x.device)
        half = torch.zeros(size, size, weights.shape[1], dtype=x.dtype, device=x.device)
        half[first, other] = weights[1 + size :] / 2
        together = (games.column == games.column[:, None]).to(x.dtype)
        square = half + half.transpose(0, 1)
        return Quartic(games, x, weights[0], weights[1 : 1 + size], square, together)

    def shapley(self, normal: torch.Tensor) -> torch.Tensor:
        """Return φ (k, P) with each of the rows u_b (k, M)."""
        swapped = (self.x - normal) * (self.games.column < self.games.players)
        start, alone, joint = self._parts(normal, swapped)
        low, high = (self._slope(start, alone, joint, swapped, t) for t in NODES)
        return (low + high) / (2 * len(self.x))

    def _parts(
        self, normal: torch.Tensor, swapped: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return ρ(b) (k, M), β (k, P, M) and Σ_q Γ_pq (k, P, M)."""
        by_normal, by_all = (_product(self.square, u) for u in (normal, swapped))
        own = _product(self.square * self.together[..., None], swapped)
        start = self.constant + normal @ self.linear
        start = start + (normal[:, :, None] * by_normal).sum(dim=1)
        alone = swapped[:, :, None] * (self.linear + 2 * by_normal + own)
        joint = 2 * swapped[:, :, None] * (by_all - own)
        return start, self._by_player(alone), self._by_player(joint)

    def _slope(
        self,
        start: torch.Tensor,
        alone: torch.Tensor,
        joint: torch.Tensor,
        swapped: torch.Tensor,
        t: float,
    ) -> torch.Tensor:
        """Return M ∂_p E q (k, P) where everyone takes part with probability t."""
        added = alone + t * joint
        mean = start + t * alone.sum(dim=1) + t**2 * joint.sum(dim=1) / 2
        first = (added * (2 * mean[:, None] + (1 - 2 * t) * added)).sum(dim=2)
        others = self.square * (1 - self.together)[..., None]
        by_column = self.games.by_column(added.mT).mT * swapped[:, :, None]
        met = by_column.flatten(1) @ others.flatten(1).T
        pairs = self.games.by_player(2 * swapped * met)
        return first + 2 * t * (1 - t) * pairs

    def _by_player(self, values: torch.Tensor) -> torch.Tensor:
        """Return sums (k, P, M) of values (k, M, M) over each player's columns."""
        return self.games.by_player(values.mT).mT


def _product(square: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """Return Σ_j W₂_ij u_j (k, M, M) of rows u (k, M)."""
    return (u @ square.transpose(0, 1).flatten(1)).view(len(u), *square.shape[::2])
