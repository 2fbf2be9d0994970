"""What travels along the road: Dataset, AnomalySet, and what a plugin of each family must do.

    Dataset → Detector → AnomalySet → attributions → scores → leaderboard

What authors of plugins may import of this project, and nothing else of it:

- `aexbench` itself: its public names, and each family's `register`;
- `aexbench.declarations`: what `register` may be told;
- `aexbench.rows`: splits that need not fit in memory, read in blocks; `aexbench.errors`;
- `aexbench.probes`: what a metric without truth may ask;
- `aexbench.correlations`: how alike the orders of two maps are;
- `aexbench.scaling`: how the values of a source became those of the splits;
- `aexbench.detector`: `in_chunks`, `evaluation_mode`; `aexbench.extras`: optional packages;
- `aexbench.fetching`, for data sets that can be fetched; `aexbench.files` and `aexbench.digests`,
  for those that keep what they have made;
- `aexbench.explainers.tools`, `aexbench.datasets.tools`, `aexbench.metrics.tools`: what the
  built-in ones share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aexbench import summaries
from aexbench.declarations import Training, kind_of
from aexbench.errors import RequestError, unknown
from aexbench.features import Features
from aexbench.frames import Frame, pandas_frame
from aexbench.rows import Array, Named, Picked, as_rows, blocks, in_memory
from aexbench.scaling import Scale
from aexbench.waiting import waiting

if TYPE_CHECKING:
    import torch

    from aexbench.detector import Detector

ALARMED = "alarmed"  # among the details of an AnomalySet
Progress = Callable[[str, float], None]
"""Called with a line of text and the share that is done, in [0, 1]."""

Split = Literal["test", "validation", "train"]
_SPLITS: tuple[Split, ...] = get_args(Split)

TruthKind = Literal["symptom", "cause", "both"]
"""What a truth per feature says: which features are abnormal, or where it came from."""


@dataclass(frozen=True)
class AnomalySet:
    """Anomalous samples and the truth about what makes each anomalous.

    Attributes
    ----------
    x : (N, …) float
        The anomalous samples.
    truth : (N, …) bool
        The columns that make each sample anomalous.
    score, error : (N,) float64
        The detector's score in [0, 1] and its reconstruction error e(x, x̂).
    label : (N,) str
        The corruption, or the kind of damage.
    unit : (N,) int64
        The source row or segment; samples of one unit are not independent.
    features
        The columns' description.
    clean : (N, …) float or None
        The sample that each was made from.
    details : mapping of (N,) arrays
        What the corruption measured on each accepted sample.
    report : mapping
        How the set came about: what was asked for, draws, rejections by reason.
    """

    x: Array
    truth: NDArray[np.bool_]
    score: NDArray[np.float64]
    error: NDArray[np.float64]
    label: NDArray[np.str_]
    unit: NDArray[np.int64]
    features: Features
    clean: Array | None = None
    details: Mapping[str, Array] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Reject sets whose parts do not belong together."""
        lengths = {
            len(getattr(self, name)) for name in ("x", "truth", "score", "error", "label", "unit")
        }
        if len(lengths) > 1 or self.x.shape != self.truth.shape:
            raise RequestError(
                f"parts of an AnomalySet differ: x {self.x.shape}, truth {self.truth.shape}, "
                f"{lengths}"
            )
        if len(self.x) and not self.truth.reshape(len(self.x), -1).any(axis=1).all():
            raise RequestError("every sample of an AnomalySet needs at least one true column")

    def __len__(self) -> int:
        return len(self.x)

    @property
    def alarmed(self) -> NDArray[np.bool_]:
        """Which samples (N,) raise an alarm: all, where that was no question."""
        return np.asarray(self.details.get(ALARMED, np.ones(len(self), dtype=bool)))

    def __repr__(self) -> str:
        return summaries.of_anomalies(self).text()

    def _repr_html_(self) -> str:
        return summaries.of_anomalies(self).html()


