"""The background of estimators that ask about one of its rows at a time: all of it may be drawn
from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from aexbench import Detector
from aexbench.explainers.shapley.players import bounds
from aexbench.explainers.tools.baselines import normal_rows
from aexbench.rows import most, sample

ROWS = 100_000  # that are kept where nothing is said, fewer where they have more than 2²⁵ values
AGAIN = 40  # draws of rows drawn before, where there would be hardly any
VARIANCE_ROWS = 256  # that become float64 at once


@dataclass(frozen=True)
class Background:
    """Normal rows that stand for what is left out, and what is known of them once and for all.

    Attributes
    ----------
    rows : (B, …)
        On the detector's device, of its type.
    errors : (B,) float64
        e(b) of each.
    """

    rows: torch.Tensor
    errors: torch.Tensor

    @staticmethod
    def of(detector: Detector, given: ArrayLike, rows: int | None, seed: int) -> Background:
        """Return all of the background, or a seeded sample of so many rows."""
        normal = normal_rows(detector, given)
        chosen = sample(normal, most(normal, ROWS) if rows is None else rows, seed)
        kept = torch.as_tensor(chosen).to(detector.device, detector.dtype)
        return Background(kept, detector.error(kept).double())

    @cached_property
    def bounds(self) -> torch.Tensor:
        """The least and the greatest value of its columns (2, …)."""
        return bounds(self.rows)

    @cached_property
    def mean(self) -> torch.Tensor:
        """The mean of its columns (M,), float64."""
        return self.rows.flatten(1).mean(dim=0, dtype=torch.float64)

    @cached_property
    def covariance(self) -> torch.Tensor:
        """The covariance of its columns (M, M), float64."""
        away = self.rows.flatten(1) - self.mean
        return away.T @ away / len(away)

    @cached_property
    def variance(self) -> torch.Tensor:
        """The variance of its columns (M,), float64: where there are too many to be paired."""
        total = torch.zeros_like(self.mean)
        for part in self.rows.flatten(1).split(VARIANCE_ROWS):
            total += (part - self.mean).square().sum(dim=0)
        return total / len(self.rows)

    def draws(self, generator: np.random.Generator, count: int) -> NDArray[np.int64]:
        """Return `count` rows by their numbers in random order: each as often as any other, or once
        more. Where that would leave none to be drawn again, or hardly any, a few are, for the
        standard error's sake.
        """
        size, again = len(self.rows), min(AGAIN, count // 3)
        if size / 4 < count <= size + again:
            some = generator.choice(size, size=count - again, replace=False)
            return generator.permutation(np.concatenate([some, some[:again]]))
        whole, rest = divmod(count, size)
        some = generator.choice(size, size=rest, replace=False, shuffle=False)
        every = np.concatenate([np.tile(np.arange(size), whole), some])
        return generator.permutation(every)
