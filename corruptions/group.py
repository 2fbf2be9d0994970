"""Group corruption: several features at once."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge
from numpy.typing import NDArray

from aexbench import Detector, Proposal, RequestError
from aexbench.corruptions import register
from aexbench.features import Features
from aexbench.rows import Array

SAMPLE_BYTES = (
    2**27
)  # of the clean samples that correlations come from: 20,000 of up to 838 columns, 1,024 of 128²
BLOCK = 512  # columns whose correlations are computed at once


@register("group", threshold=0.5, version=1)
def group(
    detector: Detector,
    x: torch.Tensor,
    mask: torch.Tensor,
    rng: np.random.Generator,
    *,
    clean: Array,
    size: Annotated[int, Ge(2)] = 3,
    choice: Literal["random", "correlated"] = "random",
) -> Proposal:
    """Set several features at once to uniform values between their low and high; the truth holds
    them all.

    Those that are categories become other ones, as `random` does it.

    Parameters
    ----------
    clean
        The samples that correlations, and hashed and embedded categories, come from; given by the
        engine.
    size
        How many features.
    choice
        The other features: drawn at `random`, or those `correlated` most with the one drawn first.
        Two features of several columns are as correlated as the two of their columns that are most.

    Raises
    ------
    RequestError
        If the data have fewer features.
    """
    shape = tuple(x.shape[1:])
    count = detector.features.count(shape)
    if size > count:
        raise RequestError(f"group[size={size}]: these data have {count} features")
    drawn = rng.random((len(x), count + int(np.prod(shape))))  # a row for each sample
    order, uniform = drawn[:, :count], drawn[:, count:].reshape(x.shape)
    first = _features(mask.cpu().numpy(), detector.features, shape)
    if choice == "correlated":
        known, row = np.unique(first, return_inverse=True)
        order = -_correlations(clean, known, _groups(detector.features, shape))[row]
    order[np.arange(len(x)), first] = -np.inf  # the feature that was given comes first
    chosen = np.argsort(order, axis=1, kind="stable")[:, :size]
    masks = [detector.features.masks(column, shape) for column in chosen.T]
    held = np.logical_or.reduce(masks)
    drawn = detector.features.redrawn(x.cpu().double(), held, uniform, clean)
    wanted, values = torch.as_tensor(held, device=x.device), torch.as_tensor(drawn).to(x)
    return Proposal(torch.where(wanted, values, x), {}, wanted)


def _features(
    mask: NDArray[np.bool_], features: Features, shape: tuple[int, ...]
) -> NDArray[np.int64]:
    """Return the number of the feature (B,) that each mask (B, …) holds."""
    column = mask.reshape(len(mask), -1).argmax(axis=1)
    return np.asarray(_groups(features, shape)[column])


def _groups(features: Features, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the number of the feature that each column (M,) belongs to."""
    return np.asarray(
        range(int(np.prod(shape))) if features.groups is None else features.groups, dtype=np.int64
    )


def _correlations(
    clean: Array, wanted: NDArray[np.int64], groups: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the greatest absolute correlation (W, G) of a column of each wanted feature with one
    of each feature.

    A block at a time, since all columns of an image with all others are too many for the memory.
    """
    unit = _standardised(clean)
    order = np.argsort(groups, kind="stable")  # the columns of a feature lie together
    starts = np.searchsorted(groups[order], np.arange(groups.max() + 1))
    place = np.full(len(starts), -1)
    place[wanted] = np.arange(len(wanted))
    columns = np.flatnonzero(place[groups] >= 0)
    greatest = np.zeros((len(wanted), len(starts)))
    for first in range(0, len(columns), BLOCK):
        part = columns[first : first + BLOCK]
        found = np.abs(unit[:, part].T @ unit)[:, order] / len(unit)
        np.maximum.at(greatest, place[groups[part]], np.maximum.reduceat(found, starts, axis=1))
    return greatest


def _standardised(clean: Array) -> NDArray[np.float64]:
    """Return columns (N, M) of mean 0 and standard deviation 1, all 0 for a constant one; of wide
    samples some.
    """
    width = int(np.prod(clean.shape[1:]))
    step = -(-8 * width * len(clean) // SAMPLE_BYTES)
    values = np.array(clean[::step], dtype=np.float64).reshape(-1, width)
    constant = values.min(axis=0) == values.max(axis=0)
    values -= values.mean(axis=0)
    values /= np.where(constant, np.inf, values.std(axis=0))
    return values
