"""The twin of a network of too many columns, f̂ = w₀ + Σ_p s_p W_p: it sees who takes part alone.

Its residual is ρ(r) = r − f̂, its error q = ‖ρ‖²/M. Of a pair with the row b of the background the
residuals sum to t(b) = x + b − 2 w₀ and differ by s ∘ (x − b) − 2 Σ_p s_p W_p, so that

    q(r) − q(r̄) = s · a(b) ,   a_p(b) = (Σ_{i in p} (x_i − b_i) t_i(b) − 2 W_p · t(b)) / M :

the Shapley values of q with the row b, as for the linear twin of columns. W_p · t(b) is solved for
as it is, W_p itself (players × columns) for no ridge.
"""

from __future__ import annotations

import torch

from aexbench.detector import in_chunks
from aexbench.explainers.shapley.games import Pairs
from aexbench.explainers.shapley.leverage import Fit
from aexbench.explainers.shapley.ridge import NormalEquations, picked

VALUES = 2**22  # of rows that become float64 at once


class MaskTwin:
    """Twins on the players' mask around the samples of pairs; see `twin.Twin`."""

    def __init__(self, pairs: Pairs, fit: Fit) -> None:
        self.pairs, self.fit = pairs, fit
        self.x = pairs.games.x.flatten(1).double()
        samples, size = self.x.shape
        players = pairs.games.players
        self.equations = NormalEquations(samples, players + 1, size, self.x.device)

    def see(
        self, samples: torch.Tensor, part: torch.Tensor, rows: torch.Tensor, x_hat: torch.Tensor
    ) -> None:
        """Learn from reconstructions (n', k, 2, M)."""
        sign = 2.0 * self.pairs.taking_part[samples[:, None], part].double() - 1
        z = torch.nn.functional.pad(torch.stack([sign, -sign], dim=2), (1, 0), value=1.0)
        self.equations.add(samples, part >= self.pairs.half, z, x_hat.double())

    def said(self) -> torch.Tensor:
        """Return (s − s̄) · a(b) of each pair (n, 2, K/2, L)."""
        samples = len(self.x)
        away = self.fit.away.view(samples, 2, self.pairs.half, -1)
        numbers = self.pairs.rows.view(samples, 2, -1)

        def told(part: torch.Tensor) -> torch.Tensor:
            normal = self.pairs.games.background.rows.flatten(1)[numbers[:, :, part]].double()
            own = away[:, :, part]
            return (own[:, :, None] * self._values(normal)).sum(dim=4).permute(3, 0, 1, 2)

        every = torch.arange(self.pairs.half, device=self.x.device)
        at_once = max(1, VALUES // (2 * self.x.numel()))
        return in_chunks(told, every, at_once).permute(1, 2, 0, 3)

    def shapley(self, ridge: torch.Tensor) -> torch.Tensor:
        """Return the mean of a(b) over the background (n, 2, P)."""
        background = self.pairs.games.background
        mean = background.mean.expand(len(self.x), 2, 1, -1)
        spread = self.pairs.games.by_player(background.variance)
        found = self._values(mean) - spread / self.x.shape[1]
        return picked(found[:, :, :, 0], ridge)

    def _values(self, normal: torch.Tensor) -> torch.Tensor:
        """Return a(b) (n, 2, L, k, P) for rows b (n, 2, k, M), by the twins of the other fold."""
        x, equations = self.x[:, None, None], self.equations
        rows = equations.square[:, :, :1, :1]
        both = (x + normal).flip(1) - 2 * equations.product[:, :, :1] / rows
        own = self.pairs.games.by_player((x - normal).flip(1) * both)
        slope = equations.solve(equations.product @ both.mT)[..., 1:, :].mT
        return ((own[:, :, None] - 2 * slope) / x.shape[3]).flip(1)
