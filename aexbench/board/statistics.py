"""Paired bootstrap over units and seeds: how sure is a mean, and a difference of two?

Samples of one unit (a source row, a segment, an image) are not independent, nor are the results of
one training seed. Units and seeds are resampled apart and their weights multiplied (Owen, "The
pigeonhole bootstrap", Annals of Applied Statistics 1, 2007), with the same draws for everything
that is compared. Intervals are 95 %, percentile, for one comparison at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
LEVEL = (0.025, 0.975)

Samples = Mapping[int, tuple[NDArray[np.float64], NDArray[np.int64]]]
"""The values (N,) and units (N,) of each seed."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Distribution:
    """A mean, and the means of the resamples (B,)."""

    mean: float
    resamples: NDArray[np.float64]

    def estimate(self) -> Estimate:
        """Return the mean with its interval."""
        low, high = np.nanquantile(self.resamples, LEVEL)
        return Estimate(self.mean, float(low), float(high))

    def minus(self, other: Distribution) -> Distribution:
        """Return the distribution of the paired difference."""
        return Distribution(self.mean - other.mean, self.resamples - other.resamples)


def average(distributions: Sequence[Distribution]) -> Distribution:
    """Return the mean over groups, each of which counts the same."""
    mean = float(np.mean([d.mean for d in distributions]))
    return Distribution(mean, np.mean([d.resamples for d in distributions], axis=0))


@dataclass
class Bootstrap:
    """The resamples of one source: one data set with one detector recipe, whose units and seeds are
    shared.

    Parameters
    ----------
    units, seeds
        All that occur in the source.
    """

    units: NDArray[np.int64]
    seeds: Sequence[int]
    resamples: int = RESAMPLES

    def __post_init__(self) -> None:
        """Draw how often each unit and each seed occurs in each resample."""
        rng = np.random.default_rng(0)
        self.units = np.unique(self.units)
        self._unit_weights = _counts(rng, len(self.units), self.resamples)
        self._seed_weights = dict(
            zip(self.seeds, _counts(rng, len(self.seeds), self.resamples).T, strict=True)
        )

    def mean(self, samples: Samples) -> Distribution:
        """Return the distribution of the mean over all samples of all seeds."""
        totals, counts = np.zeros(self.resamples), np.zeros(self.resamples)
        for seed, (values, units) in samples.items():
            index = np.searchsorted(self.units, units)
            weight = self._seed_weights[seed]
            totals += weight * (self._unit_weights @ np.bincount(index, values, len(self.units)))
            counts += weight * (self._unit_weights @ np.bincount(index, minlength=len(self.units)))
        plain = np.concatenate([values for values, _ in samples.values()])
        empty = np.full_like(totals, np.nan)  # a resample may miss all samples of a small group
        return Distribution(
            float(plain.mean()), np.divide(totals, counts, out=empty, where=counts > 0)
        )


def _counts(rng: np.random.Generator, items: int, resamples: int) -> NDArray[np.float64]:
    """Return how often each of `items` is drawn in each resample, (B, items)."""
    return rng.multinomial(items, np.full(items, 1 / items), size=resamples).astype(np.float64)
