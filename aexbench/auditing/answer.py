"""Which explainer to trust: one table decides, from the top.

1. The detector has learned nothing, or its error tells nothing: no answer.
2. `deviation` is as good as every explainer on all that is like the alarms: none is needed.
3. Ten or more labelled incidents choose from a shortlist; three to nine only veto.
4. An explainer is surely better than `residual` and `deviation` on anomalies like the alarms, and
   surely worse on no kind: that one.
5. Else `residual`, with what it would take to know better.

"Surely" is about the given network, with Holm's procedure over the explainers that were tried. That
kinds of anomalies agree is taken for no sign of being right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from aexbench.auditing.evidence import PLAIN, Evidence, Kind, Tried
from aexbench.board.comparing import Estimate
from aexbench.board.gains import holm
from aexbench.board.power import detectable
from aexbench.explaining.choice import DEFAULT

ALIKE = 0.02
"""Differences of means up to this are none where it is asked whether an explainer is needed."""
CHOOSING = 10
"""Labelled incidents that choose."""
VETOING = 3
"""Labelled incidents that veto."""
SHORT = 3
"""Explainers of the shortlist that come from anomalies like the alarms."""
ALWAYS = (DEFAULT, "repair")
"""Explainers of every shortlist."""
WORTH_KNOWING = 0.05
"""The difference that it is said of how many labelled incidents would settle it."""
MOST_INCIDENTS = 10_000

By = Literal["detector", "deviation", "labels", "explainer", "default"]
"""Which row of the table has decided."""


@dataclass(frozen=True)
class Answer:
    """What an audit answers.

    Attributes
    ----------
    by
        Which row of the table has decided.
    explainer
        Whose explanations to take, a name with brackets; None where there is no answer.
    runner_up
        The one that came next, where it says something how sure the answer is.
    difference
        The runner-up's mean minus the explainer's, or the explainer's minus that of `residual`
        where it was chosen against it.
    over_plain
        The runner-up's mean minus that of `deviation`, where it came next to the default.
    vetoed
        Explainers that would have been chosen, were it not for the labels.
    """

    by: By
    explainer: str | None
    runner_up: str | None = None
    difference: Estimate | None = None
    over_plain: Estimate | None = None
    vetoed: Sequence[str] = ()


def decide(evidence: Evidence) -> Answer:
    """Return the answer by the first row of the table that applies."""
    rules: Sequence[Callable[[Evidence], Answer | None]] = (
        worthless,
        no_explainer_needed,
        by_labels,
        surely_better,
    )
    for rule in rules:
        if (answer := rule(evidence)) is not None:
            return answer
    return by_default(evidence)


def worthless(evidence: Evidence) -> Answer | None:
    """Row 1: nothing can be said of a detector that has learned nothing."""
    return Answer("detector", None) if evidence.worth.problem else None


def no_explainer_needed(evidence: Evidence) -> Answer | None:
    """Row 2: `deviation` is as good as every explainer, on all that is like the alarms."""
    kinds = [*evidence.matched, *_judging(evidence, VETOING)]
    if not kinds or not all(map(_plain_suffices, kinds)):
        return None
    return Answer("deviation", PLAIN)


def _plain_suffices(kind: Kind) -> bool:
    """Whether no explainer has more than `deviation`, by its mean or surely."""
    if PLAIN not in kind.tried:
        return False
    over = [one.over_plain for one in kind.explainers if one.over_plain is not None]
    return all(difference.value <= ALIKE for difference in over) and not any(_surely(over))


def by_labels(evidence: Evidence) -> Answer | None:
    """Row 3: enough labelled incidents choose from a shortlist, against `residual` only what is
    surely better.
    """
    for labels in _judging(evidence, CHOOSING):
        names = [name for name in shortlist(evidence) if name in labels.tried]
        others = [labels.tried[name] for name in names if name != DEFAULT]
        over = [one.over_default for one in others if one.over_default is not None]
        if len(over) < len(others) or not others:
            return None
        sure = [one for one, better in zip(others, _surely(over), strict=True) if better]
        best = max(sure or others, key=lambda one: one.lead)
        if sure:
            return Answer("labels", best.explainer, DEFAULT, best.over_default)
        return Answer("labels", DEFAULT, best.explainer, best.over_default)
    return None


def shortlist(evidence: Evidence) -> list[str]:
    """Return the explainers that labels choose from: `residual`, `repair`, and the best three on
    anomalies like the alarms.
    """
    alike = evidence.alike
    best = [] if alike is None else sorted(alike.explainers, key=lambda one: -one.lead)
    names = [one.explainer for one in best[:SHORT]]
    return list(dict.fromkeys([*ALWAYS, *names]))


def surely_better(evidence: Evidence) -> Answer | None:
    """Row 4: one is surely better than `residual` and `deviation` where anomalies are like the
    alarms, and surely worse on no kind; few labelled incidents may veto it.
    """
    harmless = [name for name in candidates(evidence) if not _does_harm(name, evidence)]
    vetoes = [name for name in harmless if vetoed(name, evidence)]
    left = [name for name in harmless if name not in vetoes]
    if not left:
        return None
    assert evidence.alike is not None
    best = max((evidence.alike.tried[name] for name in left), key=lambda one: one.lead)
    return Answer("explainer", best.explainer, DEFAULT, best.over_default, vetoed=vetoes)


def _does_harm(name: str, evidence: Evidence) -> bool:
    """Whether an explainer is surely worse than `residual` on some kind."""
    return any(_worse(name, kind) for kind in evidence.kinds)


def candidates(evidence: Evidence) -> list[str]:
    """Return the explainers that are surely better than both rules on what is like the alarms."""
    return [] if evidence.alike is None else _better_than_both(evidence.alike)


def _better_than_both(kind: Kind) -> list[str]:
    """Return the explainers that are surely better than `residual` and `deviation`, by Holm over
    all that were tried; each must be better than both, so that its p value is the greater.
    """
    others = [one for one in kind.explainers if one.explainer != DEFAULT]
    p_values = [max(map(_p_above, (one.over_default, one.over_plain))) for one in others]
    allowed = holm(p_values)
    return [
        one.explainer for one, p, error in zip(others, p_values, allowed, strict=True) if p < error
    ]


def _p_above(difference: Estimate | None) -> float:
    """Return how often one that is not above zero looks like this; 1 where nobody knows."""
    p = None if difference is None else difference.p_above()
    return 1.0 if p is None else p


def _surely(differences: Iterable[Estimate]) -> list[bool]:
    """Return which differences are surely above zero, by Holm over all of them."""
    p_values = [_p_above(one) for one in differences]
    return [p < error for p, error in zip(p_values, holm(p_values), strict=True)]


def _worse(name: str, kind: Kind) -> bool:
    """Whether an explainer is surely worse than `residual` on a kind."""
    tried = kind.tried.get(name)
    if tried is None or tried.over_default is None:
        return False
    interval = tried.over_default.interval()
    return interval is not None and interval[1] < 0


def vetoed(name: str, evidence: Evidence) -> bool:
    """Whether labelled incidents, too few to choose, speak against an explainer: its mean is lower
    than that of `residual`, by more than counts as none.
    """
    for labels in _judging(evidence, VETOING):
        tried = labels.tried.get(name)
        if tried is not None and tried.over_default is not None:
            return tried.over_default.value < -ALIKE
    return False


def by_default(evidence: Evidence) -> Answer:
    """Row 5: `residual`, beside the one that came next."""
    vetoes = [name for name in candidates(evidence) if vetoed(name, evidence)]
    kind = evidence.leading
    others = [] if kind is None else [one for one in kind.explainers if _rivals(one)]
    if not others:
        return Answer("default", DEFAULT, vetoed=vetoes)
    best = max(others, key=lambda one: one.lead)
    return Answer(
        "default", DEFAULT, best.explainer, best.over_default, best.over_plain, vetoed=vetoes
    )


def _rivals(one: Tried) -> bool:
    return one.explainer != DEFAULT and one.over_default is not None


def _judging(evidence: Evidence, least: int) -> list[Kind]:
    """Return the labels, where so many incidents raise an alarm."""
    labels = evidence.labels
    return [labels] if labels is not None and labels.tried and labels.units >= least else []


def incidents_to_settle(difference: Estimate, units: int) -> int | None:
    """Return how many incidents would find a difference of .05 four times of five, if they vary as
    these units do; None where nobody can know, or of more than ten thousand.

    The least n for which (t₍.975₎ + t₍.8₎) √(v C / n) ≤ .05 with n − 1 degrees of freedom, where v
    is the variance of a mean over C units.
    """
    if not difference.variance > 0:
        return None
    counts = np.arange(2, MOST_INCIDENTS + 1)
    variance = difference.variance * units / counts
    enough = detectable(np.asarray(variance), np.asarray(counts - 1.0)) <= WORTH_KNOWING
    return int(counts[enough][0]) if enough.any() else None
