"""What the engine itself contributes to a matrix: references made from the truth, and anomalies
made from labels.

`oracle` is the ceiling and never ranked; `feature-prior` is a floor that never sees its input. No
plugin may see the truth, so they are no explainers, but registered and described as such.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from aexbench.contracts import AnomalySet, Dataset
from aexbench.declarations import Declaration
from aexbench.errors import SkipError
from aexbench.registry import Plugin, Registry
from aexbench.rows import Picked, blocks

if TYPE_CHECKING:
    from aexbench.detector import Detector

LABELS = "labels"

Attributions = NDArray[np.float64]
Reference = Callable[[AnomalySet], Attributions]
Labelled = Callable[[Dataset, "Detector", int], AnomalySet]


@dataclass(frozen=True)
class ReferenceDeclaration(Declaration):
    """What a reference declares: what it is on a board."""

    role: Literal["floor", "reference"] = "reference"


def _bound(plugin: Plugin[Any], context: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Return the function; what it works on, it is given when it is called."""
    return lambda *given: plugin.target(*given, **keywords)


references: Registry[Reference, ReferenceDeclaration] = Registry(
    "reference", "", ReferenceDeclaration, finish=_bound, function_context=1
)
labels: Registry[Labelled, Declaration] = Registry(
    "reference", "", Declaration, finish=_bound, function_context=3
)


@references.register("oracle", version=1)
def oracle(anomalies: AnomalySet) -> Attributions:
    """Return the truth as attribution: what a perfect explainer scores."""
    return anomalies.truth.astype(np.float64)


@references.register("feature-prior", version=1, role="floor")
def feature_prior(anomalies: AnomalySet) -> Attributions:
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


@labels.register(LABELS, version=1)
def labelled_anomalies(
    dataset: Dataset,
    detector: Detector,
    seed: int = 0,
    *,
    count: Annotated[int, Ge(1)] | None = None,
) -> AnomalySet:
    """Return the data set's own labelled anomalies with a truth per column, or a seeded sample of
    `count` of them.
    """
    if dataset.test_truth is None:
        raise SkipError("labels: this data set has no truth per feature")
    rows = _with_causes(dataset)
    if len(rows) == 0:
        raise SkipError("labels: no anomalous test sample has a true feature")
    report: dict[str, Any] = {"label": LABELS, "asked": len(rows), "found": len(rows)}
    if dataset.test_labels is not None:
        report["without_cause"] = int(np.sum(dataset.test_labels)) - len(rows)
    if count is not None and count < len(rows):
        rows = np.sort(np.random.default_rng(seed).choice(rows, count, replace=False))
        report |= {"labelled": report["found"], "asked": count, "found": count}
    x = np.asarray(dataset.test[rows])
    error = detector.error(x).double().numpy()
    report["unalarmed"] = float(np.mean(error <= detector.calibrated.normal_95))
    return AnomalySet(
        x,
        np.asarray(dataset.test_truth[rows]),
        detector.score(x).double().numpy(),
        error,
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
