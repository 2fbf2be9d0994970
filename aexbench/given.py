"""What `evaluate` is given: samples and truths of every kind as a data set, and bounds for them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aexbench.contracts import Dataset, TruthKind, not_finite
from aexbench.detector import Detector
from aexbench.errors import RequestError
from aexbench.features import Features
from aexbench.rows import Array, Rows, as_rows, blocks

MOST_OUTSIDE = 0.1  # of the bounds: further off, a background is said to lie elsewhere
LEAST_FILLED = 0.02  # of the bounds, by the median column of a background

OWN_BOUNDS = (
    "no Features were given that say bounds, and the background leaves [0, 1]: low and high of "
    "each column are its least and greatest value there"
)
OUTSIDE = (
    "normal samples lie up to {far:.3g} ranges outside of the detector's Features, in {names}: "
    "corruptions and scores are in their units; give Features(low=…, high=…) of the data"
)
FILLED = (
    "the background fills {share:.1g} of the Features' bounds (median column): random values lie "
    "far from the data; give Features(low=…, high=…) of the data"
)


def dataset(
    detector: Detector,
    clean: object,
    background: object,
    labelled: object = None,
    units: object = None,
    kind: TruthKind = "symptom",
) -> Dataset:
    """Return what is given as a data set: the clean samples, and labelled ones, are its test.

    `units` says which incident each labelled sample is of, `kind` what their truth marks.

    Raises
    ------
    RequestError
        If something is no samples, or does not belong to the rest.
    """
    x, truth = _pair(labelled)
    framed = {"background": background, "clean": clean, "labelled": x, "its truth": truth}
    _same_columns(framed, detector.features.names)
    train, normal = samples(background, "background"), samples(clean, "clean")
    for name, rows in (("clean", normal), ("background", train)):
        if complaint := not_finite(rows, name, detector.features.names):
            raise RequestError(complaint)
    if train.shape[1:] != normal.shape[1:]:
        shapes = f"{train.shape} and {normal.shape}"
        raise RequestError(f"background and clean are samples of one shape, not {shapes}")
    if labelled is None:
        if units is not None:
            raise RequestError("units are those of labelled samples: give labelled=(x, truth) too")
        return Dataset(train, normal, normal, detector.features)
    odd, marked = np.asarray(samples(x, "labelled")), truths(truth)
    if complaint := not_finite(odd, "labelled", detector.features.names):
        raise RequestError(complaint)
    if odd.shape != marked.shape or odd.shape[1:] != normal.shape[1:]:
        shapes = f"{odd.shape} and {marked.shape}, clean samples are {normal.shape}"
        raise RequestError(f"labelled is samples and their truth: {shapes}")
    return Dataset(
        train,
        normal,
        np.concatenate([np.asarray(normal), odd]),
        detector.features,
        np.repeat([False, True], [len(normal), len(odd)]),
        np.concatenate([np.zeros(normal.shape, dtype=bool), marked]),
        test_units=_units(units, len(normal), len(odd)),
        test_truth_kind=kind,
    )


def _units(units: object, normal: int, labelled: int) -> NDArray[np.int64] | None:
    """Return the units of all test samples; each normal one is a unit of its own."""
    if units is None:
        return None
    names = np.asarray(units)
    if names.shape != (labelled,):
        raise RequestError(
            f"units name the incident of each labelled sample, {labelled} of them: they have shape "
            f"{names.shape}"
        )
    _, numbers = np.unique(names, return_inverse=True)
    return np.concatenate([np.arange(normal), normal + numbers])


def _pair(labelled: object) -> tuple[object, object]:
    if labelled is None:
        return None, None
    if not isinstance(labelled, tuple | list) or len(labelled) != 2:
        raise RequestError("labelled is a pair: samples (N, …) and their truth (N, …)")
    return labelled[0], labelled[1]


def samples(values: object, name: str) -> Any:
    """Return samples as rows of numbers, at least one."""
    try:
        rows = as_rows(values)  # type: ignore[arg-type]
    except RequestError as error:
        raise RequestError(f"{name}: {error}") from None
    except (TypeError, ValueError):
        rows = None
    shape = getattr(rows, "shape", ())
    if len(shape) < 2 or getattr(rows, "dtype", np.dtype(object)).kind not in "biuf":
        kind = " ".join(str(part) for part in (type(values).__name__, _dtype(rows), shape) if part)
        raise RequestError(f"{name} must be an array of numbers (N, …): this is a {kind}")
    if not len(rows):
        raise RequestError(f"{name} holds no samples")
    return rows


def _dtype(rows: object) -> str:
    return f"of {rows.dtype}" if hasattr(rows, "dtype") else ""


def truths(values: object) -> NDArray[np.bool_]:
    """Return which columns make samples anomalous (N, …): truth values, or 0 and 1.

    Raises
    ------
    RequestError
        If they are anything else: `"False"` and -1 are no truth value that everybody reads alike.
    """
    found = samples(values, "the truth of labelled")
    array = np.asarray(found)
    wrong = ~np.isin(array, [0, 1])
    if wrong.any():
        value = array[wrong][0]
        raise RequestError(f"the truth of labelled must be bool, or 0 and 1: it holds {value!s}")
    return array.astype(bool)


def _same_columns(framed: dict[str, object], names: Sequence[str]) -> None:
    """Raise RequestError where the names of data frames' columns differ, or from the Features'."""
    known = {what: _columns(values) for what, values in framed.items()}
    known = {"the detector's Features": list(names) or None, **known}
    given = {what: columns for what, columns in known.items() if columns is not None}
    first = next(iter(given), "")
    for what, columns in given.items():
        if columns == given[first]:
            continue
        alike = sorted(columns) == sorted(given[first])
        how = "in another order" if alike else "under other names"
        raise RequestError(
            f"columns of {what} stand {how} than those of {first}: {columns[:5]} and "
            f"{given[first][:5]}; bring them into one order, or give arrays"
        )


def _columns(values: object) -> list[str] | None:
    """Return the names of a data frame's columns; None where it has none but numbers."""
    columns = getattr(values, "columns", None)
    if columns is None or not hasattr(values, "iloc"):
        return None
    found = list(columns)
    return [str(name) for name in found] if any(isinstance(n, str) for n in found) else None


