"""Shapley values with their standard errors, whatever estimates them: samples are put together
where their players agree, and drawn anew until the errors are small enough.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch

from aexbench import Detector
from aexbench.explainers.shapley.coalitions import Design
from aexbench.explainers.shapley.games import Games
from aexbench.explainers.shapley.normal import Background
from aexbench.explainers.shapley.players import alike, varying
from aexbench.explainers.shapley.values import Worth
from aexbench.explainers.tools import seeding
from aexbench.explainers.tools.segments import Segments, spread
from aexbench.explainers.tools.units import Units

ROUND_VALUES = 2**20  # of rows that samples are asked about together; one at least
MOST_ROUNDS = 1000  # of `nsamples` rows each: a tolerance below rounding is not reached at all


class Sampled(ABC):
    """An explainer by random draws that says how far each Shapley value may be off.

    Parameters
    ----------
    detector
        Whose error is explained.
    background
        Normal rows.
    nsamples
        Forward rows a sample and round.
    tolerance
        Rounds are repeated until the largest standard error of a sample is not above it.
    segments, seed
        Of the samples.
    """

    def __init__(
        self,
        detector: Detector,
        background: Background,
        nsamples: int,
        tolerance: float | None,
        segments: Segments,
        seed: int,
    ) -> None:
        self.detector, self.background = detector, background
        self.nsamples, self.tolerance = nsamples, tolerance
        self.segments, self.seed = segments, seed
        self._known: tuple[torch.Tensor, torch.Tensor] | None = None

    @abstractmethod
    def estimate(self, games: Games) -> tuple[torch.Tensor, torch.Tensor]:
        """Return Shapley values (n, P) of games and their standard errors, by at most `nsamples`
        rows about each.
        """

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return Shapley values (N, …); their sum is e(x) less the mean error of the background."""
        numbers = self.segments.numbers(x, self.detector.features)
        units = Units.of(self.detector.features, tuple(x.shape[1:]))
        who = varying(x, numbers, self.background.bounds, units)
        found = x.new_full((2, *who.shape), torch.nan, dtype=torch.float64)
        for part, players in self._parts(x, numbers, who):
            found[:, part] = 0.0
            if not len(players):
                continue  # all is like the background
            column = _players(numbers[part[0]], players, who.shape[1])
            values = self._until_sure(x[part], column, len(players))
            found[:, part[:, None], players] = torch.stack(values)
        self._known = (x.detach().clone(), spread(found[1], numbers).to(x.dtype))
        return spread(found[0], numbers).to(x.dtype)

    def standard_error(self, x: torch.Tensor) -> torch.Tensor:
        """Return the standard error (N, …) of each Shapley value; of columns that share one,
        their equal share.
        """
        if self._known is None or not torch.equal(self._known[0], x):
            self.explain(x)
        assert self._known is not None  # what `explain` has left
        return self._known[1]

    def measures(self, x: torch.Tensor, attributions: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the largest standard error (N,) of each sample."""
        return {"standard error": self.standard_error(x).flatten(1).amax(dim=1)}

    def _parts(
        self, x: torch.Tensor, numbers: torch.Tensor, who: torch.Tensor
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return rows of samples that have the same players, a round at a time, with these; none of
        samples that have a value which is no number.
        """
        known = x.flatten(1).isfinite().all(dim=1).nonzero().flatten()
        together = max(1, ROUND_VALUES // (self.nsamples * x.shape[1:].numel()))
        return [
            (known[part], who[known[part[0]]].nonzero().flatten())
            for group in alike(numbers[known], who[known])
            for part in group.split(together)
        ]

    def _until_sure(
        self, x: torch.Tensor, column: torch.Tensor, players: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the mean of as many rounds as the tolerance needs, and its standard error."""
        generators = seeding.generators(x, self.seed, self.detector.features)
        total, squares = x.new_zeros((2, len(x), players), dtype=torch.float64)
        rounds = torch.zeros(len(x), 1, dtype=torch.float64, device=x.device)
        left = torch.arange(len(x), device=x.device)
        while len(left) and float(rounds.max()) < MOST_ROUNDS:
            some = [generators[place] for place in left.tolist()]
            values, errors = self._round(x[left], column, players, some)
            total[left] += values
            squares[left] += errors.square()
            rounds[left] += 1
            error = (squares.sqrt() / rounds)[left].amax(dim=1)
            left = left[:0] if self.tolerance is None else left[error > self.tolerance]
        return total / rounds, squares.sqrt() / rounds

    def _round(
        self,
        x: torch.Tensor,
        column: torch.Tensor,
        players: int,
        generators: list[np.random.Generator],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the estimate of one round; one player has it all, and few are enumerated where
        that costs no more.
        """
        games = Games(self.detector, self.background, x, column, players, generators)
        if players < 2:
            all_of_it = games.gain.mean(dim=1, keepdim=True).expand(-1, players)
            return all_of_it, torch.zeros_like(all_of_it)
        if _cost(games) < self.nsamples:
            return _enumerated(games)
        return self.estimate(games)


def _cost(games: Games) -> int:
    """Return the forward rows a sample: (2^P − 2) B."""
    return ((1 << games.players) - 2) * len(games.background.rows)


def _enumerated(games: Games) -> tuple[torch.Tensor, torch.Tensor]:
    """Return Shapley values (n, P) of all coalitions, and their standard errors: none."""
    design = Design.drawn(games.players, 1 << games.players, seed=0, middle="paired")
    parts = (design.coalitions, design.by_value, design.by_total)
    coalitions, by_value, by_total = (
        torch.as_tensor(part, device=games.x.device) for part in parts
    )
    worth = Worth(games.detector, games.background.rows).of_coalitions(
        games.x, torch.nn.functional.pad(coalitions, (0, 1)), games.column
    )
    gained = worth[..., 0] - games.background.errors.mean()
    values = gained @ by_value.T + games.gain.mean(dim=1, keepdim=True) * by_total
    return values, torch.zeros_like(values)


def _players(numbers: torch.Tensor, players: torch.Tensor, count: int) -> torch.Tensor:
    """Return for each column (M,) which of the players (P,) it belongs to, P where to none.

    >>> _players(torch.tensor([0, 1, 1, 2]), torch.tensor([1, 2]), 3)
    tensor([2, 0, 0, 1])
    """
    place = torch.full((count,), len(players), device=numbers.device)
    place[players] = torch.arange(len(players), device=numbers.device)
    return place[numbers.flatten()]
