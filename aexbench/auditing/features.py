"""The features that no explainer finds: where one of them is changed alone, others are named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from aexbench.features import Features
from aexbench.results import Results
from aexbench.running.store import Record

FOUND = 0.5
"""A feature is found by an explainer that names it first in so large a share of its anomalies."""
LEAST = 3
"""Anomalies of a feature that say something about it."""


@dataclass(frozen=True)
class Hidden:
    """A feature that no explainer finds.

    Attributes
    ----------
    name
        Of the feature.
    best, share
        The explainer that names it first most often, and in which share of its anomalies.
    anomalies
        How many changed this feature alone.
    """

    name: str
    best: str
    share: float
    anomalies: int


def hidden(
    results: Iterable[Results], features: Features, names: Sequence[str], metric: str
) -> list[Hidden]:
    """Return the features that no explainer finds, in their order.

    Parameters
    ----------
    results
        Of kinds of anomalies, explained by the same explainers.
    names
        Of the features.
    metric
        The name of one that is 1 for a single feature that is named first, and 0 where it is not.
    """
    found: dict[int, dict[str, list[float]]] = {}
    for number, explainer, value in _each(results, features, metric):
        found.setdefault(number, {}).setdefault(explainer, []).append(value)
    return list(_hidden(found, names))


def _hidden(found: dict[int, dict[str, list[float]]], names: Sequence[str]) -> Iterator[Hidden]:
    for number, own in sorted(found.items()):
        means = {name: float(np.mean(values)) for name, values in own.items()}
        best = max(means, key=lambda name: means[name])
        count = max(map(len, own.values()))
        if means[best] < FOUND and count >= LEAST:
            yield Hidden(names[number], best, means[best], count)


def _each(
    results: Iterable[Results], features: Features, metric: str
) -> Iterator[tuple[int, str, float]]:
    """Yield the number of a feature that was changed alone, an explainer, and what it scores."""
    for one in results:
        for record in one.records:
            if _counts(record):
                yield from _of_record(one, record, features, metric)


def _counts(record: Record) -> bool:
    own = record.state == "ok" and record.cell.plain
    return own and record.role == "explainer"


def _of_record(
    results: Results, record: Record, features: Features, metric: str
) -> Iterator[tuple[int, str, float]]:
    truth = features.any_groups(results.anomalies(record.cell).truth)
    truth = truth.reshape(len(truth), -1)
    values = results.store.read_scores(record).values[metric]
    for row in np.flatnonzero(truth.sum(axis=1) == 1).tolist():
        yield int(truth[row].argmax()), record.cell.explainer.text, float(values[row])
