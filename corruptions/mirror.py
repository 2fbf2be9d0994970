"""Mirror corruption: a value moves to the mirrored quantile of its own distribution."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from aexbench import Detector
from aexbench.corruptions import register
from aexbench.rows import Array


@register("mirror", threshold=0.3, version=1)
def mirror(
    detector: Detector,
    x: torch.Tensor,
    mask: torch.Tensor,
    rng: np.random.Generator,
    *,
    clean: Array,
) -> torch.Tensor:
    """Set one feature to the quantile 1 − q of its column, where q is that of its value.

    The greatest value becomes the least: as unusual as before, on the other side. Values in the
    middle hardly move, and their draws do not count.

    Parameters
    ----------
    clean
        The samples that quantiles come from; given by the engine.
    """
    values = x.detach().cpu().double().numpy().reshape(len(x), -1)
    known = np.asarray(clean).reshape(len(clean), -1)
    chosen = mask.cpu().numpy().reshape(len(x), -1)
    for column in np.flatnonzero(chosen.any(axis=0)):
        rows = chosen[:, column]
        values[rows, column] = _mirrored(
            values[rows, column], np.sort(known[:, column].astype(np.float64))
        )
    return torch.where(
        mask, torch.as_tensor(values.reshape(x.shape), dtype=x.dtype, device=x.device), x
    )


def _mirrored(values: NDArray[np.float64], column: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values (B,) at the mirrored ranks of a sorted column (N,); of equal values the
    middle rank counts.

    >>> _mirrored(np.array([0.0, 2.0, 9.0]), np.array([0.0, 1.0, 2.0, 4.0, 8.0]))
    array([8., 2., 0.])
    """
    middle = (
        np.searchsorted(column, values, "left") + np.searchsorted(column, values, "right") - 1
    ) / 2
    rank = np.rint(len(column) - 1 - np.clip(middle, 0, len(column) - 1)).astype(np.int64)
    return np.asarray(column[rank])
