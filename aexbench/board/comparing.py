"""How sure a mean is, and a difference of two: variances in closed form, nothing is drawn.

What a board says is estimated for one of two targets. A *recipe* is what to expect of a detector
that is trained anew: its sample is the seeds. A *network* is given: its sample is the units, in
clusters, of all draws of anomalies. (What an explainer draws for itself counts as noise of units.)

Every estimate is a mean over sources, each of which counts the same. It varies by the sum of
squares of its *influences*, (K, n) for K rows; a difference of two rows by the squared distance of
theirs, so that what both have in common cancels. The variances are checked by simulation:
`python -m pytest tests/benchmarks/test_statistics.py -s` prints what they cover.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

LEVEL = 0.95
"""Of the two-sided intervals of a mean and of a named pair."""
PRIOR = 4.0
"""How many degrees of freedom the prior variance of a pair weighs as much as."""
CREDIT = 2.0
"""How many degrees of freedom it is worth: it fits no pair exactly (found by simulation)."""
LEAST_UNITS = 20
"""A group of fewer units has no interval of its own."""

Target = Literal["recipe", "network"]
Array = NDArray[np.float64]


def t_quantile(level: float, df: Array | float) -> Array:
    """Return the quantile of Student's t (much faster than `scipy.stats.t`, to the same digits)."""
    return np.asarray(special.stdtrit(df, level))


def enough_units(count: int) -> bool:
    """Whether a group of so many units has an interval of its own."""
    return count >= LEAST_UNITS


@dataclass(frozen=True, eq=False)
class Source:
    """The scores of one group: a data set, detector, corruption (or labels) and label.

    Attributes
    ----------
    block
        The name of what is trained together, the data set with its detector: all sources of a block
        have the same seeds, and at each of them the same network.
    values : one (K, U) float64 array a seed
        The scores of K rows on the units of each seed.
    clusters : one (U,) array a seed
        Which units are not independent, by any names; one name is one cluster in all sources.
    shared
        Whether seeds have units in common (labels: those that raise an alarm), and do not draw
        their own (corruptions).
    """

    block: str
    values: Sequence[Array]
    clusters: Sequence[NDArray[Any]]
    shared: bool = False

    def __post_init__(self) -> None:
        shapes = [(values.shape[1], len(self.clusters[s])) for s, values in enumerate(self.values)]
        if not shapes or any(units == 0 or units != named for units, named in shapes):
            raise ValueError("a source needs units at every seed, and a cluster for each of them")
        if not all(np.isfinite(values).all() for values in self.values):
            raise ValueError("scores are finite: leave out rows that are incomplete")

    @cached_property
    def scores(self) -> Array:
        """The means over units, (K, S)."""
        return np.stack([values.mean(axis=1) for values in self.values], axis=1)


@dataclass(frozen=True, eq=False)
class Part:
    """One part of the variance of the means: what comes from seeds, or from units.

    Attributes
    ----------
    pairs : (K, K) float64
        The variances of the differences, as they are measured.
    rows : (K,) float64
        The variances of the means.
    pairs_df, rows_df
        Their degrees of freedom. All are NaN where nobody can know.
    most_t
        How many standard errors a difference is at most. Units that all agree leave no variance,
        and two of them do so by chance: C units count as if one more had shown no difference.
    """

    pairs: Array
    rows: Array
    pairs_df: float
    rows_df: float
    most_t: float = np.inf


@dataclass(frozen=True)
class Estimate:
    """A mean or a difference with its variance and degrees of freedom, NaN where nobody can know.

    >>> low, high = Estimate(0.1, variance=0.0004, df=8.0).interval()
    >>> f"{low:.4f} {high:.4f}"
    '0.0539 0.1461'
    """

    value: float
    variance: float
    df: float

    def interval(self, level: float = LEVEL) -> tuple[float, float] | None:
        """Return the two-sided t interval."""
        low = self.lower((1 + level) / 2)
        return None if low is None else (low, 2 * self.value - low)

    def lower(self, level: float) -> float | None:
        """Return the one-sided lower bound."""
        if np.isnan(self.variance):
            return None
        return self.value - float(t_quantile(level, self.df) * np.sqrt(self.variance))

    def p_above(self) -> float | None:
        """Return the one-sided p value: how often one that is not above zero looks like this."""
        if np.isnan(self.variance):
            return None
        if self.variance == 0:
            return 0.0 if self.value > 0 else 1.0
        return float(special.stdtr(self.df, -self.value / np.sqrt(self.variance)))

    def __neg__(self) -> Estimate:
        return replace(self, value=-self.value)


