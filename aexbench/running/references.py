"""What the engine itself contributes to a matrix: references made from the truth, and anomalies
made from labels.

`oracle` is the ceiling and `chance` what knowing nothing scores; neither is ranked. `feature-prior`
and, of images, `shuffled-truth` are floors that never see their input. No plugin may see the truth,
so they are no explainers, but registered and described as such.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Lt
from numpy.typing import NDArray

from aexbench.contracts import ALARMED, AnomalySet, Dataset
from aexbench.declarations import Declaration, Kind
from aexbench.errors import SkipError
from aexbench.registry import Plugin, Registry
from aexbench.rows import Picked, blocks
from aexbench.running import alarms

if TYPE_CHECKING:
    from aexbench.detector import Detector

LABELS = "labels"

Attributions = NDArray[np.float64]
Reference = Callable[[AnomalySet], Attributions]
Labelled = Callable[[Dataset, "Detector", int], AnomalySet]


@dataclass(frozen=True)
class ReferenceDeclaration(Declaration):
    """What a reference declares: what it is on a board, and whether it is one of images alone."""

    role: Literal["floor", "reference"] = "reference"
    images: bool = False

    def stands_on(self, kind: Kind) -> bool:
        """Whether it stands on every board of such samples."""
        return kind == "images" or not self.images


def _bound(
    plugin: Plugin[Any], context: tuple[Any, ...], keywords: dict[str, Any], called: object
) -> Any:
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


@references.register("chance", version=1)
def chance(anomalies: AnomalySet) -> Attributions:
    """Return the same for every column: ties cost what chance costs, in every metric."""
    return np.zeros(anomalies.truth.shape)


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


@references.register("shuffled-truth", version=1, role="floor", images=True)
def shuffled_truth(anomalies: AnomalySet) -> Attributions:
    """Return the truth of another unit for each sample, of its own label where another unit has
    that: a mask of the right kind and size, on the wrong image.

    Where `feature-prior` blurs all other masks into one, this keeps what single masks look like. A
    unit takes those of the unit half of all further on, in the order of their numbers: neighbours
    may be alike. Of a label that one unit alone has, it is a mask of another label.

    Raises
    ------
    SkipError
        If all samples are of one unit: there is no truth of another one.
    """
    donor = np.empty(len(anomalies), dtype=np.int64)
    every = np.arange(len(anomalies))
    for label in np.unique(anomalies.label):
        own = np.flatnonzero(anomalies.label == label)
        alone = len(np.unique(anomalies.unit[own])) == 1
        donor[own] = _donors(anomalies.unit, own, every if alone else own)
    return anomalies.truth[donor].astype(np.float64)


def _donors(
    unit: NDArray[np.int64], rows: NDArray[np.int64], among: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return for each of some rows one among others that is of another unit (N,): the k-th row of a
    unit takes the k-th of the one half of all units further on, which begins anew when it ends.
    """
    units = np.unique(unit[among])
    if len(units) == 1:
        raise SkipError("shuffled-truth takes masks of other units, and these are of one alone")
    donor = np.empty(len(rows), dtype=np.int64)
    for place, one in enumerate(units):
        own = np.flatnonzero(unit[rows] == one)
        there = among[unit[among] == units[(place + len(units) // 2) % len(units)]]
        donor[own] = there[np.arange(len(own)) % len(there)]
    return donor


@labels.register(LABELS, version=2)
def labelled_anomalies(
    dataset: Dataset,
    detector: Detector,
    seed: int = 0,
    *,
    count: Annotated[int, Ge(1)] | None = None,
    alarm: Annotated[float, Ge(0), Lt(1)] | None = None,
    half: Literal["both", "earlier", "later"] = "both",
) -> AnomalySet:
    """Return the data set's own labelled anomalies with a truth per column, and which of them raise
    an alarm: scores are those of the alarmed ones, for without an alarm nobody asks why.

    Parameters
    ----------
    count
        A seeded sample of so many, drawn from the units in turn: a short incident counts as much as
        a long one. All, where it is left out.
    alarm
        A sample raises an alarm if its error is above this quantile of the errors of normal
        samples; .95 for tables. 0 for images, as in the paper: every one is explained.
    half
        Of the labelled units, in the order of their first samples: the `later` one is what
        corruptions that borrow from alarms have not seen.
    """
    if dataset.test_truth is None:
        raise SkipError("labels: this data set has no truth per feature")
    every = _with_causes(dataset)
    if len(every) == 0:
        raise SkipError("labels: no anomalous test sample has a true feature")
    known = every if half == "both" else every[alarms.later(dataset)[every] == (half == "later")]
    if len(known) == 0:
        raise SkipError(f"labels: no labelled sample lies in the {half} half")
    unit = known if dataset.test_units is None else np.asarray(dataset.test_units[known])
    drawn = _in_turn(unit, len(known) if count is None else count, seed)
    rows, unit = known[drawn], unit[drawn]
    report: dict[str, Any] = {"label": LABELS, "asked": len(rows), "found": len(rows)}
    if dataset.test_labels is not None:
        report["without_cause"] = int(np.sum(dataset.test_labels)) - len(every)
    if len(rows) < len(every):
        report["labelled"] = len(every)
    x = np.asarray(dataset.test[rows])
    error = detector.error(x).double().numpy()
    quantile = (0.0 if x.ndim == 4 else alarms.ALARM) if alarm is None else alarm
    alarmed = error > alarms.least_error(detector, dataset.validation, quantile)
    report |= {"truth": dataset.test_truth_kind, "alarm": quantile, "alarmed": int(alarmed.sum())}
    report |= {"units": len(np.unique(unit)), "alarmed_units": len(np.unique(unit[alarmed]))}
    return AnomalySet(
        x,
        np.asarray(dataset.test_truth[rows]),
        detector.score(x).double().numpy(),
        error,
        np.full(len(rows), LABELS)
        if dataset.test_kinds is None
        else np.asarray(dataset.test_kinds[rows]),
        unit,
        dataset.features,
        details={ALARMED: alarmed},
        report=report,
    )


def _in_turn(unit: NDArray[Any], count: int, seed: int) -> NDArray[np.int64]:
    """Return the places of at most `count` samples, in their order, drawn from units (N,) in turn:
    each unit gives its first before any gives its second.
    """
    if count >= len(unit):
        return np.arange(len(unit))
    order = np.random.default_rng(seed).permutation(len(unit))
    _, inverse = np.unique(unit[order], return_inverse=True)
    by_unit = np.argsort(inverse, kind="stable")
    starts = np.searchsorted(inverse[by_unit], np.arange(inverse.max() + 1))
    turn = np.empty(len(unit), dtype=np.int64)
    turn[by_unit] = np.arange(len(unit)) - starts[inverse[by_unit]]
    return np.sort(order[np.argsort(turn, kind="stable")[:count]])


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
