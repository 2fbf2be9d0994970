"""Is a detector worth explaining? One that has learned nothing has no answer to give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aexbench import given, soundness
from aexbench.autoencoders.fitting import LEAST_VARIATION, constant_error, output_variation
from aexbench.board.comparing import Estimate
from aexbench.contracts import Dataset
from aexbench.detector import Detector
from aexbench.errors import RequestError
from aexbench.rows import Array
from aexbench.running import alarms

HEAVY = 0.5  # of the normal error: a feature that bears more of it is said
TOLD = 0.5  # the ROC-AUC of chance
ORDERS = 99  # random orders of columns that the given one is compared with
ORDERED = 256  # rows that they are compared on
CLEARLY = 3.5  # standard errors: of 99 orders of columns that are all alike, some pass by 2
GAIN = 0.1  # of an error: where columns are alike, other orders gain less
ENOUGH = 10  # labelled incidents: fewer show so little that an interval which holds .5 is no news

DEAD = "its output does not vary with the row: whatever goes in, the same comes out"
CONSTANT = (
    "it reconstructs normal rows no better than their mean row does ({ratio:.2f} times its error)"
)
ORDER = (
    "it reconstructs normal rows clearly better in {count} of {orders} random orders of their "
    "columns: these are not the columns that it was trained on, or not in their order"
)
UNTOLD = "its error does not tell the labelled rows from normal ones (ROC-AUC {auc})"
TRAIN = "train it, or load its weights; the columns must be those that it was trained on, in that "
TRAIN += "order and scaled as they were then"
OTHER = "explaining its alarms would explain noise: another detector, or other features"


@dataclass(frozen=True)
class Worth:
    """What is known of a detector before anything is explained.

    Attributes
    ----------
    problem, remedy
        Why no explanation can be trusted, and what to do; empty where nothing is wrong.
    error_ratio
        The error of normal rows in units of the best constant row's (the training mean; for L1 the
        median).
    roc_auc
        How often a labelled row has a greater error than a normal one, the mean over incidents;
        None without labels.
    alarm
        The error above which a row raises an alarm: the 95th percentile of normal ones.
    flagged, rows
        How many test rows raise one, and of how many.
    error_shares
        What each feature bears of the error of normal rows, by name.
    """

    problem: str = ""
    remedy: str = ""
    error_ratio: float | None = None
    roc_auc: Estimate | None = None
    alarm: float | None = None
    flagged: int = 0
    rows: int = 0
    error_shares: Mapping[str, float] = field(default_factory=dict)

    @property
    def heavy(self) -> list[str]:
        """The features that bear more than half of the normal error."""
        return [name for name, share in self.error_shares.items() if share > HEAVY]


def examined(detector: Detector, dataset: Dataset) -> tuple[Detector, Worth]:
    """Return the detector, with a score scale, and what it is worth.

    Parameters
    ----------
    detector
        One that has no scale yet is calibrated on the validation split; the caller's stays as it
        is.
    dataset
        `validation` holds normal rows; labels of test rows are looked at where there are some.
    """
    try:
        soundness.check(detector, dataset.validation)
    except RequestError as error:
        return detector, Worth(str(error), "the line above says how")
    normal = alarms.errors(detector, dataset.validation)
    ratio = _ratio(float(normal.mean()), constant_error(detector, dataset))
    if output_variation(detector, dataset.validation) < LEAST_VARIATION:
        return detector, Worth(DEAD, TRAIN, ratio)
    if ratio >= 1:
        return detector, Worth(CONSTANT.format(ratio=ratio), TRAIN, ratio)
    if count := better_orders(detector, np.asarray(dataset.validation[:ORDERED])):
        problem = ORDER.format(count=count, orders=ORDERS)
        return detector, Worth(problem, TRAIN, ratio)
    try:
        detector = given.calibrated(detector, dataset)
    except RequestError as error:
        return detector, Worth(str(error), OTHER, ratio)
    return detector, _of_errors(detector, dataset, normal, ratio)


def better_orders(detector: Detector, rows: Array, seed: int = 0) -> int:
    """Return in how many of 99 random orders of the columns rows (N, …) are reconstructed clearly
    better than in their own: by a tenth of the error, and by 3.5 standard errors of the rows'
    differences.

    A network that has learned how columns depend on each other knows them by their places: fed with
    other columns, its error is one of many. Where columns are alike, many orders are as good, and
    none is clearly better.
    """
    flat = rows.reshape(len(rows), -1)
    own, rng = alarms.errors(detector, rows), np.random.default_rng(seed)
    better = 0
    for _ in range(ORDERS):
        changed = flat[:, rng.permutation(flat.shape[1])].reshape(rows.shape)
        better += _clearly(own - alarms.errors(detector, changed), GAIN * float(own.mean()))
    return better


def _clearly(gains: NDArray[np.float64], least: float) -> bool:
    """Whether gains (N,) have a mean that is clearly above 0, and above the least that counts."""
    if len(gains) < 2:
        return False
    standard_error = float(gains.std(ddof=1)) / np.sqrt(len(gains))
    return bool(gains.mean() > max(CLEARLY * standard_error, least))


def _ratio(own: float, constant: float) -> float:
    """Return the error in units of the constant's; of data that do not vary, there is none."""
    return own / constant if constant > 0 else float("inf")


