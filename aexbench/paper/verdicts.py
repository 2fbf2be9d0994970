"""From an interval to a verdict: the rules, and nothing else.

What is surely so is *supported*, what is surely not so is *not supported*; where the interval holds
both, or nobody can know, it *cannot be said*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from aexbench.board.comparing import Estimate, satterthwaite

Verdict = Literal["supported", "not supported", "cannot be said"]
YES: Verdict = "supported"
NO: Verdict = "not supported"
UNKNOWN: Verdict = "cannot be said"


@dataclass(frozen=True)
class Found:
    """A verdict with what it rests on."""

    verdict: Verdict
    evidence: str

    def __str__(self) -> str:
        return f"{self.verdict}: {self.evidence}"


def above(estimate: Estimate, bound: float, what: str) -> Found:
    """Return whether something is surely above a bound.

    >>> str(above(Estimate(0.8, 0.0001, 8.0), 0.5, "LRP"))
    'supported: LRP 0.80 [0.78, 0.82]'
    >>> str(above(Estimate(0.4, 0.01, 8.0), 0.5, "LRP"))
    'cannot be said: LRP 0.40 [0.17, 0.63]'
    """
    interval = estimate.interval()
    if interval is None:
        return Found(UNKNOWN, f"{what} {estimate.value:.2f}, without an interval")
    low, high = interval
    said = f"{what} {estimate.value:.2f} [{low:.2f}, {high:.2f}]"
    if low > bound:
        return Found(YES, said)
    return Found(NO if high < bound else UNKNOWN, said)


def below(estimate: Estimate, bound: float, what: str) -> Found:
    """Return whether something is surely below a bound."""
    found = above(estimate, bound, what)
    turned: dict[Verdict, Verdict] = {YES: NO, NO: YES, UNKNOWN: UNKNOWN}
    return Found(turned[found.verdict], found.evidence)


def every(parts: Sequence[Found]) -> Found:
    """Return whether all of it is so: no, where one part is surely not.

    >>> str(every([Found("supported", "a"), Found("not supported", "b")]))
    'not supported: a; b'
    """
    verdicts = {part.verdict for part in parts}
    said = "; ".join(dict.fromkeys(part.evidence for part in parts))
    if NO in verdicts:
        return Found(NO, said)
    return Found(YES if verdicts == {YES} else UNKNOWN, said)


def averaged(parts: Sequence[Estimate], weights: Sequence[int]) -> Estimate:
    """Return the mean of independent estimates, each of which counts by its weight.

    >>> averaged([Estimate(0.1, 0.01, 8.0), Estimate(0.3, 0.01, 8.0)], [1, 1])
    Estimate(value=0.2, variance=0.005, df=16.0)
    """
    shares = np.array(weights) / sum(weights)
    values, variances, dfs = (
        np.array([getattr(part, name) for part in parts]) for name in ("value", "variance", "df")
    )
    own = shares**2 * variances
    return Estimate(float(shares @ values), float(own.sum()), float(satterthwaite(own, dfs)))


def unknown(why: str) -> Found:
    """Return that it cannot be said, and why."""
    return Found(UNKNOWN, why)