@dataclass(frozen=True, eq=False)
class Comparison:
    """K rows on the same sources.

    Attributes
    ----------
    means : (K,) float64
        The mean over sources of the mean over seeds of the mean over units.
    parts
        What their variance is made of: from seeds, from units.
    seeds
        How many seeds the source has that has the fewest.
    target
        What the intervals are about.
    """

    means: Array
    parts: Sequence[Part]
    seeds: int
    target: Target

    def row(self, k: int) -> Estimate:
        """Return the mean of a row, with its own variance."""
        variance, df = added([(part.rows, part.rows_df) for part in self.parts])
        return Estimate(float(self.means[k]), float(variance[k]), float(df[k]))

    def pair(self, k: int, j: int) -> Estimate:
        """Return row k minus row j, with its moderated variance."""
        variance, df = self.pairs
        difference = float(self.means[k] - self.means[j])
        return Estimate(difference, float(variance[k, j]), float(df[k, j]))

    @cached_property
    def pairs(self) -> tuple[Array, Array]:
        """The moderated variances of all differences and their degrees of freedom, (K, K).

        The parts are added first. A pair has no more degrees of freedom than one whose parts are
        the means over all pairs: more would come of a part that was underestimated.
        """
        variance, df = added([(part.pairs, part.pairs_df) for part in self.parts])
        _, typical = added([(part.pairs.mean(keepdims=True), part.pairs_df) for part in self.parts])
        variance, df = moderated(variance, np.minimum(df, typical))
        least = (self.means[:, None] - self.means) / min(part.most_t for part in self.parts)
        return np.maximum(variance, least**2), df


def compare(sources: Sequence[Source], target: Target) -> Comparison:
    """Return the means of K rows, and what is known of their variance.

    Of a recipe the seeds vary, and the units too where all seeds share them; where each seed has
    units of its own, the variance over seeds holds theirs already. With one seed nobody can know.
    The sum of both parts counts the interaction of seeds and units twice: it errs to the side of
    caution.

    Parameters
    ----------
    sources
        At least one, each with the same K rows in the same order.
    target
        Whether a recipe is judged or one given network.

    Raises
    ------
    ValueError
        If there are no sources, or they differ in their rows, or in the seeds of a block.

    >>> rng = np.random.default_rng(0)
    >>> values = [np.array([[0.5], [0.4]]) + 0.02 * rng.normal(size=(2, 50)) for _ in range(5)]
    >>> board = compare([Source("wine", values, [np.arange(50)] * 5)], "recipe")
    >>> low, high = board.pair(0, 1).interval()
    >>> 0.08 < low < 0.1 < high < 0.12
    True
    """
    if not sources or len({len(values) for s in sources for values in s.values}) > 1:
        raise ValueError("a comparison needs sources that have the same rows")
    if len({(source.block, len(source.values)) for source in sources}) > len(_blocks(sources)):
        raise ValueError("sources of one block have the same seeds: leave out what is incomplete")
    means = np.mean([source.scores.mean(axis=1) for source in sources], axis=0)
    seeds = min(len(source.values) for source in sources)
    if target == "network":
        return Comparison(means, [of_units(sources, len(sources))], seeds, target)
    shared = [source for source in sources if source.shared]
    units = [of_units(shared, len(sources))] if shared else []
    return Comparison(means, [of_seeds(sources), *units], seeds, target)


def of_seeds(sources: Sequence[Source]) -> Part:
    """Return the variance that comes from seeds: in each block that of ȳ over seeds, divided by S.

    Sources of one block share the network of a seed, and are averaged at each seed first. Blocks
    are trained apart: the variances of their shares in the mean add up.
    """
    blocks = [
        np.sum([source.scores for source in sources if source.block == name], axis=0)
        for name in _blocks(sources)
    ]
    own = np.array([scores.shape[1] - 1 for scores in blocks], dtype=np.float64)
    if own.min() < 1:
        return _unknown(len(blocks[0]))
    influences = [_of_each_seed(scores / len(sources)) for scores in blocks]
    pairs = np.array([squared_distances(influence) for influence in influences])
    rows = np.array([squared_lengths(influence) for influence in influences])
    pairs_df, rows_df = (
        float(satterthwaite(variances.reshape(len(blocks), -1).mean(axis=1), own))
        for variances in (pairs, rows)
    )
    return Part(pairs.sum(axis=0), rows.sum(axis=0), pairs_df, rows_df)


def _blocks(sources: Sequence[Source]) -> list[str]:
    """Return the names of the blocks."""
    return list(dict.fromkeys(source.block for source in sources))


def _of_each_seed(scores: Array) -> Array:
    """Return the influences of S seeds, (ȳ_s − ȳ) / √(S (S − 1))."""
    seeds = scores.shape[1]
    deviations = scores - scores.mean(axis=1, keepdims=True)
    return np.asarray(deviations / np.sqrt(seeds * (seeds - 1)))


