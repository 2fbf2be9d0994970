"""Metrics of one ranking without ties, by their definitions: `hits` says from the first rank on
whether a true feature stands there.
"""

from __future__ import annotations

import math

from tests.metrics.orders import Hits


def r_precision(hits: Hits) -> float:
    """Share of the true features among as many as are true."""
    return sum(hits[: sum(hits)]) / sum(hits)


def average_precision(hits: Hits) -> float:
    """Mean of the precision of the list that ends at each true feature."""
    precisions = []
    for k in range(1, len(hits) + 1):
        if hits[k - 1]:
            precisions.append(sum(hits[:k]) / k)
    return sum(precisions) / len(precisions)


def reciprocal_rank(hits: Hits) -> float:
    """1 over the rank of the first true feature."""
    return 1 / (1 + hits.index(True))


def pairs_in_order(hits: Hits) -> float:
    """Share of the pairs of a true and a false feature whose true one stands higher."""
    pairs = []
    for true in range(len(hits)):
        for false in range(len(hits)):
            if hits[true] and not hits[false]:
                pairs.append(true < false)
    return sum(pairs) / len(pairs) if pairs else 0.5


def first_is_true(hits: Hits) -> float:
    """1 where a true feature stands first."""
    return float(hits[0])


def discounted_gain(hits: Hits) -> float:
    """Sum of 1 / log2(1 + rank) over the true features."""
    gain = 0.0
    for k, hit in enumerate(hits, start=1):
        if hit:
            gain += 1 / math.log2(1 + k)
    return gain


def ndcg(hits: Hits) -> float:
    """The gain of a ranking by that of the ranking that has all true features first."""
    return discounted_gain(hits) / discounted_gain(tuple(sorted(hits, reverse=True)))


def hit_rate(hits: Hits, percent: int) -> float:
    """Share of the true features among the first ⌊P% · |GT|⌋."""
    looked_at = math.floor(percent / 100 * sum(hits))
    return sum(hits[:looked_at]) / sum(hits)


def looked_at(hits: Hits, until: str) -> int:
    """How many features are looked at, one by one, until the first or all true ones are found."""
    wanted = 1 if until == "first" else sum(hits)
    found = 0
    for k, hit in enumerate(hits, start=1):
        found += hit
        if found == wanted:
            return k
    raise AssertionError("every sample has a true feature")
