"""Shapley values from what coalitions are worth: one factorisation for all samples whose varying
features agree.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable

import torch

from aexbench.detector import in_chunks
from aexbench.explainers.shapley.coalitions import Design, Middle
from aexbench.explainers.shapley.values import Worth
from aexbench.explainers.tools.units import Units

VALUE_BYTES = 2**26  # of the values of one round of samples
DIFFERENCES = 2**22  # between samples and the background that are looked at at once

Read = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Regression:
    """Shapley values of what coalitions are worth, for samples of any segments."""

    def __init__(self, worth: Worth, nsamples: int, seed: int, middle: Middle) -> None:
        self.worth, self.nsamples, self.seed, self.middle = worth, nsamples, seed, middle
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
        count = int(numbers.max()) + 1
        varying = self.varying(x, numbers, count)
        found = torch.zeros(len(x), count, dtype=torch.float64, device=x.device)
        for part in alike(numbers, varying):
            players = varying[part[0]].nonzero().flatten()
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

    def varying(self, x: torch.Tensor, numbers: torch.Tensor, players: int) -> torch.Tensor:
        """Return which segments (N, P) differ from any row of the background: shap's tolerance,
        1e-8 + 1e-5 |b|, in units of the features' ranges.
        """
        units = Units.of(self.worth.detector.features, tuple(x.shape[1:]))
        background = units.scaled(self.worth.background)
        tolerance = 1e-8 + 1e-5 * background.abs()

        def differs(part: torch.Tensor) -> torch.Tensor:
            near = (units.scaled(part)[:, None] - background).abs() <= tolerance
            return ~near.all(dim=1)  # what is no number differs

        columns = in_chunks(differs, x, max(1, DIFFERENCES // background.numel())).flatten(1)
        counts = torch.zeros(len(x), players, device=x.device)
        return counts.scatter_add_(1, numbers.flatten(1), columns.to(counts.dtype)) > 0

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


def alike(numbers: torch.Tensor, varying: torch.Tensor) -> list[torch.Tensor]:
    """Return the rows of samples that have the same segments (N, …), and the same varying ones (N,
    P) among them.
    """
    shared = numbers.stride(0) == 0 or len(numbers) == 1  # one row of numbers stands for all
    keys = [
        b"" if shared else hashlib.blake2b(row.cpu().numpy().tobytes()).digest() for row in numbers
    ]
    groups: dict[tuple[bytes, bytes], list[int]] = defaultdict(list)
    for index, (key, taking_part) in enumerate(zip(keys, varying.cpu().numpy(), strict=True)):
        groups[key, taking_part.tobytes()].append(index)
    return [torch.tensor(rows, device=varying.device) for rows in groups.values()]
