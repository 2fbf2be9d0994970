"""Group corruption: several features at once."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import numpy as np
import torch
from annotated_types import Ge
from numpy.typing import NDArray

from aexbench import Detector, Proposal, RequestError, SkipError
from aexbench.corruptions import register
from aexbench.corruptions.tools.correlations import correlations
from aexbench.features import Features
from aexbench.rows import Array

LOG_UNIFORM = "log-uniform"


@register("group", threshold=0.5, version=1)
def group(
    detector: Detector,
    x: torch.Tensor,
    mask: torch.Tensor,
    rng: np.random.Generator,
    *,
    clean: Array,
    alarms: Array | None = None,
    size: Annotated[int, Ge(1)] | Literal["log-uniform"] = 3,
    choice: Literal["random", "correlated", "half"] = "random",
    donor: Literal["normal", "alarm"] | None = None,
) -> Proposal:
    """Set several features at once to other values; the truth holds them all.

    `group[size=log-uniform,choice=half,donor=alarm,threshold=alarm]` makes what resembles alarms:
    as many features as incidents have, with values that occurred together.

    Parameters
    ----------
    clean
        The samples that correlations, normal donors, and hashed and embedded categories come from;
        given by the engine.
    alarms
        Samples that have raised an alarm and that nobody has labelled; given by the engine.
    size
        How many features; `log-uniform` draws it for each sample from 1 to K, half of the features:
        s with probability log((s + 1) / s) / log(K + 1).
    choice
        The other features: drawn at `random`, or those `correlated` most with the one drawn first;
        `half` does either for one sample in two. Two features of several columns are as correlated
        as the two of their columns that are most.
    donor
        Where values come from: uniform ones between low and high, and other categories, as `random`
        does it, if left out; else all from one other sample, a `normal` one or an `alarm`. What is
        the same there is no truth, and a draw whose first feature is the same does not count.

    Raises
    ------
    RequestError
        If the data have fewer features.
    SkipError
        If alarms are to be the donors, and there are none.
    """
    groups = _groups(detector.features, tuple(x.shape[1:]))
    count = int(groups.max()) + 1
    if isinstance(size, int) and size > count:
        raise RequestError(f"group[size={size}]: these data have {count} features")
    drawn = _drawn(rng, tuple(x.shape), count, (size, choice, donor))
    first = groups[mask.cpu().numpy().reshape(len(x), -1).argmax(axis=1)]
    order = _order(drawn, first, clean, groups, choice)
    place = np.argsort(np.argsort(order, axis=1, kind="stable"), axis=1)
    chosen = place < (size if isinstance(size, int) else _log_uniform(drawn.size, count))
    values = x.cpu().double()
    if donor is not None:
        there = _donors(clean if donor == "normal" else alarms, drawn.donor)
        chosen = _changed(chosen, there != values.numpy(), first, groups)
    held = chosen[:, groups].reshape(x.shape)
    if donor is None:
        there = detector.features.redrawn(values, held, drawn.values, clean)
    wanted = torch.as_tensor(held, device=x.device)
    return Proposal(torch.where(wanted, torch.as_tensor(there).to(x), x), {}, wanted)


class Drawn(NamedTuple):
    """Uniform numbers in [0, 1), a row for each sample."""

    order: NDArray[np.float64]  # (B, features)
    values: NDArray[np.float64]  # (B, …)
    size: NDArray[np.float64]  # (B, 1)
    choice: NDArray[np.float64]  # (B, 1)
    donor: NDArray[np.float64]  # (B,)


def _drawn(
    rng: np.random.Generator, shape: tuple[int, ...], count: int, asked: tuple[object, ...]
) -> Drawn:
    """Draw what is asked for; the first groups of three had order and values alone, and keep
    them.
    """
    size, choice, donor = asked
    more = 3 if size == LOG_UNIFORM or choice == "half" or donor is not None else 0
    width = int(np.prod(shape[1:]))
    uniform = rng.random((shape[0], count + width + more))
    order, values, rest = np.split(uniform, [count, count + width], axis=1)
    rest = rest if more else np.zeros((shape[0], 3))
    return Drawn(order, values.reshape(shape), rest[:, :1], rest[:, 1:2], rest[:, 2])


def _log_uniform(uniform: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Return sizes from 1 to half of `count`, whose logarithms are uniform.

    >>> _log_uniform(np.array([0.0, 0.3, 0.6, 0.9]), 20)
    array([1, 2, 4, 8])
    """
    return np.asarray((max(1, count // 2) + 1) ** uniform).astype(np.int64)


def _order(
    drawn: Drawn, first: NDArray[np.int64], clean: Array, groups: NDArray[np.int64], choice: str
) -> NDArray[np.float64]:
    """Return numbers (B, features) in whose order features are taken: that which is given first."""
    order = drawn.order.copy()
    if choice != "random":
        known, row = np.unique(first, return_inverse=True)
        alike = -correlations(clean, known, groups)[row]
        order = np.where((choice == "half") & (drawn.choice >= 0.5), order, alike)
    order[np.arange(len(first)), first] = -np.inf
    return order


def _donors(rows: Array | None, uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a sample (B, …) for each uniform number (B,)."""
    if rows is None or len(rows) == 0:
        raise SkipError(
            "group[donor=alarm]: no sample has raised an alarm: donor=normal needs none"
        )
    return np.asarray(rows[(uniform * len(rows)).astype(np.int64)], dtype=np.float64)


def _changed(
    chosen: NDArray[np.bool_],
    differs: NDArray[np.bool_],
    first: NDArray[np.int64],
    groups: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Return which of the chosen features (B, features) change; the first alone, if it does not."""
    changes = np.zeros(chosen.shape[::-1], dtype=bool)
    np.logical_or.at(changes, groups, differs.reshape(len(differs), -1).T)
    own = np.arange(chosen.shape[1]) == first[:, None]
    return np.where(changes.T[own][:, None], chosen & changes.T, own)


def _groups(features: Features, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the number of the feature that each column (M,) belongs to."""
    columns = range(int(np.prod(shape))) if features.groups is None else features.groups
    return np.asarray(columns, dtype=np.int64)
