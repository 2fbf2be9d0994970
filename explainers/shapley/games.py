"""Samples that share their players, and pairs of opposite rows between a sample and the background.

A pair asks about a coalition S and its complement with one row b of the background: r has x's
values where S has a player, and b's elsewhere; in r̄ it is the other way round. What is even in the
coalition falls out of D = e(r) − e(r̄).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aexbench import Detector
from aexbench.detector import in_chunks
from aexbench.explainers.shapley.normal import Background

See = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], None]


@dataclass(frozen=True)
class Games:
    """What is asked about samples that have the same players.

    Attributes
    ----------
    detector
        Whose error is worth something.
    background
        What stands for players that are left out.
    x : (n, …)
        The samples.
    column : (M,) int64
        The player of each column; P, one more than there are, where a column is like the whole
        background.
    players
        P.
    generators
        One for each sample.
    """

    detector: Detector
    background: Background
    x: torch.Tensor
    column: torch.Tensor
    players: int
    generators: list[np.random.Generator]

    @property
    def gain(self) -> torch.Tensor:
        """Δ_b = e(x) − e(b), (n, B) in float64."""
        return self.detector.error(self.x).double()[:, None] - self.background.errors

    def drawn(self, draw: Callable[[np.random.Generator], NDArray[Any]]) -> torch.Tensor:
        """Return what each sample's generator draws, one row a sample."""
        rows = np.stack([draw(generator) for generator in self.generators])
        return torch.as_tensor(rows, device=self.x.device)

    def by_column(self, values: torch.Tensor) -> torch.Tensor:
        """Return values of players (…, P) as those of their columns (…, M), 0 for no player's."""
        return torch.nn.functional.pad(values, (0, 1))[..., self.column]

    def by_player(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sums of columns (…, M) over players (…, P)."""
        sums = values.new_zeros(*values.shape[:-1], self.players + 1)
        return sums.index_add_(-1, self.column, values)[..., :-1]


@dataclass(frozen=True)
class Pairs:
    """Pairs of coalitions of some games, each with one row of the background.

    Attributes
    ----------
    games
        Whose players form coalitions.
    taking_part : (n, K, P) bool
        Who brings x's values into r.
    rows : (n, K) int64
        Of the background.
    """

    games: Games
    taking_part: torch.Tensor
    rows: torch.Tensor

    @property
    def half(self) -> int:
        """K/2, the pairs of the first fold."""
        return self.rows.shape[1] // 2

    @property
    def normal(self) -> torch.Tensor:
        """The rows of the background (n, K, M)."""
        return self.games.background.rows.flatten(1)[self.rows]

    def differences(self, see: See | None = None) -> torch.Tensor:
        """Return D = e(r) − e(r̄), (n, K) in float64.

        `see` is shown what passes: numbers of samples (n') and of pairs (k), the rows
        (n', k, 2, M) and their reconstructions. The detector is asked 2 K rows for each sample, as
        many at a time as its chunks hold.
        """
        most = max(1, self.games.detector.chunk_rows(self.games.x) // 2)
        samples, pairs = (torch.arange(n, device=self.rows.device) for n in self.rows.shape)

        def of_samples(some: torch.Tensor) -> torch.Tensor:
            def of_pairs(part: torch.Tensor) -> torch.Tensor:
                return self._asked(some, part, see).T

            return in_chunks(of_pairs, pairs, max(1, most // len(some))).T

        return in_chunks(of_samples, samples, max(1, most // len(pairs)))

    def _asked(self, samples: torch.Tensor, pairs: torch.Tensor, see: See | None) -> torch.Tensor:
        asked, shape = self._opposite(samples, pairs), self.games.x.shape[1:]
        flat = asked.view(-1, *shape)
        x_hat = self.games.detector.reconstruct(flat)
        share = self.games.detector.error_share(flat, x_hat)
        errors = share.flatten(1).sum(1, dtype=torch.float64).view(asked.shape[:3])
        if see is not None:
            see(samples, pairs, asked, x_hat.view_as(asked))
        return errors[..., 0] - errors[..., 1]

    def _opposite(self, samples: torch.Tensor, pairs: torch.Tensor) -> torch.Tensor:
        """Return r and r̄ of some pairs of some samples (n', k, 2, M)."""
        part = self.taking_part[samples[:, None], pairs]
        inside = torch.nn.functional.pad(part, (0, 1))[..., self.games.column]
        given = self.games.x[samples].flatten(1)[:, None]
        normal = self.games.background.rows.flatten(1)[self.rows[samples[:, None], pairs]]
        return torch.stack(
            [torch.where(inside, given, normal), torch.where(inside, normal, given)], dim=2
        )
