"""Alarms: which samples a detector has raised one for, and which half of a stream they lie in.

What an explainer is judged on must not be what the test was made from: corruptions that borrow from
alarms take those of the earlier half, and labels can be judged on the later one. The halves are cut
between labelled units, whatever a detector makes of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aexbench.components import Component
from aexbench.contracts import Dataset
from aexbench.rows import Array, Picked, Rows, blocks, most, sample

if TYPE_CHECKING:
    from aexbench.detector import Detector

ALARM = 0.95  # the quantile of normal errors above which a sample raises an alarm
MOST_ALARMS = 20_000  # rows that a corruption is given at most


def least_error(detector: Detector, normal: Array, alarm: float) -> float:
    """Return the quantile `alarm` of the errors of normal samples: what is above raises an alarm.

    Parameters
    ----------
    normal : (N, …)
        The samples that the detector is calibrated on.
    alarm
        In [0, 1); the detector has kept the 95th percentile, and the least error for 0 is -inf:
        every sample raises an alarm.
    """
    if alarm == 0:
        return -np.inf
    if alarm == ALARM:
        return detector.calibrated.normal_95
    return float(np.quantile(errors(detector, normal), alarm))


def errors(detector: Detector, rows: Rows) -> NDArray[np.float64]:
    """Return the reconstruction errors (N,) of rows that need not fit in memory."""
    parts = [detector.error(block).detach().double().cpu().numpy() for block in blocks(rows)]
    return np.concatenate(parts) if parts else np.zeros(0)


def later(dataset: Dataset) -> NDArray[np.bool_]:
    """Return which test samples (N,) belong to the later half of the labelled units; of all
    samples, where none is labelled.

    A unit lies where its first sample does. Of an odd number, the middle one is later.
    """
    count = len(dataset.test)
    unit = np.arange(count) if dataset.test_units is None else np.asarray(dataset.test_units)
    _, first, inverse = np.unique(unit, return_index=True, return_inverse=True)
    start = first[inverse]
    labelled = np.ones(count, bool) if dataset.test_labels is None else dataset.test_labels
    starts = np.unique(start[labelled]) if labelled.any() else np.unique(start)
    return np.asarray(start >= starts[len(starts) // 2])


def borrowed(corruption: Component) -> bool:
    """Whether a corruption takes values or bounds from alarms of the earlier half."""
    given = corruption.parameters
    return given.get("donor") == "alarm" or given.get("threshold") in ("alarm", "alarms")


def seen(detector: Detector, dataset: Dataset) -> Array:
    """Return test samples (A, …) of the earlier half that raise an alarm, labels unseen: what
    somebody who has no labels has. Of many rows a seeded sample is looked at.
    """
    looked_at, error = _looked_at(detector, dataset)
    return np.asarray(looked_at[error > detector.calibrated.normal_95])


def beyond_chance(detector: Detector, dataset: Dataset) -> Array:
    """Return the samples that `seen` returns but for as many as raise an alarm among normal ones: a
    twentieth of those looked at, the ones of the least error.

    Where anomalies are rare, most alarms are of normal samples, and what is like an alarm is else
    like these.
    """
    looked_at, error = _looked_at(detector, dataset)
    above = np.flatnonzero(error > detector.calibrated.normal_95)
    by_chance = round((1 - ALARM) * len(looked_at))
    rest = above[np.argsort(error[above], kind="stable")][by_chance:]
    return np.asarray(looked_at[np.sort(rest)])


def offered(corruption: Component, detector: Detector, dataset: Dataset) -> Array:
    """Return the alarms (A, …) that a corruption is given: those beyond chance to be matched to."""
    matched = corruption.parameters.get("threshold") == "alarms"
    return (beyond_chance if matched else seen)(detector, dataset)


def _looked_at(detector: Detector, dataset: Dataset) -> tuple[Array, NDArray[np.float64]]:
    """Return test samples of the earlier half, and their errors."""
    earlier = Picked(dataset.test, np.flatnonzero(~later(dataset)))
    looked_at = sample(earlier, most(earlier, MOST_ALARMS))
    return looked_at, errors(detector, looked_at)
