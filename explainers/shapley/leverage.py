"""Which coalitions are asked for, and the regression that turns their differences into Shapley
values: sizes equally often, weighted as KernelSHAP weights them (leverage scores, Musco and Witter
2024).

With s = 2·1_S − 1 and its mean s̄ over the players, pairs of coalitions have y_k = (s_k − s̄_k)·β
in a game without higher interactions, and β is the part of the Shapley values that sums to zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

LEAST = 2  # pairs for each player; with fewer the regression would follow its noise

Floats = NDArray[np.float64]


def shares(players: int) -> Floats:
    """Return p_z of the sizes z = 1 … P − 1, in proportion to 1/(z (P − z)), in all 1."""
    sizes = np.arange(1, players)
    share = 1 / (sizes * (players - sizes))
    return np.asarray(share / share.sum())


def coalitions(generator: np.random.Generator, count: int, players: int) -> NDArray[np.bool_]:
    """Return random coalitions (K, P), of each size as many as of any other, or one more."""
    whole, rest = divmod(count, players - 1)
    some = generator.permutation(players - 1)[:rest]
    sizes = 1 + generator.permutation(
        np.concatenate([np.tile(np.arange(players - 1), whole), some])
    )
    place = generator.random((count, players), dtype=np.float32).argsort(axis=1)
    return np.asarray(place < sizes[:, None])


def correlation(players: int) -> float:
    """Return c = E[s_i s_j] of two players under the weights p."""
    sizes = np.arange(1, players)
    both = ((2 * sizes - players) ** 2 - players) / (players * (players - 1))
    return float(shares(players) @ both)


@dataclass(frozen=True)
class Fit:
    """The weighted least squares of pairs of coalitions.

    Attributes
    ----------
    away : (n, K, P)
        s − s̄.
    weights : (n, K)
        w_k = p_|S| (P − 1): 1 on average.
    operator : (n, P, K)
        β = operator @ y.
    leverage : (n, K)
        h_k = (s_k − s̄_k) · operator_k.
    """

    away: torch.Tensor
    weights: torch.Tensor
    operator: torch.Tensor
    leverage: torch.Tensor

    @staticmethod
    def of(taking_part: torch.Tensor) -> Fit:
        """Return the fit of coalitions (n, K, P) bool. Where pairs are fewer than two for each
        player, it is the mean of w (s − s̄) y over its expected square, and no pair has leverage.
        """
        _, count, players = taking_part.shape
        sign = 2.0 * taking_part.double() - 1
        away = sign - sign.mean(dim=2, keepdim=True)
        share = torch.as_tensor(shares(players), device=sign.device)
        weights = share[taking_part.sum(dim=2) - 1] * (players - 1)
        weighted = (weights[..., None] * away).transpose(1, 2)
        if count < LEAST * players:
            operator = weighted / (count * (1 - correlation(players)))
            return Fit(away, weights, operator, torch.zeros_like(weights))
        square = weighted @ away / count + 1 / players  # what all share takes no part
        operator = torch.linalg.pinv(square, rtol=1e-9, hermitian=True) @ weighted / count
        leverage = (away * operator.mT).sum(dim=2)
        return Fit(away, weights, operator, leverage)

    @property
    def regresses(self) -> bool:
        """Whether there are pairs enough for a regression."""
        return self.away.shape[1] >= LEAST * self.away.shape[2]

    def left(self, y: torch.Tensor) -> torch.Tensor:
        """Return what the fit leaves of values (n, K, …); all of it where it does not regress."""
        if not self.regresses:
            return y
        return y - self.away @ (self.operator @ y)

    def solve(self, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return β (n, P) of values y (n, K), and what each pair adds to its error (n, K, P): HC3
        of MacKinnon and White 1985, or deviations from the mean.
        """
        added = self.operator * y[:, None]
        beta = added.sum(dim=2)
        if not self.regresses:
            count = y.shape[1]
            scores = (added - beta[..., None] / count) * (count / (count - 1))
            return beta, scores.transpose(1, 2)
        left = self.left(y[..., None])[..., 0] / (1 - self.leverage).clamp_min(1e-6)
        return beta, (self.operator * left[:, None]).transpose(1, 2)
