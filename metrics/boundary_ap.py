"""Boundary AP: average precision of all pixels but those near the damage's border, where nobody can
say which side a pixel belongs to.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.typing import ArrayLike, NDArray

from aexbench.metrics import register
from aexbench.metrics.tools.planes import counted
from aexbench.metrics.tools.pooled import pooled
from aexbench.metrics.tools.precision import average_precision, average_precision_without_each


def without_each(
    attributions: ArrayLike, truth: ArrayLike, *, distance: int = 2
) -> NDArray[np.float64]:
    """Return the average precision (N,) of all samples but one, for each in turn: sorted once, not
    N times.

    Each of them is what `boundary_ap` returns for the others, which must have a true pixel.
    """
    values, true = pooled(attributions, truth)
    counts = counted(np.asarray(truth, dtype=bool), distance).reshape(true.shape)
    every = zip(values, true, counts, strict=True)
    return average_precision_without_each([(v[kept], t[kept]) for v, t, kept in every])


@register(
    "boundary-ap",
    pooled=True,
    title="pixel AP but {distance} px of the border",
    without_each=without_each,
    version=1,
)
def boundary_ap(
    attributions: ArrayLike, truth: ArrayLike, *, distance: Annotated[int, Ge(0)] = 2
) -> float:
    """Return the average precision over all pixels that are not near the damage's border, pooled.

    A true pixel is near it if a false one lies at most `distance` pixels away, from centre to
    centre, and a false one if a true one does; an image's own edge is no border. Such pixels count
    neither way. A connected region of the truth that is all border keeps its true pixels: else
    scratches would vanish. Rows (N, M) have no borders, and distance 0 leaves `pixel-ap`.

    Known against it: it forgives a map that blurs the border or lights it up alone; small damages
    lose most of their pixels and large ones few, so that it leans further to the large; and the
    distance is a choice (2 is ours, on 128 × 128 pixels; PASCAL leaves out a band around objects
    too). Read it beside `pixel-ap`: where explainers change places, the border decides.

    Parameters
    ----------
    attributions : (N, …, H, W) float
        Higher is more responsible, on one scale for all samples.
    truth : (N, …, H, W) bool
        At least one true pixel in all.
    distance
        In pixels.

    Returns
    -------
    float in [0, 1]; the chance level is the share of true pixels among those that count, and the
    truth as map has 1.

    Raises
    ------
    ValueError
        If shapes differ, an attribution is not finite, or nothing is true.

    References
    ----------
    "Unlocking Layer-wise Relevance Propagation for Autoencoders", Sec. 4.2, which finds that AP
    charges for relevance right beside the damage, and leaves the better metric open. Everingham et
    al., "The PASCAL Visual Object Classes (VOC) Challenge", IJCV 2010: borders are not scored.

    Examples
    --------
    >>> boundary_ap([[[0.9, 0.8, 0.7, 0.6, 0.1]]], [[[1, 1, 1, 0, 0]]], distance=1)
    1.0
    >>> boundary_ap([[[0.1, 0.8, 0.7, 0.6, 0.5]]], [[[1, 1, 0, 0, 0]]], distance=1)
    0.3333333333333333
    """
    values, true = pooled(attributions, truth)
    counts = counted(np.asarray(truth, dtype=bool), distance).reshape(true.shape)
    return average_precision(values[counts], true[counts])
