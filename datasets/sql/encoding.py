"""Turns a table of statements into an autoencoder's input; what it needs to know it learns from
training rows alone.

`scalar` gives one column per feature, `groups` blocks of columns: one-hot and hashed categories,
cycles as points on a circle. A missing value has its place in both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from aexbench import Features, RequestError
from aexbench.datasets.sql.schema import SCHEMA, Activity, Feature
from aexbench.errors import unknown
from aexbench.features import Kind

Encoding = Literal["scalar", "groups"]
Vocabulary = Mapping[str, Sequence[str]]
Columns = NDArray[np.float32]

LEAST, MOST = 0.001, 0.999  # quantiles of the training rows that an amount's 0 and 1 stand for
SEEN = 0.1  # for the rarest category of the training rows; 0 is for those that they lack
ONE_HOT = 16  # the most frequent categories of a feature have columns of their own
BUCKETS = 4  # for the others


class Part(Protocol):
    """The encoding of one feature in one or more columns."""

    @property
    def labels(self) -> tuple[str, ...]:
        """What each column stands for; one empty label where there is one column."""
        ...

    def write(self, values: NDArray[Any], columns: Columns) -> None:
        """Write the encoding of values (N,) into columns (K, N), which hold zeros."""
        ...


@dataclass(frozen=True)
class Amount:
    """A number ≥ 0 by its logarithm: `(log(value + offset) − low) / span`, below 0 at 0, above 1
    bent towards 2.

    `offset` is about the least positive value in training, so that the logarithm neither blows up
    at 0 nor hides the differences between small values. About one normal value in a thousand lies
    above 1. Missing is 0.
    """

    offset: float
    low: float
    span: float
    labels = ("",)

    @staticmethod
    def fit(values: NDArray[Any]) -> Amount:
        """Take offset and quantiles from the values that are there."""
        known = np.asarray(values[np.isfinite(values)], dtype=np.float64)
        positive = known[known > 0]
        offset = float(np.quantile(positive, 0.01)) if len(positive) else 1.0
        logarithm = np.log(np.maximum(known, 0.0) + offset) if len(known) else np.zeros(1)
        low, high = (float(np.quantile(logarithm, share)) for share in (LEAST, MOST))
        if high <= low:  # nearly all the same
            low, high = float(logarithm.min()), float(logarithm.max())
        return Amount(offset, low, high - low if high > low else 1.0)

    def write(self, values: NDArray[Any], columns: Columns) -> None:
        """Write one column."""
        column = columns[0]
        with np.errstate(
            over="ignore", invalid="ignore"
        ):  # beyond float32 is infinite, and ends at 2
            column[:] = np.maximum(values, 0.0)
            column += np.float32(self.offset)
            np.log(column, out=column)
            column -= np.float32(self.low)
            column *= np.float32(1.0 / self.span)
            np.fmax(column, np.float32(0.0), out=column)  # what is missing too
        extreme = np.flatnonzero(column > 1.0)
        column[extreme] = 1.0 + np.tanh(column[extreme] - 1.0)


@dataclass(frozen=True)
class Turn:
    """A cycle as its share of the period, in [0, 1). Missing is 0."""

    period: float
    labels = ("",)

    def write(self, values: NDArray[Any], columns: Columns) -> None:
        """Write one column."""
        np.fmax(values * (1.0 / self.period) % 1.0, 0.0, out=columns[0], casting="same_kind")


@dataclass(frozen=True)
class Circle:
    """A cycle as a point on a circle, `(1 + sin) / 2` and `(1 + cos) / 2`. Missing is the circle's
    centre.
    """

    period: float
    labels = ("sin", "cos")

    def write(self, values: NDArray[Any], columns: Columns) -> None:
        """Write two columns."""
        angle = np.asarray(values * (2 * np.pi / self.period) % (2 * np.pi), dtype=np.float32)
        for column, function in zip(columns, (np.sin, np.cos), strict=True):
            column[:] = np.nan_to_num(0.5 + 0.5 * function(angle), nan=0.5)


@dataclass(frozen=True)
class Frequency:
    """A category by the logarithm of how often it was seen in training: most often is 1, least
    often 0.1, never is 0.

    A missing value (-1) is counted as one more category.
    """

    table: NDArray[np.float32]  # by code + 1; its last entry is for codes beyond
    labels = ("",)

    @staticmethod
    def fit(codes: NDArray[Any]) -> Frequency:
        """Count the codes."""
        count = _counts(codes)
        seen = count > 0
        logarithm = np.log1p(count)
        least, most = logarithm[seen].min(), logarithm.max()
        share = (logarithm - least) / (most - least) if most > least else np.ones(len(count))
        return Frequency(
            np.append(np.where(seen, SEEN + (1.0 - SEEN) * share, 0.0), 0.0).astype(np.float32)
        )

    def write(self, values: NDArray[Any], columns: Columns) -> None:
        """Write one column."""
        np.take(self.table, values + 1, mode="clip", out=columns[0])


@dataclass(frozen=True)
class OneHot:
    """A category as one 1 among 0s; rare and unseen ones share buckets by a hash of their code.
    Missing is all 0.
    """

    place: NDArray[np.int64]  # column by code; -1 where the code has none of its own
    labels: tuple[str, ...]
    buckets: int

    @staticmethod
    def fit(codes: NDArray[Any], names: Sequence[str]) -> OneHot:
        """Give the most frequent codes columns of their own."""
        count = _counts(codes)[1:]
        ranked = [int(code) for code in np.argsort(-count, kind="stable") if count[code] > 0]
        own, buckets = ranked[:ONE_HOT], BUCKETS if len(ranked) > ONE_HOT else 1
        place = np.full(len(count), -1)
        place[own] = np.arange(len(own))
        labels = [names[code] if code < len(names) else str(code) for code in own]
        return OneHot(place, (*labels, *(f"bucket-{number}" for number in range(buckets))), buckets)

    def write(self, values: NDArray[Any], columns: Columns) -> None:
        """Write one column per label."""
        codes = values.astype(np.int64)
        known = (codes >= 0) & (codes < len(self.place))
        place = np.full(len(codes), -1)
        place[known] = self.place[codes[known]]
        own = len(self.labels) - self.buckets
        hashed = (
            own + (codes * 2654435761 % 2**32 >> 16) % self.buckets
        )  # multiplicative, after Knuth
        place = np.where(place >= 0, place, hashed)
        rows = np.flatnonzero(codes >= 0)
        columns[place[rows], rows] = 1.0


def _counts(codes: NDArray[Any]) -> NDArray[np.float64]:
    """Return how often each code occurs, first the missing one (-1)."""
    return np.bincount(np.maximum(codes, -1).astype(np.int64) + 1, minlength=2).astype(np.float64)


KINDS: dict[type, Kind] = {OneHot: "onehot", Circle: "embedding"}  # of groups; else `columns`


@dataclass(frozen=True)
class Encoder:
    """What `fit` has learned; encodes any number of rows, each by itself.

    Attributes
    ----------
    names
        The features it takes, in the schema's order.
    parts
        How each of them is encoded.
    features
        Names of the columns, and for `groups` the number of the feature that each belongs to and
        what a feature's columns are together.
    """

    names: tuple[str, ...]
    parts: tuple[Part, ...]
    features: Features

    def encode(self, activity: Activity) -> Columns:
        """Return float32 (N, M): [0, 1], and up to 2 for amounts beyond what training rows reach.

        Raises
        ------
        RequestError
            If a feature that it was fitted on is not there.
        """
        for name in self.names:
            if name not in activity:
                raise RequestError(
                    f"the encoder was fitted with {name}, which these rows lack: fit without it"
                )
        count = len(activity[self.names[0]])
        columns = np.zeros(
            (len(self.features.names), count), dtype=np.float32
        )  # a feature's values side by side
        first = 0
        for name, part in zip(self.names, self.parts, strict=True):
            last = first + len(part.labels)
            part.write(np.asarray(activity[name]), columns[first:last])
            first = last
        return np.ascontiguousarray(columns.T)

    def spread(self, by_feature: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return a truth (N, 21) by the schema's features as one by columns (N, M)."""
        numbers = [index for index, feature in enumerate(SCHEMA) if feature.name in self.names]
        widths = [len(part.labels) for part in self.parts]
        return np.ascontiguousarray(by_feature[:, np.repeat(numbers, widths)])


