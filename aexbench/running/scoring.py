"""Scores, derived from attributions: summed over feature groups, unless a metric declares that it
sees columns, split by label and alarm, one value per sample.

A score is the mean over units of the mean over a unit's samples: an incident counts once, however
long it lasts.

A metric that pools its samples (average precision over all pixels) has no value per sample. It gets
its jackknife values instead, `v_u = θ + (n − 1) (mean_w θ_(−w) − θ_(−u))`, where θ_(−u) leaves out
all samples of unit u of n: their mean is θ, and their spread says how much each unit moves it, so
that one kind of statistics serves all metrics.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from aexbench.components import Component
from aexbench.contracts import AnomalySet
from aexbench.declarations import MetricDeclaration
from aexbench.running.probing import probe_of

if TYPE_CHECKING:
    from aexbench.running.cells import Cell

Scorer = Callable[[NDArray[Any], NDArray[np.bool_], NDArray[np.int64]], NDArray[np.float64]]
WithoutEach = Callable[[NDArray[Any], NDArray[np.bool_]], NDArray[np.float64]]


class MetricInfo(BaseModel):
    """What a leaderboard needs to know of a metric."""

    model_config = ConfigDict(frozen=True)

    title: str
    higher_is_better: bool = True
    pooled: bool = False
    truthless: bool = False


def of_cell(
    cell: Cell, found: NDArray[Any], anomalies: AnomalySet, metrics: Sequence[Component]
) -> dict[str, NDArray[np.float64]]:
    """Return for each metric one value per sample (N,), under the metric's name with brackets, of
    what a cell holds (N, …): attributions by column, or what its probe has brought.
    """
    features = anomalies.features
    summed = found if cell.probe is not None else features.sum_groups(found)
    by_feature = summed, features.any_groups(anomalies.truth)
    parts = list(_parts(anomalies.label, anomalies.alarmed))
    scores = {}
    for metric in metrics:
        by_column = metric.plugin.declaration.columns
        values, truth = (found, anomalies.truth) if by_column else by_feature
        scores[metric.text] = _by_part(_per_sample(metric), values, truth, anomalies.unit, parts)
    return scores


def check(metric: Component, shape: tuple[int, ...]) -> None:
    """Raise RequestError where a metric that sees columns takes no samples of this shape."""
    if not metric.plugin.declaration.columns or probe_of(metric) is not None:
        return
    truth = np.zeros((1, *shape), dtype=bool)
    truth.flat[0] = True
    metric.make().score(np.zeros(truth.shape), truth)


def summarize(
    scores: Mapping[str, NDArray[np.float64]],
    label: NDArray[np.str_],
    unit: NDArray[np.int64],
    alarmed: NDArray[np.bool_],
) -> dict[str, float]:
    """Return for each metric its mean over labels of the mean over units of the mean over those
    samples that raise an alarm; nothing where none does.
    """
    parts = [np.flatnonzero(alarmed & (label == name)) for name in np.unique(label[alarmed])]
    if not parts:
        return {}
    return {
        name: float(np.mean([by_unit(values[rows], unit[rows]).mean() for rows in parts]))
        for name, values in scores.items()
    }


def by_unit(values: NDArray[np.float64], unit: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean of each unit (U,), in the order of `np.unique(unit)`.

    >>> by_unit(np.array([1.0, 0.0, 0.5]), np.array([7, 7, 3]))
    array([0.5, 0.5])
    """
    _, inverse = np.unique(unit, return_inverse=True)
    return np.asarray(np.bincount(inverse, values) / np.bincount(inverse))


def info(metric: Component) -> MetricInfo:
    """Return what a leaderboard needs to know of a metric."""
    declared: MetricDeclaration = metric.plugin.declaration
    return MetricInfo(
        title=declared.titled(metric.parameters) or metric.text,
        higher_is_better=declared.higher_is_better,
        pooled=declared.pooled,
        truthless=declared.truthless or probe_of(metric) is not None,
    )


def _per_sample(metric: Component) -> Scorer:
    """Return the function from attributions and truth to one value per sample (N,)."""
    score: Callable[[Any, Any], Any] = metric.make().score
    declared: MetricDeclaration = metric.plugin.declaration
    if not declared.pooled:
        return functools.partial(_each, score)
    fast = declared.without_each
    without = None if fast is None else functools.partial(fast, **metric.arguments)
    return functools.partial(_jackknife, score, without)


def _parts(label: NDArray[np.str_], alarmed: NDArray[np.bool_]) -> Iterator[NDArray[np.int64]]:
    """Yield the samples of each label that raise an alarm, and those that do not."""
    for name in np.unique(label):
        for wanted in (True, False):
            rows = np.flatnonzero((label == name) & (alarmed == wanted))
            if len(rows):
                yield rows


def _by_part(
    scorer: Scorer,
    values: NDArray[Any],
    truth: NDArray[np.bool_],
    unit: NDArray[np.int64],
    parts: Sequence[NDArray[np.int64]],
) -> NDArray[np.float64]:
    result = np.empty(len(values))
    for rows in parts:
        result[rows] = scorer(values[rows], truth[rows], unit[rows])
    if not np.isfinite(result).all():
        raise ValueError("a metric returned scores that are not finite")
    return result


def _each(
    metric: Callable[[Any, Any], Any],
    values: NDArray[Any],
    truth: NDArray[np.bool_],
    unit: NDArray[np.int64],
) -> NDArray[np.float64]:
    scores = np.asarray(metric(values, truth), dtype=np.float64)
    if scores.shape != (len(values),):
        raise ValueError(
            f"a metric that does not pool returns one value per sample; got shape {scores.shape}"
        )
    return scores


def _jackknife(
    metric: Callable[[Any, Any], Any],
    without_each: WithoutEach | None,
    values: NDArray[Any],
    truth: NDArray[np.bool_],
    unit: NDArray[np.int64],
) -> NDArray[np.float64]:
    whole = float(metric(values, truth))
    units, inverse = np.unique(unit, return_inverse=True)
    if len(units) == 1:
        return np.full(len(values), whole)
    if without_each is not None and len(units) == len(values):
        without = without_each(values, truth)
        return np.asarray(whole + (len(units) - 1) * (without.mean() - without))
    left = [inverse != one for one in range(len(units))]
    without = np.array([float(metric(values[keep], truth[keep])) for keep in left])
    return np.asarray(whole + (len(units) - 1) * (without.mean() - without))[inverse]
