"""Boards of rows that are equal in truth, for simulations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aexbench.board.comparing import LEVEL, Comparison, Source, Target, compare, t_quantile
from aexbench.board.ranks import surely_better

WIDE = 2  # so many rows have another spread than the others


@dataclass(frozen=True)
class Case:
    """How boards are drawn.

    Attributes
    ----------
    spread
        Of the first two rows; that of the others is 1.
    share
        Of the variance of a paired difference at one seed, what comes from the seed.
    shared
        Whether units are the same at every seed.
    blocks
        How many sources that are trained apart.
    """

    rows: int
    seeds: int
    spread: float = 1.0
    share: float = 0.6
    shared: bool = False
    blocks: int = 1
    units: int = 20

    def sources(self, rng: np.random.Generator) -> list[Source]:
        """Draw a board."""
        return [self._source(rng, block) for block in range(self.blocks)]

    def _source(self, rng: np.random.Generator, block: int) -> Source:
        shape = (self.rows, self.seeds, self.units)
        of_seeds = rng.normal(size=shape[:2])[:, :, None]
        of_units = rng.normal(size=(self.rows, 1, self.units) if self.shared else shape)
        noise = np.sqrt(self.share) * of_seeds + np.sqrt((1 - self.share) * self.units) * of_units
        values = np.moveaxis(noise * self.spreads[:, None, None], 1, 0)
        names = np.arange(self.units) + block * self.units
        return Source(f"block {block}", list(values), [names] * self.seeds, self.shared)

    @property
    def spreads(self) -> np.ndarray:
        return np.where(np.arange(self.rows) < WIDE, self.spread, 1.0)


@dataclass(frozen=True)
class Found:
    """What came of many boards: how often one ranks a row falsely, and how often the interval of
    the pair that is covered worst holds the truth.

    Pairs of the same spreads are alike: the mean over them is the coverage of each.
    """

    family_error: float
    worst_coverage: float


def simulated(case: Case, boards: int, seed: int = 0, target: Target = "recipe") -> Found:
    """Return what comes of boards of equal rows."""
    rng = np.random.default_rng(seed)
    wide = np.arange(case.rows) < WIDE
    kinds = (wide[:, None].astype(int) + wide)[np.triu_indices(case.rows, 1)]
    errors, covered = 0, np.zeros(len(kinds))
    for _ in range(boards):
        comparison = compare(case.sources(rng), target)
        errors += surely_better(comparison).any()
        covered += pairs_covered(comparison)
    coverage = [covered[kinds == kind].mean() / boards for kind in np.unique(kinds)]
    return Found(errors / boards, float(min(coverage)))


def pairs_covered(comparison: Comparison) -> np.ndarray:
    """Return whether the interval of each pair holds zero."""
    above = np.triu_indices(len(comparison.means), 1)
    variance, df = (values[above] for values in comparison.pairs)
    difference = (comparison.means[:, None] - comparison.means)[above]
    return np.abs(difference) <= t_quantile((1 + LEVEL) / 2, df) * np.sqrt(variance)