def fit(
    activity: Activity, encoding: Encoding = "scalar", vocabulary: Vocabulary | None = None
) -> Encoder:
    """Return an encoder of the features that `activity` has; the rows should be training rows,
    100,000 are plenty.

    Parameters
    ----------
    activity
        Columns (N,) by the names of the schema; those that a source lacks are left out.
    encoding
        `scalar`: one column each. A category is its log-frequency (1 the most frequent, 0.1 the
        rarest, 0 unseen), an hour its share of the day, an amount its logarithm between two
        quantiles. `groups`: one-hot and hashed columns for a category, sine and cosine for a cycle;
        `features.groups` numbers the features from 0.
    vocabulary
        Names of the codes by feature, for the names of columns such as `command=select`.

    Raises
    ------
    RequestError
        If the encoding or a column is unknown, there are no rows, or the columns differ in length.
    """
    _check(activity, encoding)
    chosen = [feature for feature in SCHEMA if feature.name in activity]
    parts = [
        _part(f, np.asarray(activity[f.name]), encoding, (vocabulary or {}).get(f.name, ()))
        for f in chosen
    ]
    names = [
        f"{f.name}={label}" if label else f.name
        for f, p in zip(chosen, parts, strict=True)
        for label in p.labels
    ]
    groups = (
        tuple(number for number, part in enumerate(parts) for _ in part.labels)
        if encoding == "groups"
        else None
    )
    kinds = tuple(KINDS.get(type(part), "columns") for part in parts) if groups else None
    features = Features(names=tuple(names), groups=groups, kinds=kinds)
    return Encoder(tuple(f.name for f in chosen), tuple(parts), features)


def _check(activity: Activity, encoding: str) -> None:
    if encoding not in get_args(Encoding):
        raise unknown("encoding", encoding, get_args(Encoding))
    known = {feature.name for feature in SCHEMA}
    for name in activity:
        if name not in known:
            raise unknown("column of activity", name, known)
    lengths = _lengths(activity.values())
    if len(lengths) != 1 or 0 in lengths:
        raise RequestError(
            f"an encoder needs columns of one length and at least one row; lengths are {lengths}"
        )


def _lengths(columns: Iterable[NDArray[Any]]) -> list[int]:
    return sorted({len(column) for column in columns})


def _part(feature: Feature, values: NDArray[Any], encoding: str, names: Sequence[str]) -> Part:
    if feature.kind == "amount":
        return Amount.fit(values)
    if feature.kind == "cycle":
        return Turn(feature.period) if encoding == "scalar" else Circle(feature.period)
    return Frequency.fit(values) if encoding == "scalar" else OneHot.fit(values, names)
