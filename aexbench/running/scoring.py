"""Scores, derived from attributions: summed over feature groups, split by label, one value per
sample.

A metric that pools its samples (average precision over all pixels) has no value per sample. It gets
its jackknife values instead, `v_i = θ + (n − 1) (mean_j θ_(−j) − θ_(−i))`, where θ_(−i) leaves
sample i out: their mean is θ, and their spread says how much each sample moves it, so that one kind
of statistics serves all metrics.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict

from aexbench.components import Component
from aexbench.contracts import AnomalySet
from aexbench.declarations import MetricDeclaration

Scorer = Callable[[NDArray[Any], NDArray[np.bool_]], NDArray[np.float64]]


class MetricInfo(BaseModel):
    """What a leaderboard needs to know of a metric."""

    model_config = ConfigDict(frozen=True)

    title: str
    higher_is_better: bool = True
    pooled: bool = False


def score(
    attributions: ArrayLike, anomalies: AnomalySet, metrics: Sequence[Component]
) -> dict[str, NDArray[np.float64]]:
    """Return for each metric one value per sample (N,), under the metric's name with brackets."""
    values = anomalies.features.sum_groups(np.asarray(attributions))
    truth = anomalies.features.any_groups(anomalies.truth)
    return {metric.text: scored(metric, values, truth, anomalies.label) for metric in metrics}


def scored(
    metric: Component, values: NDArray[Any], truth: NDArray[np.bool_], label: NDArray[np.str_]
) -> NDArray[np.float64]:
    """Return one value per sample (N,) of features' attributions and truth (N, …), each label by
    itself.
    """
    return _by_label(_per_sample(metric), values, truth, label)


def summarize(
    scores: Mapping[str, NDArray[np.float64]], label: NDArray[np.str_]
) -> dict[str, float]:
    """Return for each metric its mean over labels of the mean over samples."""
    masks = [label == name for name in np.unique(label)]
    return {
        name: float(np.mean([values[mask].mean() for mask in masks]))
        for name, values in scores.items()
    }


def info(metric: Component) -> MetricInfo:
    """Return what a leaderboard needs to know of a metric."""
    declared: MetricDeclaration = metric.plugin.declaration
    return MetricInfo(
        title=declared.title.format(**metric.parameters) or metric.text,
        higher_is_better=declared.higher_is_better,
        pooled=declared.pooled,
    )


def _per_sample(metric: Component) -> Scorer:
    """Return the function from attributions and truth to one value per sample (N,)."""
    score: Callable[[Any, Any], Any] = metric.make().score
    declared: MetricDeclaration = metric.plugin.declaration
    if not declared.pooled:
        return functools.partial(_each, score)
    fast = declared.without_each
    without = (
        functools.partial(_without_each, score)
        if fast is None
        else functools.partial(fast, **metric.arguments)
    )
    return functools.partial(_jackknife, score, without)


def _by_label(
    scorer: Scorer, values: NDArray[Any], truth: NDArray[np.bool_], label: NDArray[np.str_]
) -> NDArray[np.float64]:
    result = np.empty(len(values))
    for name in np.unique(label):
        rows = np.flatnonzero(label == name)
        result[rows] = scorer(values[rows], truth[rows])
    if not np.isfinite(result).all():
        raise ValueError("a metric returned scores that are not finite")
    return result


def _each(
    metric: Callable[[Any, Any], Any], values: NDArray[Any], truth: NDArray[np.bool_]
) -> NDArray[np.float64]:
    scores = np.asarray(metric(values, truth), dtype=np.float64)
    if scores.shape != (len(values),):
        raise ValueError(
            f"a metric that does not pool returns one value per sample; got shape {scores.shape}"
        )
    return scores


def _jackknife(
    metric: Callable[[Any, Any], Any],
    without_each: Scorer,
    values: NDArray[Any],
    truth: NDArray[np.bool_],
) -> NDArray[np.float64]:
    whole, count = float(metric(values, truth)), len(values)
    if count == 1:
        return np.array([whole])
    without = without_each(values, truth)
    return np.asarray(whole + (count - 1) * (without.mean() - without))


def _without_each(
    metric: Callable[[Any, Any], Any], values: NDArray[Any], truth: NDArray[np.bool_]
) -> NDArray[np.float64]:
    return np.array(
        [float(metric(values[keep], truth[keep])) for keep in ~np.eye(len(values), dtype=bool)]
    )
