"""Columns of a sample and of the background in units in which a ridge means the same for each."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from aexbench.explainers.shapley.games import Pairs


@dataclass(frozen=True)
class Scaled:
    """u = (r − centre)/spread, where r has x's value or a background row's, equally often.

    Attributes
    ----------
    centre, spread : (n, M)
        Of r; the spread of a column that never changes is 1.
    x : (n, M)
        The samples' u; the background's mean u is −x.
    """

    centre: torch.Tensor
    spread: torch.Tensor
    x: torch.Tensor

    @staticmethod
    def of(pairs: Pairs) -> Scaled:
        """Return the columns of the samples of some pairs."""
        background = pairs.games.background
        mean, covariance = background.mean, background.covariance
        given = pairs.games.x.flatten(1).double()
        centre = (given + mean) / 2
        spread = (covariance.diagonal() / 2 + (given - mean).square() / 4).sqrt()
        spread = torch.where(spread > 0, spread, torch.ones_like(spread))
        return Scaled(centre, spread, (given - centre) / spread)

    def of_rows(self, rows: torch.Tensor) -> torch.Tensor:
        """Return u of rows (n, …, M)."""
        shape = (len(rows), *[1] * (rows.dim() - 2), -1)
        return (rows - self.centre.view(shape)) / self.spread.view(shape)

    def some(self, samples: torch.Tensor) -> Scaled:
        """Return the columns of some of the samples."""
        return Scaled(self.centre[samples], self.spread[samples], self.x[samples])
