"""What a twin says of each pair is taken off, in the measure in which it has been right elsewhere.

Twins are fitted on one half of the pairs and speak of the other, so that no pair is compared with
itself. Which ridge, and how much γ of its answer, is decided where another half was spoken of: a
twin of no use is given a γ near 0.
"""

from __future__ import annotations

from typing import Protocol

import torch

from aexbench.explainers.shapley.leverage import Fit


class Twin(Protocol):
    """Twins of a network around samples: one for each fold of pairs and each of L ridges."""

    def see(
        self, samples: torch.Tensor, part: torch.Tensor, rows: torch.Tensor, x_hat: torch.Tensor
    ) -> None:
        """Learn from rows (n', k, 2, M) of some samples and pairs, and their reconstructions."""
        ...

    def said(self) -> torch.Tensor:
        """Return q(r) − q(r̄) − s̄ (q(x) − q(b)) of each pair (n, 2, K/2, L): in both folds by the
        twins of the other one.
        """
        ...

    def shapley(self, ridge: torch.Tensor) -> torch.Tensor:
        """Return the Shapley values of q over the background, (n, 2, P), of the twins of the ridges
        (n, 2) that speak of each fold.
        """
        ...


def without(y: torch.Tensor, fit: Fit, twin: Twin) -> tuple[torch.Tensor, torch.Tensor]:
    """Return differences of pairs (n, K) less what the best twins say of them, and the Shapley
    values (n, P) that are to be added to what y then leads to.

    Where the folds' twins are worth different Shapley values, y is moved to their mean.
    """
    said = twin.said()
    ridge, share = _chosen(y, said, fit)
    exact = share[..., None] * twin.shapley(ridge)
    mean = exact.mean(dim=1)
    told = said.gather(3, ridge[:, :, None, None].expand(*said.shape[:3], 1))[..., 0]
    folds = y.view(told.shape) - share[..., None] * told
    away = fit.away.view(*told.shape, -1)
    moved = folds + torch.einsum("nfkp,nfp->nfk", away, exact - mean[:, None])
    return moved.flatten(1), mean


def _chosen(y: torch.Tensor, said: torch.Tensor, fit: Fit) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the best ridge (n, 2) and its γ for each fold, as the other fold has them."""
    left = fit.left(torch.cat([y[..., None], said.flatten(1, 2)], dim=2))
    error, told = left.view(*said.shape[:3], -1).split([1, said.shape[3]], dim=3)
    weights = fit.weights.view(*said.shape[:3], 1)
    square = (weights * told.square()).sum(dim=2)
    slope = ((weights * error * told).sum(dim=2) / square).nan_to_num(0.0, 0.0, 0.0)
    ridge = (slope.square() * square).argmax(dim=2)
    return ridge.flip(1), slope.gather(2, ridge[..., None])[..., 0].flip(1)
