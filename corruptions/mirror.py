"""Mirror corruption: a value moves to the mirrored quantile of its own distribution."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from aexbench import Detector
from aexbench.corruptions import register
from aexbench.features import Codes
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

    Categories have no sides. In the order of their frequency they go in pairs, the first with the
    second, the third with the fourth, and each becomes the other of its pair: about as usual as
    before. An odd one out stays, and its draw does not count.

    Parameters
    ----------
    clean
        The samples that quantiles come from; given by the engine.
    """
    values = x.detach().cpu().double().numpy().reshape(len(x), -1).copy()
    known = np.asarray(clean).reshape(len(clean), -1)
    held = mask.cpu().numpy()
    of_numbers = ~detector.features.of_categories(held)
    chosen = held.reshape(len(x), -1) & of_numbers[:, None]
    for column in np.flatnonzero(chosen.any(axis=0)):
        rows = chosen[:, column]
        values[rows, column] = _mirrored(
            values[rows, column], np.sort(known[:, column].astype(np.float64))
        )
    for codes in detector.features.touched(held, clean):
        numbers = codes.rows(held)
        own = codes.of(values[numbers])
        codes.write(values, numbers, _paired(codes)[own], keep=own < 0)
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


def _paired(codes: Codes) -> NDArray[np.int64]:
    """Return the number of each category's other one (C,), its own where it has none."""
    order = codes.by_frequency()
    other = np.arange(len(codes.values))
    pairs = order[: len(order) // 2 * 2].reshape(-1, 2)
    other[pairs] = pairs[:, ::-1]
    return other
