"""What chance and a perfect explainer score: the two levels that every score stands between.

They depend on the metric and the truth alone: recall at 1 ends at .25 where four features are true.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aexbench.components import Component
from aexbench.running import scoring


class Levels(NamedTuple):
    """Two scores for each sample (N,), in the metric's own direction."""

    chance: NDArray[np.float64]
    ceiling: NDArray[np.float64]


def chance_and_ceiling(
    metric: Component, truth: NDArray[np.bool_], label: NDArray[np.str_] | None = None
) -> Levels:
    """Return what a metric gives a map that says nothing, and the truth itself.

    Ties cost what chance costs, so that a constant map scores the mean over random orders of the
    features; no attributions score better than the truth. Of a metric that pools its samples, each
    level's mean over the samples of a label is the level, as `scoring` has it; pooled average
    precision has the share of true columns at chance.

    Parameters
    ----------
    metric
        A metric, `component(families.metrics, "recall[top=3]")`.
    truth : (N, …) bool
        True features, groups taken together: `features.any_groups(anomalies.truth)`.
    label : (N,) str
        Samples of one label are pooled; all are where it is left out.

    Examples
    --------
    >>> from aexbench import families
    >>> from aexbench.components import component
    >>> recall = component(families.metrics, "recall[top=1]")
    >>> chance_and_ceiling(recall, np.array([[True, True, True, True, False]]))
    Levels(chance=array([0.2]), ceiling=array([0.25]))
    """
    labels = np.zeros(len(truth), dtype=np.str_) if label is None else label
    constant, oracle = (
        scoring.scored(metric, values, truth, labels)
        for values in (np.zeros(truth.shape), truth.astype(np.float64))
    )
    return Levels(constant, oracle)
