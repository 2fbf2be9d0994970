"""Strata: what anomalies differ in besides their cause, so that a board can be split by it.

A corruption that moves a value far out, or raises the score much, is easier to explain than one
that does not; and a feature that is corrupted more often than others counts more often.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aexbench.contracts import AnomalySet
from aexbench.errors import RequestError

if TYPE_CHECKING:
    from aexbench.detector import Detector

Moments = tuple[NDArray[np.float64], NDArray[np.float64]]
LEAST_SPREAD = 1e-6  # of a constant column
GAINS = (0.1, 0.25, 0.5)
DEVIATIONS = (0.67, 2.0, 4.0)  # two thirds of a spread: half of a normal distribution lies within


def measured(
    anomalies: AnomalySet, detector: Detector, training: Moments
) -> dict[str, NDArray[np.float64]]:
    """Return what `by_gain` and `by_deviation` need of each anomaly (N,).

    Parameters
    ----------
    anomalies
        A set that was made from clean samples, or the data set's own labelled ones.
    detector
        For the clean samples' scores.
    training
        Mean and spread of the training split, each of the shape of one sample.

    Returns
    -------
    dict
        `deviation`: the greatest |x − mean| / spread among the true columns. `gain`, where there
        are clean samples: the score less the clean sample's.
    """
    mean, spread = training
    distance = np.abs(anomalies.x - mean) / np.maximum(spread, LEAST_SPREAD)
    found = {
        "deviation": np.where(anomalies.truth, distance, 0.0)
        .reshape(len(anomalies), -1)
        .max(axis=1)
    }
    if anomalies.clean is not None:
        found["gain"] = anomalies.score - detector.score(anomalies.clean).double().numpy()
    return found


def by_gain(anomalies: AnomalySet) -> NDArray[np.str_]:
    """Return each anomaly's stratum by how much its score has risen."""
    return _binned(anomalies, "gain", GAINS)


def by_deviation(anomalies: AnomalySet) -> NDArray[np.str_]:
    """Return each anomaly's stratum by how many spreads its changed value lies from the training
    mean.
    """
    return _binned(anomalies, "deviation", DEVIATIONS)


def by_feature(anomalies: AnomalySet) -> NDArray[np.str_]:
    """Return the names of each anomaly's true features: the mean over these strata is a
    macro-average over features.
    """
    truth = anomalies.features.any_groups(anomalies.truth).reshape(len(anomalies), -1)
    names = anomalies.features.names if anomalies.features.groups is None else ()
    numbers = [np.flatnonzero(row) for row in truth]
    if max(map(len, numbers), default=0) > 10:
        raise RequestError(
            "these anomalies have many true columns each: a board by feature is for tables"
        )
    return np.array(
        ["+".join(names[i] if names else f"feature {i + 1}" for i in row) for row in numbers]
    )


def by_alarm(anomalies: AnomalySet) -> NDArray[np.str_]:
    """Return whether each anomaly raises an alarm, in words."""
    return np.where(anomalies.alarmed, "alarm", "no alarm")


STRATA: dict[str, Callable[[AnomalySet], NDArray[np.str_]]] = {
    "alarm": by_alarm,
    "gain": by_gain,
    "deviation": by_deviation,
    "feature": by_feature,
}


def _binned(anomalies: AnomalySet, name: str, edges: tuple[float, ...]) -> NDArray[np.str_]:
    """Return texts such as `gain 0.10–0.25`; they sort in their order."""
    if name not in anomalies.details:
        why = (
            "labelled anomalies come from no clean sample"
            if name == "gain"
            else "run the suite again"
        )
        raise RequestError(f"not every anomaly set of this store has a {name}: {why}")
    bounds = [f"{name} {a:.2f}–{b:.2f}" for a, b in pairwise((0.0, *edges))]
    return np.array([*bounds, f"{name} {edges[-1]:.2f} and more"])[
        np.digitize(anomalies.details[name], edges)
    ]
