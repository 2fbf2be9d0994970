"""What the engine itself contributes to a matrix: references made from the truth, and anomalies
made from labels.

`oracle` is the ceiling and never ranked; `feature-prior` is a floor that never sees its input.
Neither is a plugin: no explainer may see the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aexbench.contracts import AnomalySet, Dataset
from aexbench.errors import SkipError
from aexbench.rows import Picked, blocks

if TYPE_CHECKING:
    from aexbench.detector import Detector

LABELS = "labels"


def oracle(anomalies: AnomalySet) -> NDArray[np.float64]:
    """Return the truth as attribution: what a perfect explainer scores."""
    return anomalies.truth.astype(np.float64)


def feature_prior(anomalies: AnomalySet) -> NDArray[np.float64]:
    """Return how often each column is the truth on the anomalies of other units; the sample itself
    is not looked at.
    """
    units, unit = np.unique(anomalies.unit, return_inverse=True)
    truth = anomalies.truth.astype(np.float64)
    total = np.zeros((len(units), *truth.shape[1:]))
    np.add.at(total, unit, truth)
    others = len(truth) - np.bincount(unit)[unit]
    shape = (-1, *(1,) * (truth.ndim - 1))
    return np.asarray((truth.sum(axis=0) - total[unit]) / np.maximum(others, 1).reshape(shape))


REFERENCES: dict[str, Callable[[AnomalySet], NDArray[np.float64]]] = {
    "oracle": oracle,
    "feature-prior": feature_prior,
}
FLOORS = frozenset({"feature-prior"})


def labelled_anomalies(
    dataset: Dataset, detector: Detector, count: int | None = None, seed: int = 0
) -> AnomalySet:
    """Return the data set's own labelled anomalies with a truth per column, or a seeded sample of
    `count` of them.
    """
    if dataset.test_truth is None:
        raise SkipError("labels: this data set has no truth per feature")
    rows = _with_causes(dataset)
    if len(rows) == 0:
        raise SkipError("labels: no anomalous test sample has a true feature")
    report = {"label": LABELS, "asked": len(rows), "found": len(rows)}
    if count is not None and count < len(rows):
        rows = np.sort(np.random.default_rng(seed).choice(rows, count, replace=False))
        report |= {"labelled": report["found"], "asked": count, "found": count}
    x = np.asarray(dataset.test[rows])
    return AnomalySet(
        x,
        np.asarray(dataset.test_truth[rows]),
        detector.score(x).double().numpy(),
        detector.error(x).double().numpy(),
        np.full(len(rows), LABELS)
        if dataset.test_kinds is None
        else np.asarray(dataset.test_kinds[rows]),
        rows if dataset.test_units is None else np.asarray(dataset.test_units[rows]),
        dataset.features,
        report=report,
    )


def _with_causes(dataset: Dataset) -> NDArray[np.int64]:
    """Return the numbers of the anomalous test samples with a true column; the truth may be a
    memory map.
    """
    assert dataset.test_truth is not None
    candidates = (
        np.arange(len(dataset.test))
        if dataset.test_labels is None
        else np.flatnonzero(dataset.test_labels)
    )
    truth = Picked(dataset.test_truth, candidates)
    has_cause = np.concatenate(
        [block.reshape(len(block), -1).any(axis=1) for block in blocks(truth)]
    )
    return np.asarray(candidates[has_cause])