def _of_errors(
    detector: Detector, dataset: Dataset, normal: NDArray[np.float64], ratio: float
) -> Worth:
    tested = alarms.errors(detector, dataset.test)
    auc = detection(tested, normal, dataset)
    untold = auc is not None and _untold(auc)
    return Worth(
        UNTOLD.format(auc=_figure(auc)) if untold and auc else "",
        OTHER if untold else "",
        ratio,
        auc,
        detector.calibrated.normal_95,
        int((tested > detector.calibrated.normal_95).sum()),
        len(tested),
        dict(error_shares(detector, dataset)),
    )


def detection(
    tested: NDArray[np.float64], normal: NDArray[np.float64], dataset: Dataset
) -> Estimate | None:
    """Return how often a labelled test row has a greater error than a normal one, ties half: the
    mean over incidents, which are the sample. None without labelled rows.
    """
    labels = dataset.test_labels
    if labels is None or not labels.any():
        return None
    others = np.sort(np.concatenate([normal, tested[~labels]]))
    below, upto = (np.searchsorted(others, tested[labels], side=s) for s in ("left", "right"))
    share = (below + upto) / 2 / len(others)
    units = np.arange(len(labels)) if dataset.test_units is None else dataset.test_units
    _, unit = np.unique(np.asarray(units)[labels], return_inverse=True)
    means = np.bincount(unit, share) / np.bincount(unit)
    count = len(means)
    variance = float(means.var(ddof=1) / count) if count > 1 else float("nan")
    return Estimate(float(means.mean()), variance, count - 1.0)


def _untold(auc: Estimate) -> bool:
    """Whether labelled rows have no greater errors, as far as one can know; of few incidents, by
    their mean alone: they are too few to condemn a detector that tells them.
    """
    low = auc.lower(0.95) if auc.df >= ENOUGH - 1 else None
    return (auc.value if low is None else low) <= TOLD


def _figure(auc: Estimate) -> str:
    interval = auc.interval()
    if interval is None:
        return f"{auc.value:.2f}"
    return f"{auc.value:.2f} [{interval[0]:.2f}, {min(interval[1], 1.0):.2f}]"


def error_shares(detector: Detector, dataset: Dataset) -> Iterator[tuple[str, float]]:
    """Yield the names of features with what they bear of the normal error, the most first."""
    shares = detector.error_map(dataset.validation).double().cpu().numpy()
    sums = dataset.features.sum_groups(shares).reshape(len(shares), -1).mean(axis=0)
    total = float(sums.sum())
    names = dataset.features.group_names(tuple(dataset.train.shape[1:]))
    for place in np.argsort(-sums, kind="stable").tolist():
        yield names[place], float(sums[place]) / total if total > 0 else 0.0