@dataclass
class Dataset:
    """Splits, their Features, and the data set's own autoencoder.

    Splits need slices, integer arrays and `len`, nothing more: they may be memory maps.

    Attributes
    ----------
    train, validation, test : (N, …) float32
        `train` and `validation` hold normal samples only.
    features
        The columns' description.
    test_labels : (N,) bool or None
        Which test samples are anomalous.
    test_truth : (N, …) bool or None
        Which columns make them so.
    autoencoder
        The data set's default autoencoder, a name with brackets such as `mlp[widths=[16, 8]]`.
    test_units : (N,) int or None
        What each test sample belongs to, a segment or an object: samples of one unit are not
        independent. Each is its own where it is left out.
    test_kinds : (N,) str or None
        The kind of each test sample's anomaly, such as the damage; scores are split by it.
    test_truth_kind
        What `test_truth` marks. `symptom`: the features that are abnormal, as people label them.
        `cause`: where the anomaly came from, whatever else it has made abnormal. `both`: one and
        the same, as where code has changed these features and no other follows from them.
    scale
        How the values of the source became those of the splits; they are the same without it.
    rows : mapping of (N,) int64
        By split, the number of each of its rows in the source: 0 is a file's first row of data. A
        number stands for one row, so that a split which comes from another source than the test
        has none; that of a window (T, D) is its first row's. Without any, the test's rows are
        numbered as they stand.
    """

    train: Array
    validation: Array
    test: Array
    features: Features
    test_labels: NDArray[np.bool_] | None = None
    test_truth: NDArray[np.bool_] | None = None
    autoencoder: str = "mlp"
    test_units: NDArray[np.int64] | None = None
    test_kinds: NDArray[np.str_] | Named | None = None
    test_truth_kind: TruthKind = "symptom"
    scale: Scale = field(default_factory=Scale)
    rows: Mapping[Split, NDArray[np.int64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Reject splits that do not belong together, and values in memory that are not finite."""
        if self.test_truth_kind not in get_args(TruthKind):
            raise unknown("test_truth_kind of a Dataset", self.test_truth_kind, get_args(TruthKind))
        for name in ("test_units", "test_kinds"):
            value = getattr(self, name)
            if value is not None and np.shape(value) != (len(self.test),):
                raise RequestError(f"{name} of a Dataset must have one entry per test sample")
            if hasattr(value, "iloc"):  # a series
                setattr(self, name, np.asarray(value))
        wrong = []
        for name in ("train", "validation", "test"):
            rows = _rows(getattr(self, name), name)
            setattr(self, name, _float32(rows))
            wrong.append(not_finite(rows, f"{name} of a Dataset", self.features.names))
        if any(wrong):
            raise RequestError("; ".join(filter(None, wrong)))
        self.test_labels = _booleans(self.test_labels, (len(self.test),), "test_labels")
        self.test_truth = _booleans(self.test_truth, self.test.shape, "test_truth")
        shapes = {split.shape[1:] for split in (self.train, self.validation, self.test)}
        if len(shapes) > 1:
            raise RequestError(
                f"train, validation and test have samples of different shapes: {sorted(shapes)}"
            )
        _check_channels(self.train.shape[1:])
        self.features.check(self.train.shape[1:])
        if not self.features.bounded:  # a data set's values are scaled, or it says how
            self.features = self.features.within(0.0, 1.0)
        self.scale.check(self.train.shape[1:])
        self.rows = _numbered(self)

    def transform(self, values: ArrayLike) -> NDArray[np.float32]:
        """Return values (N, …) in the user's units as rows of this data set (N, …), float32.

        Of a data frame it takes the columns that the Features name, in their order.

        Raises
        ------
        RequestError
            If they have other columns: it names what is missing.
        """
        return self.scale.transform(_chosen(values, self.features.names))

    def inverse(self, x: ArrayLike) -> NDArray[np.float64]:
        """Return rows of this data set (N, …) in the user's units, float64; for their precision see
        `aexbench.scaling.Scale.inverse`.
        """
        return self.scale.inverse(x)

    def row(self, number: int) -> tuple[Split, int]:
        """Return where the row of a number is: its split, and its place there.

        Raises
        ------
        RequestError
            If it is in no split: it says which numbers there are.
        """
        for split in _SPLITS:
            places = np.flatnonzero(self.numbers(split) == number)
            if len(places):
                return split, int(places[0])
        raise RequestError(_no_row(self, number))

    def sample(self, number: int) -> NDArray[np.float32]:
        """Return the row of a number (1, …), in the data set's units.

        Raises
        ------
        RequestError
            See `row`.
        """
        split, place = self.row(number)
        return np.asarray(getattr(self, split)[place : place + 1])

    def numbers(self, split: Split = "test") -> NDArray[np.int64]:
        """Return the number of each row (N,) of a split; none where they have no numbers."""
        if split == "test" and not self.rows:
            return np.arange(len(self.test))
        return self.rows.get(split, np.empty(0, dtype=np.int64))

    @staticmethod
    def of(frame: Frame | Path | str, **parameters: Any) -> Dataset:
        """Return the data set of a data frame of pandas or polars, or of a file.

        It is read, checked, split and scaled as by the data set `file`, whose parameters it takes:
        `label`, `truth`, `drop`, `scale`, `test` (a frame too) and others. Rows are numbered from 0
        as they stand, whatever the index.

        Raises
        ------
        RequestError
            If it is no such table, or something in it cannot be used.

        Examples
        --------
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"load": [3.0, 5.0] * 10, "heat": [20.5, 21.5, 24.5, 20.5] * 5})
        >>> data = Dataset.of(frame)
        >>> data.sample(7), data.inverse(data.sample(7))
        (array([[1., 0.]], dtype=float32), array([[ 5. , 20.5]]))
        """
        from aexbench.families import datasets

        if not isinstance(frame, Frame | Path | str):
            raise RequestError(_no_frame(frame))
        return datasets.create("file", path=frame, **parameters)

    @property
    def normal(self) -> Array:
        """The normal samples of the test split: what corruptions start from."""
        if self.test_labels is None:
            return self.test
        if type(self.test) is np.ndarray:
            return self.test[~self.test_labels]
        return Picked(self.test, np.flatnonzero(~self.test_labels))  # type: ignore[return-value]  # read like an array

    def detector(
        self, seed: int = 0, autoencoder: str = "default", progress: Progress | None = None
    ) -> Detector:
        """Return this data set's autoencoder, trained once and kept in the user's cache folder.

        Parameters
        ----------
        seed
            Of the initial weights and of the order of the training samples.
        autoencoder
            A name with brackets; `default[loss=l1]` changes a parameter of the data set's own.
        progress
            Called with a line of text and the share done in [0, 1] while it trains. Where it is
            left out, a bar shows that on a terminal and in a notebook, after two seconds.
        """
        from aexbench.autoencoders.training import trained_detector  # torch takes seconds to import

        with waiting("training the detector") as say:
            return trained_detector(
                self, seed=seed, autoencoder=autoencoder, progress=progress or say
            )

    def __repr__(self) -> str:
        return summaries.of_dataset(self).text()

    def _repr_html_(self) -> str:
        return summaries.of_dataset(self).html()


def _rows(split: Any, name: str) -> Any:
    """Return a split as rows of numbers, or raise RequestError that names it."""
    try:
        array = as_rows(split)
    except RequestError as error:
        raise RequestError(f"{name} of a Dataset: {error}") from None
    if len(array.shape) < 2 or array.dtype.kind not in "biuf":
        raise RequestError(
            f"{name} of a Dataset must be numbers (N, …); it is {array.dtype} {array.shape}"
        )
    return array


def _float32(rows: Any) -> Array:
    """Return rows as they are, or as float32 where they are something else; memory maps are float32
    already.
    """
    with np.errstate(over="ignore"):  # `not_finite` tells
        return rows if rows.dtype == np.float32 else np.asarray(rows).astype(np.float32)


def not_finite(rows: Any, what: str, names: Sequence[str] = ()) -> str:
    """Return where rows in memory hold NaN, infinities or what float32 cannot hold; "" where they
    hold none. Memory maps and shards are not read.

    >>> not_finite(np.array([[0.0, np.nan]]), "background")
    'background is not finite in row 0, column 1: nan'
    """
    if not in_memory(rows):
        return ""
    first, count, start = "", 0, 0
    for block in blocks(rows):
        with np.errstate(over="ignore"):
            wrong = ~np.isfinite(block.astype(np.float32, copy=False))
        if not first and wrong.any():
            place = np.unravel_index(int(wrong.argmax()), wrong.shape)
            row, *column = (int(index) for index in place)
            first = f"{_place(row + start, column, names)}: {_value(block[place])}"
        count += int(wrong.sum())
        start += len(block)
    more = f" ({count} such values)" if count > 1 else ""
    return f"{what} is not finite in {first}{more}" if first else ""


def _numbered(dataset: Dataset) -> dict[Split, NDArray[np.int64]]:
    """Return a data set's row numbers by split as arrays; RequestError where they do not fit."""
    found: dict[Split, NDArray[np.int64]] = {}
    for split, given in dataset.rows.items():
        if split not in _SPLITS:
            raise unknown("split with rows of a Dataset", split, _SPLITS)
        numbers = np.asarray(given)
        if numbers.shape != (len(getattr(dataset, split)),) or numbers.dtype.kind not in "iu":
            raise RequestError(f"rows of a Dataset must number each row of {split}")
        found[split] = numbers.astype(np.int64)
    every = np.concatenate([np.empty(0, dtype=np.int64), *found.values()])
    if len(np.unique(every)) < len(every) or (every < 0).any():
        raise RequestError("rows of a Dataset are numbers from 0 on, and each of one row")
    return found


