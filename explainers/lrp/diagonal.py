"""The diagonal of T: how much of an output's relevance reaches its own feature.

The map of an error r is R = T r, and each column of T sums to 1 where the rules conserve. A map can
name a feature that is wrong only if T's diagonal is far above chance.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from aexbench import Features

MOST_VALUES = 2**17  # outputs asked × outputs there are: all of 362, of an image of 128² eight


def over_chance(
    hand_on: Callable[[torch.Tensor], torch.Tensor], like: torch.Tensor, features: Features
) -> torch.Tensor:
    """Return the mean share of an output's relevance that reaches its own feature, as a multiple of
    that feature's share of the columns (N,).

    Parameters
    ----------
    hand_on
        Returns the map (N, …) of relevance (N, …) at the outputs.
    like : (N, …)
        An error map.
    """
    count = like.shape[1:].numel()
    own = torch.as_tensor(_numbers(features, count), device=like.device)
    total = like.new_zeros(len(like), dtype=torch.float64)
    asked = _asked(count)
    for output in asked:
        start = torch.zeros_like(like).flatten(1)
        start[:, output] = 1.0
        found = hand_on(start.reshape(like.shape)).flatten(1)
        mine = own == own[output]
        total += found[:, mine].sum(1, dtype=torch.float64) * count / int(mine.sum())
    return total / len(asked)


def _numbers(features: Features, count: int) -> list[int]:
    """Return the number of each column's feature."""
    return list(range(count)) if features.groups is None else list(features.groups)


def _asked(count: int) -> list[int]:
    """Return the outputs that are asked, evenly among all."""
    most = max(1, min(count, MOST_VALUES // count))
    return [round(place) for place in np.linspace(0, count - 1, most).tolist()]
