"""Pixel ROC AUC: how often does a damaged pixel stand above a sound one, over all images?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aexbench.metrics import register
from aexbench.metrics.tools.false_alarms import area, area_without_each
from aexbench.metrics.tools.pooled import pooled


def without_each(attributions: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Return the area (N,) of all samples but one, for each in turn: sorted once, not N times.

    Each of them is what `pixel_roc_auc` returns for the others, which must have a true column and
    a false one.
    """
    values, true = pooled(attributions, truth)
    return area_without_each(values, true, np.ones(true.shape), limit=1.0)


@register("pixel-roc-auc", pooled=True, title="pixel ROC AUC", without_each=without_each, version=1)
def pixel_roc_auc(attributions: ArrayLike, truth: ArrayLike) -> float:
    """Return the area under the ROC curve of all columns of all samples, pooled.

    It is the share of pairs of a true and a false column in right order; a tied pair counts one
    half. `roc-auc` asks the same within each sample.

    Known against it: sound pixels are many and easy, so that maps with many false alarms come near
    1, and large damages outweigh small ones (Rafiei et al.; Bergmann et al. answer with `pro`).

    Parameters
    ----------
    attributions : (N, …) float
        Higher is more responsible, on one scale for all samples.
    truth : (N, …) bool
        At least one true column and one false one in all.

    Returns
    -------
    float in [0, 1]; chance has 1/2, and the truth as map 1.

    Raises
    ------
    ValueError
        If shapes differ, an attribution is not finite, or nothing or everything is true.

    References
    ----------
    Bergmann et al., "The MVTec Anomaly Detection Dataset", IJCV 2021, Sec. 4. Against it: Rafiei,
    Breckon & Iosifidis, "On Pixel-level Performance Assessment in Anomaly Detection", 2023.

    Examples
    --------
    >>> pixel_roc_auc([[0.1, 0.9], [0.8, 0.2]], [[0, 1], [0, 1]])
    0.75
    """
    values, true = pooled(attributions, truth)
    return area(values, true, np.ones(true.shape), limit=1.0)
