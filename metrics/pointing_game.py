"""The pointing game: does the highest attribution lie on the truth?"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.typing import ArrayLike, NDArray

from aexbench.metrics import register
from aexbench.metrics.tools.planes import planes, within
from aexbench.metrics.tools.rankings import rows


@register("pointing-game", title="pointing game (± {tolerance} px)", version=1)
def pointing_game(
    attributions: ArrayLike, truth: ArrayLike, *, tolerance: Annotated[int, Ge(0)] = 0
) -> NDArray[np.float64]:
    """Return for each sample whether its highest attribution is a true feature's: 1 or 0.

    Ties cost what chance costs: where several are highest, the share of them that hit.

    Known against it: one pixel decides and the rest of the map is not seen, and what lies where
    the camera looks is hit blindly: compare it with the floor `centre`, as its authors compare with
    the image's centre.

    Parameters
    ----------
    attributions : (N, …) float
        Higher is more responsible.
    truth : (N, …) bool
        At least one true feature per sample.
    tolerance
        In images (N, …, H, W), a pixel so many pixels from a true one is a hit too, from centre to
        centre; programs that others compare with take 15. Rows (N, M) have no neighbours.

    Returns
    -------
    (N,) float64 in [0, 1]; the truth as map has 1, and chance the share of features that are hits:
    t / M without tolerance.

    Raises
    ------
    ValueError
        If shapes differ, an attribution is not finite, or a sample has no true feature.

    References
    ----------
    Zhang et al., "Top-Down Neural Attention by Excitation Backprop", IJCV 2018.

    Examples
    --------
    >>> pointing_game([[0.9, 0.7, 0.5], [0.5, 0.5, 0.1]], [[1, 0, 0], [1, 0, 0]])
    array([1. , 0.5])
    """
    values, true = rows(attributions, truth)
    goal = within(planes(np.asarray(truth, dtype=bool)), tolerance).reshape(true.shape)
    highest = values == values.max(axis=1, keepdims=True)
    return np.asarray((highest & goal).sum(axis=1) / highest.sum(axis=1))
