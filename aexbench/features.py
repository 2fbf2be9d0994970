"""Features: what the input columns are; one description that travels along the whole road."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aexbench import summaries
from aexbench.errors import RequestError, unknown
from aexbench.rows import Array

Kind = Literal["columns", "onehot", "hashed", "embedding"]
WORDS = re.compile(r"[A-Z]+(?![^\W\d_A-Z])|[A-Z]?[^\W\d_A-Z]+|\d+|[\W_]")  # of a column's name
SEPARATORS = " _-.,:;=/|([{<"
ON = 0.5  # of the way from low to high: a one-hot column beyond it holds the category


class Unsaid(float):
    """A bound that nobody has said: 0 or 1, as for data that are scaled."""


@dataclass(frozen=True)
class Features:
    """Describes the input columns; travels with Dataset, Detector and AnomalySet.

    Parameters
    ----------
    names
        One name per input column, or none at all (images).
    low, high
        Least and greatest regular value, one for all columns or one each.
    groups
        For each column the number (0 … G−1) of the feature that it encodes, where several columns
        encode one feature. Corruptions change whole groups, and attributions are summed over groups
        before a metric sees them.
    kinds
        What each group's columns are together, one a group; `columns` where it is left out.
        `columns`: numbers, each by itself. `onehot`: a category, one column at high and the others
        at low, all of them at low where it is missing; a single column is its category or not.
        `hashed`, `embedding`: a category by a code that only samples know. Corruptions give a
        category another one, and never a vector that stands for none.

    Examples
    --------
    >>> features = Features(groups=(0, 0, 0, 1), kinds=("onehot", "columns"))
    >>> x, uniform = np.array([[1.0, 0.0, 0.0, 0.3]]), np.full((1, 4), 0.7)
    >>> features.redrawn(x, np.array([[True, True, True, False]]), uniform)
    array([[0. , 0. , 1. , 0.3]])
    """

    names: tuple[str, ...] = ()
    low: float | tuple[float, ...] = Unsaid(0.0)
    high: float | tuple[float, ...] = Unsaid(1.0)
    groups: tuple[int, ...] | None = None
    kinds: tuple[Kind, ...] | None = None

    def __post_init__(self) -> None:
        """Take lists and arrays too; reject descriptions that contradict themselves."""
        self._make_plain()
        lengths = {
            len(part)
            for part in (self.names, self.low, self.high, self.groups)
            if isinstance(part, tuple)
        }
        if len(lengths - {0}) > 1:
            raise RequestError(
                f"names, low, high and groups of Features differ in length: {sorted(lengths)}"
            )
        if self.groups is not None and sorted(set(self.groups)) != list(
            range(len(set(self.groups)))
        ):
            raise RequestError("groups of Features must be numbered 0, 1, 2, … without a gap")
        if np.any(np.greater_equal(self.low, self.high)):
            raise RequestError("low of Features must lie below high")
        self._check_kinds()

    def _make_plain(self) -> None:
        """Turn lists and arrays into tuples of Python's own values, as files hold them."""
        kinds = {"names": str, "low": float, "high": float, "groups": int, "kinds": str}
        for name, kind in kinds.items():
            value = getattr(self, name)
            if value is not None and not isinstance(value, str | Unsaid):
                object.__setattr__(self, name, _plain(name, value, kind))

    def _check_kinds(self) -> None:
        if self.kinds is None:
            return
        for kind in self.kinds:
            if kind not in get_args(Kind):
                raise unknown("kind of a feature group", kind, get_args(Kind))
        count = 0 if self.groups is None else len(set(self.groups))
        if len(self.kinds) != count:
            raise RequestError(
                f"kinds of Features are one a group: {len(self.kinds)} kinds for {count} groups"
            )

    @property
    def bounded(self) -> bool:
        """Whether anybody has said where regular values lie."""
        return not (isinstance(self.low, Unsaid) and isinstance(self.high, Unsaid))

    def within(self, low: float | tuple[float, ...], high: float | tuple[float, ...]) -> Features:
        """Return these Features with other bounds."""
        return replace(self, low=low, high=high)

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise RequestError unless samples of this shape have the columns described here."""
        for name in ("names", "low", "high", "groups"):
            value = getattr(self, name)
            if isinstance(value, tuple) and value and len(value) != int(np.prod(shape)):
                raise RequestError(
                    f"Features.{name} describes {len(value)} columns, a sample has shape {shape}"
                )

    def bounds(self, shape: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return `low` and `high` as arrays of the shape of one sample."""
        low, high = (np.asarray(bound, dtype=np.float64) for bound in (self.low, self.high))
        return tuple(np.broadcast_to(b.reshape(shape) if b.ndim else b, shape) for b in (low, high))  # type: ignore[return-value]

    def count(self, shape: tuple[int, ...]) -> int:
        """Return how many features a sample of this shape has: its groups, or its columns where
        there are none.
        """
        return int(np.prod(shape)) if self.groups is None else len(set(self.groups))

    def group_names(self, shape: tuple[int, ...]) -> tuple[str, ...]:
        """Return a name for each feature of a sample of this shape.

        A column's is its own. That of a group is what its columns' names begin with, in whole
        words; or its first and last column, where that is nothing or names another feature too.
        Without names they are `feature 0`, `feature 1`, ….

        Examples
        --------
        >>> Features(names=("bytes", "ip_1", "ip_2"), groups=(0, 1, 1)).group_names((3,))
        ('bytes', 'ip')
        """
        if not self.names:
            return tuple(f"feature {number}" for number in range(self.count(shape)))
        if self.groups is None:
            return self.names
        members = [[self.names[c] for c in self._columns(g)] for g in range(self.count(shape))]
        common = [_beginning(names) for names in members]
        counts = Counter(common)
        return tuple(
            name if len(names) == 1 or (name and counts[name] == 1) else f"{names[0]} … {names[-1]}"
            for name, names in zip(common, members, strict=True)
        )

    def masks(self, features: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Return for each feature number a mask (B, *shape) of the columns that encode it."""
        groups = np.arange(np.prod(shape)) if self.groups is None else np.asarray(self.groups)
        return np.asarray(groups[None, :] == features[:, None]).reshape(len(features), *shape)

    def sum_groups(self, attributions: ArrayLike) -> Array:
        """Sum attributions (N, …) over the columns of each feature: (N, G), or unchanged without
        groups.
        """
        values = np.asarray(attributions)
        if self.groups is None:
            return values
        columns = values.reshape(len(values), math.prod(values.shape[1:]))
        belongs = np.asarray(self.groups)[:, None] == np.arange(max(self.groups) + 1)
        return np.asarray(columns @ belongs.astype(values.dtype))

    def any_groups(self, truth: ArrayLike) -> NDArray[np.bool_]:
        """Return the truth (N, …) by feature: (N, G), true where any of its columns is, or
        unchanged without groups.
        """
        return np.asarray(self.sum_groups(np.asarray(truth).astype(np.float64)) > 0)

    def spread(self, chosen: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Return which columns (N, *shape) encode chosen features (N, G), or (N, *shape) without
        groups.
        """
        if self.groups is None:
            return chosen.reshape(len(chosen), *shape)
        return chosen[:, list(self.groups)].reshape(len(chosen), *shape)

    @property
    def asks_samples(self) -> bool:
        """Whether some groups' categories are known from samples alone."""
        return bool({"hashed", "embedding"}.intersection(self.kinds or ()))

    def of_categories(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which rows (N,) of a mask (N, …) hold a feature that is a category."""
        found = np.zeros(len(mask), dtype=bool)
        for number in self._categories():
            found |= mask.reshape(len(mask), -1)[:, self._columns(number)[0]]
        return found

    def touched(self, mask: NDArray[np.bool_], known: Array | None = None) -> list[Codes]:
        """Return the categories of those features that are categories and that a mask (N, …) holds.

        Parameters
        ----------
        known : (K, …)
            Samples that say which codes a hashed or embedded category has, and how often each
            category occurs.

        Raises
        ------
        RequestError
            If such a category is touched and there are no samples.
        """
        shape = mask.shape[1:]
        held = np.asarray(mask.reshape(len(mask), -1).any(axis=0))
        numbers = [number for number in self._categories() if held[self._columns(number)[0]]]
        return [self._codes(number, shape, known) for number in numbers]

    def redrawn(
        self,
        x: ArrayLike,
        mask: NDArray[np.bool_],
        uniform: NDArray[np.float64],
        known: Array | None = None,
    ) -> NDArray[np.float64]:
        """Return samples (N, …) with the features of a mask (N, …) drawn anew.

        A number becomes one between its low and high. A category becomes another one: of one-hot
        columns any of the others, each as likely; of codes another one of the known samples', as
        often as these have it.

        Parameters
        ----------
        uniform : (N, …)
            Numbers in [0, 1) that decide, one a column; that of its first column for a category.
        known : (K, …)
            See `touched`.
        """
        values = np.asarray(x, dtype=np.float64)
        low, high = self.bounds(values.shape[1:])
        drawn = np.where(mask, low + (high - low) * uniform, values)
        for codes in self.touched(mask, known):
            rows = codes.rows(mask)
            own = codes.of(values[rows])
            codes.write(drawn, rows, codes.another(own, codes.first(uniform)[rows]))
        return drawn

    def _categories(self) -> list[int]:
        return [number for number, kind in enumerate(self.kinds or ()) if kind != "columns"]

    def _columns(self, number: int) -> NDArray[np.int64]:
        return np.flatnonzero(np.asarray(self.groups) == number)

    def _codes(self, number: int, shape: tuple[int, ...], known: Array | None) -> Codes:
        columns = self._columns(number)
        samples = None if known is None else _of_columns(known, columns)
        kind = self.kinds[number] if self.kinds else "columns"
        if kind == "onehot":
            low, high = (bound.reshape(-1)[columns] for bound in self.bounds(shape))
            return Codes.one_hot(columns, low, high, samples)
        if samples is None:
            raise RequestError(
                f"feature {number} is {kind}: its categories are drawn from samples, and none "
                "are given"
            )
        return Codes.seen(columns, samples)

    def __repr__(self) -> str:
        return summaries.of_features(self).text()

    def _repr_html_(self) -> str:
        return summaries.of_features(self).html()


@dataclass(frozen=True)
class Codes:
    """The categories of one feature, as its columns spell them.

    Attributes
    ----------
    columns : (k,)
        Of a flat sample.
    values : (C, k)
        Each category's columns.
    chances : (C,)
        How likely each is when one is drawn, in any unit.
    counts : (C,)
        How often each occurs in the known samples; 0 where none are known.
    middle : (k,) or None
        Of one-hot columns: halfway from low to high.
    """

    columns: NDArray[np.int64]
    values: NDArray[np.float64]
    chances: NDArray[np.float64]
    counts: NDArray[np.float64]
    middle: NDArray[np.float64] | None = None

    @staticmethod
    def one_hot(
        columns: NDArray[np.int64],
        low: NDArray[np.float64],
        high: NDArray[np.float64],
        samples: NDArray[np.float64] | None,
    ) -> Codes:
        """Return the categories of one-hot columns, each as likely; a single column is on or
        off.
        """
        values = np.where(np.eye(len(columns), dtype=bool), high, low)
        if len(columns) == 1:
            values = np.concatenate([values, low[None]])
        ones, middle = np.ones(len(values)), low + ON * (high - low)
        codes = Codes(columns, values, ones, 0 * ones, middle)
        if samples is None:
            return codes
        own = codes._on(samples)
        return replace(codes, counts=_counted(own[own >= 0], len(values)))

    @staticmethod
    def seen(columns: NDArray[np.int64], samples: NDArray[np.float64]) -> Codes:
        """Return the codes that samples (K, k) hold, each as likely as it occurs."""
        values, counts = np.unique(samples, axis=0, return_counts=True)
        frequency = counts.astype(np.float64)
        return Codes(columns, values, frequency, frequency)

    def rows(self, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the rows of a mask (N, …) that hold this feature."""
        return np.flatnonzero(self.first(mask))

    def first(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return what values (N, …) have in this feature's first column (N,)."""
        return np.asarray(values.reshape(len(values), -1)[:, self.columns[0]])

    def of(self, x: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the number of each sample's category (N,), -1 where it is missing or unknown."""
        held = _of_columns(x, self.columns)
        if self.middle is not None:
            return self._on(held)
        numbers = {_key(value): number for number, value in enumerate(self.values)}
        return np.array([numbers.get(_key(value), -1) for value in held], dtype=np.int64)

    def another(self, own: NDArray[np.int64], uniform: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the number of another category (N,), drawn by its chance with uniform numbers.

        Where there is no other one it is its own.
        """
        ends = np.cumsum(self.chances)
        chance = np.where(own >= 0, self.chances[own], 0.0)
        at = uniform * (ends[-1] - chance)
        at = np.where((own >= 0) & (at >= ends[own] - self.chances[own]), at + chance, at)
        last = len(self.values) - 1
        return np.asarray(np.minimum(np.searchsorted(ends, at, side="right"), last))

    def by_frequency(self) -> NDArray[np.int64]:
        """Return the numbers of those that occur, the most frequent first; of equals the one nearer
        to the mean, and then the first, is.
        """
        known = np.flatnonzero(self.counts > 0)
        spread = np.ptp(self.values, axis=0)
        mean = np.average(self.values[known], axis=0, weights=self.counts[known])
        away = (((self.values[known] - mean) / np.where(spread > 0, spread, 1)) ** 2).sum(axis=1)
        return np.asarray(known[np.lexsort((away.round(9), -self.counts[known]))])

    def write(
        self,
        x: NDArray[np.float64],
        rows: NDArray[np.int64],
        numbers: NDArray[np.int64],
        keep: NDArray[np.bool_] | None = None,
    ) -> None:
        """Write categories into rows of samples (N, …), which are one block of memory; those to
        keep stay.
        """
        if keep is not None:
            rows, numbers = rows[~keep], numbers[~keep]
        x.reshape(len(x), -1)[np.ix_(rows, self.columns)] = self.values[numbers]

    def _on(self, held: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return which one-hot column (N,) is on; of none the missing category, of one the other
        state.
        """
        assert self.middle is not None
        above = held - self.middle
        number = above.argmax(axis=1)
        off = 1 if held.shape[1] == 1 else -1
        return np.asarray(np.where(above.max(axis=1) > 0, number, off))


def _beginning(names: Sequence[str]) -> str:
    """Return what names begin with, in whole words; a single one is its own.

    >>> _beginning(["port80", "port8080"]), _beginning(["hour=sin", "hour=sinus"])
    ('port', 'hour')
    """
    if len(names) == 1:
        return names[0]
    words = zip(*map(WORDS.findall, names), strict=False)
    same = takewhile(lambda found: len(set(found)) == 1, words)
    return "".join(found[0] for found in same).rstrip(SEPARATORS)


def _plain(name: str, value: Any, kind: type) -> Any:
    try:
        held = np.asarray(value, dtype=object)  # as texts, NumPy's would lose zeros at their ends
        return kind(value) if held.ndim == 0 else tuple(map(kind, held.ravel()))
    except (TypeError, ValueError):
        raise RequestError(
            f"{name} of Features holds something else than {kind.__name__}s"
        ) from None


def _of_columns(samples: Array, columns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return some columns (N, k) of samples (N, …); 0 where they hold −0."""
    flat = np.asarray(samples).reshape(len(samples), -1)
    return np.asarray(flat[:, columns].astype(np.float64) + 0.0)


def _key(code: NDArray[np.float64]) -> bytes:
    """Return what equal codes have in common, whatever type has held them."""
    return code.astype(np.float32).tobytes()


def _counted(numbers: NDArray[np.int64], length: int) -> NDArray[np.float64]:
    return np.bincount(numbers, minlength=length).astype(np.float64)