def of_units(sources: Sequence[Source], count: int) -> Part:
    """Return the cluster-robust variance of sources' share in a mean over `count` sources.

    It is that of the jackknife, (C − 1)/C Σ (ȳ₋c − ȳ)², where ȳ₋c leaves out cluster c: of clusters
    of one size, the variance of their means divided by C.
    """
    names = np.unique(np.concatenate([name for source in sources for name in source.clusters]))
    influence = np.zeros((len(sources[0].scores), len(names)))
    size = np.zeros(len(names))
    for source in sources:
        own, share = _of_each_cluster(source, names)
        influence, size = influence + own / count, size + share / count
    if np.isnan(influence).any():
        return _unknown(len(influence))
    df = df_of_clusters(size / size.sum())
    # with one more that shows 0, C equal differences have a mean of C times its standard error
    return Part(squared_distances(influence), squared_lengths(influence), df, df, most_t=df + 1)


def df_of_clusters(size: Array) -> float:
    """Return the degrees of freedom of the jackknife over clusters that are such shares of a whole:
    C − 1 where they have one size, fewer where a few are large.

    (tr G)² / tr(G²) for the G = cov(ȳ₋c − ȳ) of independent units (Bell and McCaffrey 2002), which
    is a_c a_d (1[c = d] / p_c − 1) with a = p / (1 − p).
    """
    a = size / (1 - size)
    return float(a.sum() ** 2 / ((a**2).sum() - (a**4).sum() + (a**2).sum() ** 2))


def _of_each_cluster(source: Source, names: NDArray[Any]) -> tuple[Array, Array]:
    """Return the influences of all clusters on a source, √((C − 1)/C) (ȳ₋c − ȳ), and their sizes
    as shares of one; NaN where all units are one cluster.
    """
    mean = source.scores.mean(axis=1)
    total, size = np.zeros((len(names), len(mean))), np.zeros(len(names))
    for values, clusters in zip(source.values, source.clusters, strict=True):
        weight = 1 / (len(source.values) * len(clusters))
        place = np.searchsorted(names, clusters)
        np.add.at(total, place, weight * values.T)
        np.add.at(size, place, weight)
    count = np.count_nonzero(size)
    if count == 1:
        return np.full_like(total.T, np.nan), size
    left_out = (mean[:, None] - total.T) / (1 - size)
    return np.sqrt((count - 1) / count) * (left_out - mean[:, None]), size


def squared_distances(influence: Array) -> Array:
    """Return Σ (e_k − e_j)² for all pairs of rows, (K, K)."""
    # row by row: (K, K, n) does not fit in memory, and a matrix product leaves rounding where two
    # rows are the same
    return np.array([squared_lengths(influence - row) for row in influence])


def squared_lengths(influence: Array) -> Array:
    """Return Σ e_k² for each row, (K,)."""
    return np.asarray((influence**2).sum(axis=1))


def moderated(variance: Array, df: Array | float) -> tuple[Array, Array]:
    """Return the variances of pairs drawn to those of other pairs, and their degrees of freedom.

    (d₀ · prior + df · v) / (d₀ + df), as limma does (Smyth 2004), where the prior of a pair lies
    halfway between the mean over the pairs that share a row with it, since rows differ in their
    spread, and the mean over all pairs, 2MS. It is worth `CREDIT` degrees of freedom, fewer than it
    weighs, and no more than half of those that the other rows have.
    """
    rows = len(variance)
    degrees = np.broadcast_to(np.asarray(df, dtype=np.float64), variance.shape)
    if rows == 1:
        return variance, degrees
    of_row = variance.sum(axis=1) / (rows - 1)
    prior = ((of_row[:, None] + of_row) / 2 + of_row.mean()) / 2
    drawn = (PRIOR * prior + degrees * variance) / (PRIOR + degrees)
    np.fill_diagonal(drawn, 0.0)
    return drawn, degrees + credit(rows, degrees)


def credit(rows: int, df: Array | float) -> Array:
    """Return how many degrees of freedom the prior variance of a pair is worth."""
    return np.minimum(CREDIT, (rows - 2) / 2 * np.asarray(df))


def added(parts: Sequence[tuple[Array, Array | float]]) -> tuple[Array, Array]:
    """Return the sums of independent variances, and their degrees of freedom."""
    variances = np.array([variance for variance, _ in parts])
    dfs = np.array([np.broadcast_to(df, variances[0].shape) for _, df in parts])
    return variances.sum(axis=0), satterthwaite(variances, dfs)


def satterthwaite(variances: Array, dfs: Array) -> Array:
    """Return the degrees of freedom of sums along the first axis, (Σv)² / Σ(v²/df); the fewest of
    what is added where nothing varies.
    """
    largest = variances.max(axis=0)
    share = variances / np.where(largest == 0, 1.0, largest)
    with np.errstate(invalid="ignore"):
        df = share.sum(axis=0) ** 2 / (share**2 / dfs).sum(axis=0)
    return np.asarray(np.where(largest == 0, dfs.min(axis=0), df))


def _unknown(rows: int) -> Part:
    return Part(np.full((rows, rows), np.nan), np.full(rows, np.nan), np.nan, np.nan)
