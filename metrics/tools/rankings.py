"""Features in the order of their attributions, where those of one value stand in random order.

Metrics of one sample ask at which ranks the true features are. Features of one attribution form a
block: every order of them is as likely as any other, and a metric is its expectation over these
orders (McSherry & Najork, "Computing Information Retrieval Performance Measures Efficiently in the
Presence of Tied Scores", ECIR 2008). So a constant map scores exactly what chance scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Counts = NDArray[np.int64]
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Ranking:
    """The block that each rank 1 … M of each sample lies in: arrays (N, M), rank 1 first.

    Attributes
    ----------
    above
        How many features stand above the block, and
    found
        how many of these are true.
    tied
        How many features are in the block, and
    true
        how many of these are true.
    """

    above: Counts
    found: Counts
    tied: Counts
    true: Counts

    @property
    def features(self) -> int:
        """How many features a sample has: M."""
        return int(self.above.shape[1])

    @property
    def ranks(self) -> Counts:
        """1 … M."""
        return np.arange(1, self.features + 1)

    @property
    def places(self) -> Counts:
        """The place of each rank in its block: 1 … tied, (N, M)."""
        return self.ranks - self.above

    @property
    def causes(self) -> Counts:
        """How many features of each sample are true: (N,)."""
        return np.asarray(self.found[:, -1] + self.true[:, -1])

    @property
    def chances(self) -> Scores:
        """How likely the feature of each rank is a true one: (N, M)."""
        return self.true / self.tied

    def hits(self) -> Scores:
        """Return how many true features are expected among the first 1 … M: (N, M)."""
        return self.found + self.places * self.true / self.tied

    def hits_among(self, tops: ArrayLike) -> Scores:
        """Return how many true features are expected among the first `tops`, one number or one for
        each sample, at least 1: (N,).
        """
        last = np.minimum(np.broadcast_to(tops, len(self.above)), self.features) - 1
        return np.asarray(self.hits()[np.arange(len(last)), last])

    def pairs_in_order(self) -> Scores:
        """Return the share of pairs of a true and a false feature whose true one stands above, one
        half where there is no pair, as by chance: (N,).
        """
        false = self.features - self.causes
        before = self.above - self.found + (self.tied - self.true) / 2  # false ones
        right = (self.chances * (false[:, None] - before)).sum(axis=1)
        return np.where(false > 0, right / np.maximum(self.causes * false, 1), 0.5)


def ranking(attributions: ArrayLike, truth: ArrayLike) -> Ranking:
    """Return the ranking of each sample's features, the highest attribution first.

    Parameters
    ----------
    attributions : (N, …) float
        Higher is more responsible.
    truth : (N, …) bool
        At least one true feature per sample.

    Raises
    ------
    ValueError
        If shapes differ, an attribution is not finite, or a sample has no true feature.

    Examples
    --------
    >>> ranking([[0.5, 0.9, 0.5]], [[1, 0, 0]]).hits()
    array([[0. , 0.5, 1. ]])
    """
    values, true = rows(attributions, truth)
    order = np.argsort(-values, axis=1)
    above, end = _blocks(np.take_along_axis(values, order, axis=1))
    hits = np.zeros((len(values), values.shape[1] + 1), dtype=np.int64)  # among the first 0 … M
    np.cumsum(np.take_along_axis(true, order, axis=1), axis=1, out=hits[:, 1:])
    found = np.take_along_axis(hits, above, axis=1)
    return Ranking(above, found, end - above, np.take_along_axis(hits, end, axis=1) - found)


def rows(attributions: ArrayLike, truth: ArrayLike) -> tuple[Scores, NDArray[np.bool_]]:
    """Return attributions and truth by sample and feature: (N, M) each.

    Raises
    ------
    ValueError
        If shapes differ, an attribution is not finite, or a sample has no true feature.

    Examples
    --------
    >>> rows([[[1, 2]]], [[[1, 0]]])
    (array([[1., 2.]]), array([[ True, False]]))
    """
    values, true = np.asarray(attributions, dtype=np.float64), np.asarray(truth, dtype=bool)
    if values.shape != true.shape or values.ndim < 2:
        raise ValueError(
            f"attributions {values.shape} and truth {true.shape} must have one shape (N, …)"
        )
    values, true = values.reshape(len(values), -1), true.reshape(len(true), -1)
    if not np.isfinite(values).all():
        raise ValueError("attributions are not finite")
    if not true.any(axis=1).all():
        raise ValueError("a sample has no true feature")
    return values, true


def _blocks(ordered: Scores) -> tuple[Counts, Counts]:
    """Return how many features stand above each rank's block, and how many down to its end."""
    ranks = np.arange(1, ordered.shape[1] + 1)
    last = np.ones(ordered.shape, dtype=bool)  # of its block
    last[:, :-1] = ordered[:, 1:] != ordered[:, :-1]
    first = np.roll(last, 1, axis=1)
    above = np.maximum.accumulate(np.where(first, ranks - 1, 0), axis=1)
    ends = np.where(last, ranks, ordered.shape[1])
    return above, np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]
