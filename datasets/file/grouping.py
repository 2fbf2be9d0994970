"""Columns that encode one feature together: by patterns of their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from aexbench import Features
from aexbench.features import Kind


def members(pattern: str, names: Sequence[str]) -> list[str]:
    """Return the columns of a pattern: of `ip_*`, or of `ip_*:hashed`.

    >>> members("ip_*:hashed", ["ip_1", "port", "ip_2"])
    ['ip_1', 'ip_2']
    """
    wanted = _split(pattern)[0]
    return [name for name in names if name == wanted or fnmatchcase(name, wanted)]


def title(pattern: str) -> str:
    """Return what a pattern's feature is called.

    >>> title("ip_*:hashed")
    'ip'
    """
    return _split(pattern)[0].rstrip("*").rstrip("_-.=: ")


def complaints(patterns: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return what is wrong with patterns: they match nothing, or a column twice."""
    wrong = [f"groups: no column is called {p}" for p in patterns if not members(p, names)]
    counts = Counter(name for pattern in patterns for name in members(pattern, names))
    twice = [name for name, count in counts.items() if count > 1]
    return wrong + [f"groups: column {name!r} matches two patterns" for name in twice]


def not_one_hot(
    patterns: Sequence[str], names: Sequence[str], values: NDArray[np.float64]
) -> list[str]:
    """Return what is wrong with the columns of patterns `ip_*:onehot`, in a table (N, M)."""
    wrong = []
    for pattern in patterns:
        known = set(members(pattern, names)) if _split(pattern)[1] == "onehot" else set()
        own = [name for name in names if name in known]
        block = values[:, [name in known for name in names]]
        odd = np.argwhere((block != 0) & (block != 1))
        double = np.flatnonzero((block == 1).sum(axis=1) > 1)
        what = f"groups: {pattern} must hold 0 and 1, and one 1 at most in a row"
        if len(odd):
            row, column = odd[0].tolist()
            value, count = block[row, column], len(np.unique(odd[:, 0]))
            held = f"column {own[column]!r} holds {value:g} in row {row + 1}"
            wrong.append(f"{what}: {held} ({count} such rows in all)")
        elif len(double):
            first, second = np.flatnonzero(block[double[0]])[:2].tolist()
            held = f"{own[first]!r} and {own[second]!r} are 1 in row {double[0] + 1}"
            wrong.append(f"{what}: {held} ({len(double)} such rows in all)")
    return wrong


def features_of(
    names: Sequence[str], values: NDArray[np.float64], patterns: Sequence[str]
) -> tuple[Features, NDArray[np.bool_] | None]:
    """Return the Features of a table, and which of its columns (M,) are a category's 0 and 1."""
    if not patterns:
        return Features(names=tuple(names)), None
    of = {name: pattern for pattern in patterns for name in members(pattern, names)}
    keys = [("group", of[name]) if name in of else ("column", name) for name in names]
    number = {key: position for position, key in enumerate(dict.fromkeys(keys))}
    groups = np.array([number[key] for key in keys])
    kinds: list[Kind] = [
        _kind(key[1], values[:, groups == position]) if key[0] == "group" else "columns"
        for key, position in number.items()
    ]
    kept = np.array([kinds[group] == "onehot" for group in groups])
    return Features(names=tuple(names), groups=tuple(groups.tolist()), kinds=tuple(kinds)), kept


def _kind(pattern: str, block: NDArray[np.float64]) -> Kind:
    """Return the kind of a group: the one that is named, or a category where columns show one."""
    named = _split(pattern)[1]
    if named is not None:
        return named
    flags = block.shape[1] > 1 and bool(np.isin(block, [0, 1]).all())
    return "onehot" if flags and block.sum(axis=1).max() <= 1 else "columns"


def _split(pattern: str) -> tuple[str, Kind | None]:
    name, _, last = pattern.rpartition(":")
    for kind in get_args(Kind):
        if name and last == kind:
            return name, kind
    return pattern, None
