"""Group corruption: several features at once."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge
from numpy.typing import NDArray

from aexbench import Detector, Proposal, RequestError
from aexbench.contracts import Array, Features
from aexbench.corruptions import register


@register("group", threshold=0.5)
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
    """Set several features at once to uniform values between their low and high; the truth holds them all.

    Parameters
    ----------
    clean
        The samples that correlations come from; given by the engine.
    size
        How many features.
    choice
        The other features: drawn at `random`, or those `correlated` most with the one drawn first.

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
        order = -_correlations(clean, detector.features, shape)[first]
    order[np.arange(len(x)), first] = -np.inf  # the feature that was given comes first
    chosen = np.argsort(order, axis=1, kind="stable")[:, :size]
    masks = [detector.features.masks(column, shape) for column in chosen.T]
    wanted = torch.as_tensor(np.logical_or.reduce(masks), device=x.device)
    low, high = detector.features.bounds(shape)
    values = torch.as_tensor(low + (high - low) * uniform, dtype=x.dtype, device=x.device)
    return Proposal(torch.where(wanted, values, x), {}, wanted)


def _features(mask: NDArray[np.bool_], features: Features, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the number of the feature (B,) that each mask (B, …) holds."""
    column = mask.reshape(len(mask), -1).argmax(axis=1)
    groups = np.arange(int(np.prod(shape))) if features.groups is None else np.asarray(features.groups)
    return np.asarray(groups[column], dtype=np.int64)


def _correlations(clean: Array, features: Features, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the absolute correlations (G, G) of features, of several columns by their sums; 0 for a constant one."""
    values = features.sum_groups(np.asarray(clean, dtype=np.float64)).reshape(len(clean), -1)
    centred = values - values.mean(axis=0)
    spread = np.sqrt((centred**2).mean(axis=0))
    unit = centred / np.where(spread > 0, spread, np.inf)
    return np.asarray(np.abs(unit.T @ unit / len(clean)))
