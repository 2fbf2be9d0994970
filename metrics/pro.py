"""PRO: which share of each damaged region is covered, on average, at few false alarms?"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Gt, Le
from numpy.typing import ArrayLike, NDArray

from aexbench.metrics import register
from aexbench.metrics.tools.false_alarms import area, area_without_each
from aexbench.metrics.tools.planes import planes, regions
from aexbench.metrics.tools.pooled import pooled


def without_each(
    attributions: ArrayLike, truth: ArrayLike, *, limit: float = 0.3
) -> NDArray[np.float64]:
    """Return the area (N,) of all samples but one, for each in turn: sorted once, not N times.

    Each of them is what `pro` returns for the others, which must have a true pixel and a false one.
    """
    values, true = pooled(attributions, truth)
    return area_without_each(values, true, _weights(truth).reshape(true.shape), limit)


@register("pro", pooled=True, title="PRO to FPR {limit}", without_each=without_each, version=1)
def pro(
    attributions: ArrayLike, truth: ArrayLike, *, limit: Annotated[float, Gt(0), Le(1)] = 0.3
) -> float:
    """Return the area under the curve of per-region overlap over the false-positive rate.

    At each threshold the overlap is the mean, over the connected regions of the truth in all
    images, of the share of a region's pixels that are marked; the false-positive rate is the share
    of all false pixels that are. The area up to `limit` is divided by it. Pixels that touch at a
    corner are connected, and each channel has its own regions; in rows (N, M) each true column is
    a region. Ties cost what chance costs: the area is its expectation over their orders, which is
    that of straight lines between thresholds, but where the limit falls among tied pixels (the
    difference is less than one false pixel's rate, divided by the limit). anomalib's AUPRO (2.7.0)
    is the same but there, where it takes the straight line.

    Known against it: a region of one pixel counts as much as one of a thousand, so that specks in
    an annotation decide; and at a rate of .3 the marked sound pixels are many times the damage
    (Bertoldo et al., who take rates around 1e-5 instead, from normal images alone).

    Parameters
    ----------
    attributions : (N, …, H, W) float
        Higher is more responsible, on one scale for all samples.
    truth : (N, …, H, W) bool
        At least one true pixel and one false one in all.
    limit
        The greatest false-positive rate; .3 is the authors'.

    Returns
    -------
    float in [0, 1]; chance has limit / 2 (more by less than 1 / 2F, of F false pixels), and the
    truth as map 1.

    Raises
    ------
    ValueError
        If shapes differ, an attribution is not finite, or nothing or everything is true.

    References
    ----------
    Bergmann et al., "Uninformed Students", CVPR 2020, Sec. 4.1, and "The MVTec Anomaly Detection
    Dataset", IJCV 2021, Sec. 4. Against it: Bertoldo et al., "AUPIMO: Redefining Anomaly
    Localization Benchmarks with High Speed and Low Tolerance", BMVC 2024.

    Examples
    --------
    >>> truth = [[[1, 0, 1], [0, 0, 1]]]
    >>> pro([[[0.9, 0.2, 0.7], [0.3, 0.1, 0.0]]], truth)
    0.75
    """
    values, true = pooled(attributions, truth)
    return area(values, true, _weights(truth).reshape(true.shape), limit)


def _weights(truth: ArrayLike) -> NDArray[np.float64]:
    """Return by how much each true pixel covers its region: 1 / pixels of the region."""
    labels = regions(planes(np.asarray(truth, dtype=bool)))
    return np.asarray(1 / np.bincount(labels.ravel())[labels])