def described(detector: Detector, data: Dataset) -> Detector:
    """Return the detector with the data's Features where it describes no columns itself; the scale
    that it may have had was of other bounds. The caller's own stays as it is.
    """
    own = detector.features
    if own.names or own.bounded or own.groups is not None:
        return detector
    made = copy.copy(detector)
    made.features, made.scale = data.features, None
    return made


def calibrated(detector: Detector, data: Dataset) -> Detector:
    """Return the detector with a score scale; the caller's own stays as it is."""
    if detector.scale is not None:
        return detector
    return copy.copy(detector).calibrate(data.validation)


def bounded(detector: Detector, data: Dataset) -> tuple[Detector, list[str]]:
    """Return a detector whose Features hold the background, and what is to be said of it.

    Where nobody has said bounds, and the background leaves [0, 1], its least and greatest values
    are the bounds. Given ones stay; columns that leave them by more than a tenth of their range, or
    hardly fill them, are said.
    """
    features, shape = detector.features, tuple(data.train.shape[1:])
    low, high = features.bounds(shape)
    least, most = _extremes(data.train)
    beyond = np.maximum(low - least, most - high) / (high - low)
    if not features.bounded and (beyond > 0).any():
        made = copy.copy(detector)
        made.features = _within(features, least.ravel(), most.ravel())
        made.scale = None  # it was of other bounds
        return made, [OWN_BOUNDS]
    if (beyond > MOST_OUTSIDE).any():
        names = _named(features, np.flatnonzero(beyond.ravel() > MOST_OUTSIDE))
        return detector, [OUTSIDE.format(far=float(beyond.max()), names=names)]
    share = _filled((most - least) / (high - low))
    return detector, [FILLED.format(share=share)] if share < LEAST_FILLED else []


def _named(features: Features, columns: NDArray[np.int64]) -> str:
    """Return columns in words."""
    shown = [features.names[c] if features.names else f"column {c}" for c in columns[:5].tolist()]
    more = f" and {len(columns) - len(shown)} more" if len(columns) > len(shown) else ""
    return ", ".join(shown) + more


def _filled(shares: Array) -> float:
    """Return the share of the bounds that the median column spans, constant ones aside; 1 where all
    are constant.
    """
    return float(np.median(shares[shares > 0])) if (shares > 0).any() else 1.0


def _extremes(rows: Rows) -> tuple[Array, Array]:
    pairs = [(block.min(axis=0), block.max(axis=0)) for block in blocks(rows)]
    least = np.min([low for low, _ in pairs], axis=0).astype(np.float64)
    return least, np.max([high for _, high in pairs], axis=0).astype(np.float64)


def _within(features: Features, low: Array, high: Array) -> Features:
    """Return Features with these bounds; columns of 0 and 1 that are a category's keep theirs."""
    if features.groups is not None and features.kinds is not None:
        codes = np.array(features.kinds)[np.array(features.groups)] == "onehot"
        kept = codes & np.isin(low, (0, 1)) & np.isin(high, (0, 1))
        low, high = np.where(kept, 0.0, low), np.where(kept, 1.0, high)
    high = np.where(high > low, high, low + np.maximum(1.0, np.abs(low)))  # a constant column
    return features.within(tuple(low.tolist()), tuple(high.tolist()))