def _no_row(dataset: Dataset, number: int) -> str:
    """Return in words that no split has the row of a number."""
    known = np.concatenate([dataset.numbers(split) for split in _SPLITS])
    last = int(known.max(initial=-1))
    if kind_of(tuple(dataset.train.shape[1:])) == "series" and len(known):
        nearest = known[np.abs(known - number).argmin()]
        return f"no window begins at row {number}; the nearest begins at row {nearest}"
    if 0 <= number <= last:
        return f"row {number} is in no split: it was left out; rows are numbered 0 to {last}"
    return f"there is no row {number}: rows are numbered 0 to {last}"


def _no_frame(values: Any) -> str:
    """Return in words what to do with what is no data frame."""
    kind = type(values).__name__
    if hasattr(values, "collect"):
        return f"Dataset.of takes a data frame: this is a {kind}, collect() it"
    return (
        f"Dataset.of takes a data frame or the path of a file, no {kind}: give "
        "pandas.DataFrame(array, columns=[…]), or make a Dataset of splits of your own"
    )


def _chosen(values: Any, names: Sequence[str]) -> Any:
    """Return a data frame's columns by their names; anything else as it is."""
    if not names or not isinstance(values, Frame):
        return values
    frame = pandas_frame(values)
    missing = [name for name in names if name not in frame.columns]
    if missing:
        shown = ", ".join(map(repr, missing[:10]))
        raise RequestError(f"the data frame lacks columns of this data set: {shown}")
    return frame[list(names)]


