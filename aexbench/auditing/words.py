"""What an audit says, in words: the answer, how sure it is, and what else is to be known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from aexbench.auditing.answer import (
    ALIKE,
    CHOOSING,
    VETOING,
    WORTH_KNOWING,
    Answer,
    incidents_to_settle,
)
from aexbench.auditing.evidence import PLAIN, Evidence, Kind
from aexbench.auditing.features import Hidden
from aexbench.board.comparing import Estimate
from aexbench.contracts import Dataset
from aexbench.detector import Loss
from aexbench.explaining.choice import DEFAULT
from aexbench.features import Features
from aexbench.texts import counted

MOST_NAMED = 4  # explainers in a line
NOT_SHOWN = (
    f"This procedure has not been shown to beat always taking {DEFAULT}: it has not been tried "
    "yet, frozen, on data that nothing of it was designed on."
)
NO_LABELS = (
    "Nobody can know from injected anomalies alone which explainer finds the features of real "
    "incidents: their order has predicted that of real labels hardly at all."
)
FEW_ALARMS = (
    "Fewer than ten rows of the earlier half of the test raise an alarm, beyond the twentieth of "
    "them that normal rows account for: the anomalies are like alarms in what they may be, not in "
    "what they have been."
)


def headline(answer: Answer, evidence: Evidence) -> str:
    """Return the answer in one sentence."""
    if answer.by == "detector":
        return f"No answer: {evidence.worth.problem}."
    if answer.by == "deviation":
        return (
            "These alarms are about values far from the mean: no explainer is needed. "
            f"{PLAIN}, the distance from the training mean in spreads, is as good as every one."
        )
    if answer.explainer == DEFAULT:
        return f"Take {DEFAULT}: nothing else has been seen to be surely better here."
    rivals = DEFAULT if answer.by == "labels" else f"{DEFAULT} and {PLAIN}"
    where = "on the labelled incidents" if answer.by == "labels" else "on anomalies like the alarms"
    return f"Take {answer.explainer}: it is surely better than {rivals} {where}."


def how_sure(answer: Answer, evidence: Evidence) -> Iterator[str]:
    """Yield how sure the answer is, and what it would take to know better."""
    if answer.by == "detector":
        yield f"What to do: {evidence.worth.remedy}."
        return
    if answer.by == "deviation":
        yield f"No explainer has more than {ALIKE:.2f} above it in {evidence.metric}."
        yield (
            f"That list: aexbench explain MODEL DATA -e {PLAIN}, or "
            f"explainers.create({PLAIN!r}, detector, background=train).explain(x)."
        )
    elif answer.difference is not None:
        yield from _difference(answer, evidence)
    for name in answer.vetoed:
        yield (
            f"Surely better on anomalies like the alarms, and worse on the labelled incidents: "
            f"{name}. So few incidents do not choose, but they veto."
        )
    yield from _labels(evidence)
    yield NOT_SHOWN


def _difference(answer: Answer, evidence: Evidence) -> Iterator[str]:
    assert answer.difference is not None
    if answer.explainer != DEFAULT:
        yield f"{answer.explainer} against {DEFAULT}: {figure(answer.difference)}."
        return
    kind = evidence.labels if answer.by == "labels" else evidence.leading
    said = _came_next(answer)
    needed = None if kind is None else incidents_to_settle(answer.difference, kind.units)
    if needed is not None:
        said += (
            f" To settle a difference of {WORTH_KNOWING:.2f} you need {needed} labelled incidents."
        )
    yield said


def _came_next(answer: Answer) -> str:
    """Return who came next, and why it was not chosen: it must be better than two rules."""
    assert answer.difference is not None
    interval, plain = answer.difference.interval(), answer.over_plain
    if plain is None or interval is None or interval[0] <= 0:
        return f"Not surely better: {answer.runner_up} ({figure(answer.difference)})."
    return (
        f"Not surely better than both {DEFAULT} and {PLAIN}, or worse on some kind: "
        f"{answer.runner_up} ({figure(answer.difference)} and {figure(plain)})."
    )


def _labels(evidence: Evidence) -> Iterator[str]:
    """Yield what the labels were good for."""
    labels = evidence.labels
    if labels is None or not labels.units:
        yield NO_LABELS
    elif labels.units < VETOING:
        yield (
            f"{counted(labels.units, 'labelled incident')} of the later half raised an alarm: too "
            f"few to say anything; {VETOING} can veto, {CHOOSING} choose. {NO_LABELS}"
        )
    elif labels.units < CHOOSING:
        yield (
            f"{labels.units} labelled incidents of the later half raised an alarm: they can veto, "
            f"{CHOOSING} choose."
        )
    else:
        yield f"{labels.units} labelled incidents of the later half raised an alarm, and judge."


def figure(difference: Estimate) -> str:
    """Return a difference with its interval.

    >>> figure(Estimate(0.01, 0.0004, 30.0))
    '+0.01 [-0.03, +0.05]'
    """
    interval = difference.interval()
    shown = f"{difference.value:+z.2f}"
    return shown if interval is None else f"{shown} [{interval[0]:+z.2f}, {interval[1]:+z.2f}]"


def of_detector(evidence: Evidence) -> Iterator[str]:
    """Yield what the detector is worth."""
    worth = evidence.worth
    if worth.error_ratio is not None:
        yield (
            f"It reconstructs normal rows with {worth.error_ratio:.2f} of the error of their mean "
            "row."
        )
    if worth.alarm is not None:
        yield (
            f"{worth.flagged} of {worth.rows} test rows raise an alarm (error above "
            f"{worth.alarm:.3g}, the 95th percentile of normal rows)."
        )
    if worth.roc_auc is not None:
        yield f"It tells labelled rows from normal ones with a ROC-AUC of {_share(worth.roc_auc)}."
    for name in worth.heavy:
        yield (
            f"{name} alone bears {worth.error_shares[name]:.0%} of the error of normal rows: the "
            "loss weighs columns by their units. Alarms will mostly be about it."
        )


def of_scale(dataset: Dataset, loss: Loss) -> Iterator[str]:
    """Yield what scaling columns one by one has done to the loss, if it has.

    In the user's units an error Δ of a column counts Δ², or |Δ| by L1; scaled by a factor f it
    counts (Δ/f)², or |Δ/f|; of a loss of one's own nobody knows. Columns that are constant in
    training have no scale of their own.
    """
    if callable(loss):
        return
    count = int(np.prod(dataset.train.shape[1:]))
    factor = np.abs(np.broadcast_to(dataset.scale.factor, count))
    varies = np.flatnonzero(np.broadcast_to(dataset.scale.tolerance, count) == 0)
    if not len(varies) or np.ptp(factor[varies]) == 0:
        return
    most, least = (int(varies[pick(factor[varies])]) for pick in (np.argmin, np.argmax))
    gained = float(factor[least] / factor[most]) ** (1 if loss == "l1" else 2)
    yield (
        "These data are scaled column by column: the loss weighs columns otherwise than in your "
        f"units. {column_name(dataset.features, most)} has gained most, {gained:.3g} times as much "
        f"as {column_name(dataset.features, least)}."
    )


def column_name(features: Features, column: int) -> str:
    """Return a column's name, or its number where it has none."""
    return features.names[column] if features.names else f"column {column}"


def _share(estimate: Estimate) -> str:
    interval = estimate.interval()
    if interval is None:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} [{max(interval[0], 0):.2f}, {min(interval[1], 1):.2f}]"


def of_kind(kind: Kind) -> str:
    """Return what a kind of anomalies shows."""
    name = kind.name.replace(",", ", ")  # so that it can be broken
    if not kind.tried:
        return f"{name}: {kind.reason}."
    above = [one.explainer for one in kind.explainers if one.above]
    shown = f"{len(above)} of {len(kind.explainers)} explainers are"
    if len(above) <= MOST_NAMED:
        shown = f"{', '.join(above) or 'no explainer'} {'are' if len(above) > 1 else 'is'}"
    matched = ", like the alarms" if kind.matched else ""
    what = "incidents" if kind.labelled else "rows"
    return f"{name} ({kind.units} {what}{matched}): {shown} surely above every floor."


def of_features(found: Sequence[Hidden]) -> Iterator[str]:
    """Yield the features that no explainer finds."""
    for one in found:
        yield (
            f"{one.name}: changed alone {one.anomalies} times; named first {one.share:.0%} of "
            f"them, by {one.best}, the best."
        )
