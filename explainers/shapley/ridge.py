"""Ridge regressions of a network on what it is asked, by the normal equations of both folds.

The network, not the error, is regressed: every row has M outputs to learn from.
"""

from __future__ import annotations

import torch

# Penalties, as a share of the rows that are learnt from: regressors have a spread of about 1.
RIDGES = (1e-9, 1e-4, 1e-2, 1.0)


class NormalEquations:
    """ZᵀZ (n, 2, F, F) and ZᵀY (n, 2, F, M) of samples and folds, summed up as rows pass.

    Parameters
    ----------
    samples, regressors, outputs
        How many there are; the first regressor is 1 and has no penalty.
    device
        Where.
    """

    def __init__(self, samples: int, regressors: int, outputs: int, device: torch.device) -> None:
        shape = (samples, 2, regressors)
        self.square = torch.zeros(*shape, regressors, dtype=torch.float64, device=device)
        self.product = torch.zeros(*shape, outputs, dtype=torch.float64, device=device)

    def add(
        self, samples: torch.Tensor, second: torch.Tensor, z: torch.Tensor, y: torch.Tensor
    ) -> None:
        """Add regressors (n', k, 2, F) and outputs (n', k, 2, M) of pairs; `second` (k,) says which
        are of the second fold.
        """
        for fold, own in enumerate((~second, second)):
            regressors, outputs = z[:, own].flatten(1, 2), y[:, own].flatten(1, 2)
            self.square[samples, fold] += regressors.mT @ regressors
            self.product[samples, fold] += regressors.mT @ outputs

    def solve(self, right: torch.Tensor) -> torch.Tensor:
        """Return (ZᵀZ + penalty)⁻¹ right (n, 2, L, F, …) for each ridge, for right sides
        (n, 2, F, …).
        """
        ridges = torch.tensor(RIDGES, dtype=torch.float64, device=right.device)
        diagonal = torch.ones(self.square.shape[2], dtype=torch.float64, device=right.device)
        diagonal[0] = 0.0
        rows = self.square[:, :, None, :1, :1]
        penalty = rows * ridges[:, None, None] * torch.diag(diagonal)
        solved: torch.Tensor = torch.linalg.solve_ex(
            self.square[:, :, None] + penalty, right[:, :, None]
        )[0]
        return solved


def picked(parts: torch.Tensor, ridge: torch.Tensor) -> torch.Tensor:
    """Return those (n, 2, …) with each fold's ridge (n, 2), of parts (n, 2, L, …) of all ridges."""
    sample, fold = (torch.arange(count, device=ridge.device) for count in ridge.shape)
    return parts[sample[:, None], fold, ridge]