def _check_channels(shape: tuple[int, ...]) -> None:
    """Raise RequestError for images whose channels come last."""
    if len(shape) == 3 and shape[2] in (1, 3, 4) and min(shape[:2]) > 4:
        raise RequestError(
            f"samples {shape} look like images with their channels last; here they come first: "
            f"permute them to {(shape[2], *shape[:2])}, and put a module in front of the model "
            "that permutes them back"
        )


def _place(row: int, column: Sequence[int], names: Sequence[str]) -> str:
    if len(column) != 1:
        return f"row {row}, at {tuple(column)}"
    named = f" ({names[column[0]]!r})" if len(names) > column[0] else ""
    return f"row {row}, column {column[0]}{named}"


def _value(value: Any) -> str:
    return f"{value}, beyond float32" if np.isfinite(value) else str(value)


def _booleans(values: Any, shape: tuple[int, ...], name: str) -> NDArray[np.bool_] | None:
    """Return 0 and 1, or false and true, as booleans."""
    if values is None:
        return None
    try:
        array = as_rows(values)
    except RequestError as error:
        raise RequestError(f"{name} of a Dataset must be 0 or 1: {error}") from None
    if array.dtype == np.bool_ and array.shape == shape:
        return array  # type: ignore[no-any-return]
    if array.shape != shape or not np.isin(array, [0, 1]).all():
        raise RequestError(
            f"{name} of a Dataset must be 0 or 1 of shape {shape}; it is {array.dtype} "
            f"{array.shape}"
        )
    return np.asarray(array).astype(bool)


@dataclass(frozen=True)
class Untrained:
    """A model at its initial weights, and how it wants to be trained."""

    model: torch.nn.Module
    training: Training


class Explainer(Protocol):
    """Says which columns are responsible for an anomaly; made as `Class(detector, *, background=…,
    **parameters)`.

    What `explain` is given is prepared, and what it returns is checked, see `aexbench.door`; other
    methods are reached as they are. `measures(x, attributions)`, if it has one, returns a mapping
    of what it says of its own answers, one value per sample (N,), such as a gap to completeness;
    medians and maxima go into the record. `standard_error(x)`, of one that draws at random and
    knows how far its answers may be off, returns that (N, …), added up over the columns of a
    feature: `aexbench.explain` shows it, and asks the others with several seeds.
    """

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return attributions (N, …) for x (N, …), on its device: higher is more responsible; raw
        and signed.
        """
        ...


class Corruption(Protocol):
    """Makes anomalies with a known cause out of clean samples."""

    def generate(
        self,
        detector: Detector,
        clean: Array,
        count: int | None = None,
        threshold: float | str | None = None,
        seed: int = 0,
    ) -> AnomalySet:
        """Return up to `count` corrupted samples whose score passes `threshold`."""
        ...


class Metric(Protocol):
    """Compares attributions (N, …) with the truth (N, …)."""

    def score(self, attributions: ArrayLike, truth: ArrayLike) -> NDArray[np.float64] | float:
        """Return one value per sample (N,), or one value where samples are pooled."""
        ...
