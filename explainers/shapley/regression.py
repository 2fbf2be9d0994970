"""Shapley values from what coalitions are worth: one factorisation for all samples whose varying
features agree.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from aexbench.explainers.shapley.coalitions import Design, Middle
from aexbench.explainers.shapley.players import alike, bounds, varying
from aexbench.explainers.shapley.values import Worth
from aexbench.explainers.tools.units import Units

VALUE_BYTES = 2**26  # of the values of one round of samples

Read = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Regression:
    """Shapley values of what coalitions are worth, for samples of any segments."""

    def __init__(self, worth: Worth, nsamples: int, seed: int, middle: Middle) -> None:
        self.worth, self.nsamples, self.seed, self.middle = worth, nsamples, seed, middle
        self._bounds = bounds(worth.background)
        self._designs: dict[int, tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = {}

    def solve(self, x: torch.Tensor, numbers: torch.Tensor, read: Read) -> torch.Tensor:
        """Return what `read` makes of Shapley values, (N, P) in float64, of the segments of samples
        x (N, …).

        Parameters
        ----------
        numbers : (N, …)
            Of the segments; those that take no part have 0.
        read
            Makes numbers (n, p) of the values (n, p, D) of some samples, whose rows in x it is told
            (n,).
        """
        nobody = self.worth.of_nobody(x)
        total = self.worth.of_everybody(x) - nobody
        units = Units.of(self.worth.detector.features, tuple(x.shape[1:]))
        who = varying(x, numbers, self._bounds, units)
        found = torch.zeros(who.shape, dtype=torch.float64, device=x.device)
        for part in alike(numbers, who):
            players = who[part[0]].nonzero().flatten()
            for rows in part.split(self._round(len(players), total.shape[1])):
                values = self._solve(x[rows], numbers[rows[0]], players, nobody[rows], total[rows])
                found[rows[:, None], players] = read(values, rows)
        return found

    def _solve(
        self,
        x: torch.Tensor,
        numbers: torch.Tensor,
        players: torch.Tensor,
        nobody: torch.Tensor,
        total: torch.Tensor,
    ) -> torch.Tensor:
        """Return Shapley values (n, p, D) of those segments that take part, the same for all
        samples.
        """
        if len(players) < 2:  # one has it all
            return total[:, None].expand(-1, len(players), -1)
        coalitions, by_value, by_total = self._design(len(players))
        everyone = torch.zeros(
            len(coalitions), int(numbers.max()) + 1, dtype=torch.bool, device=x.device
        )
        everyone[:, players] = coalitions
        worth = self.worth.of_coalitions(x, everyone, numbers).sub_(nobody[:, None])
        return (by_value @ worth).add_(by_total[:, None] * total[:, None])

    def _design(self, players: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return coalitions and the solution operators for a number of players, drawn and
        factorised once.
        """
        if players not in self._designs:
            design = Design.drawn(players, self.nsamples, self.seed, self.middle)
            device = self.worth.background.device
            parts = (design.coalitions, design.by_value, design.by_total)
            self._designs[players] = tuple(torch.as_tensor(part, device=device) for part in parts)  # type: ignore[assignment]
        return self._designs[players]

    def _round(self, players: int, outputs: int) -> int:
        """Return for how many samples the values of all coalitions are kept at once: twice, while
        parts are joined.
        """
        coalitions = min(self.nsamples, (1 << players) - 2)
        return max(1, VALUE_BYTES // (8 * outputs * max(1, 2 * coalitions + 4 * players)))
