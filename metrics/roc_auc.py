"""ROC AUC of each sample: how often does a true feature stand above one that is not?"""

from __future__ import annotations

from numpy.typing import ArrayLike

from aexbench.metrics import register
from aexbench.metrics.tools.rankings import Scores, ranking


@register("roc-auc", title="ROC AUC", version=1)
def roc_auc(attributions: ArrayLike, truth: ArrayLike) -> Scores:
    """Return for each sample the share of its pairs of a true and a false feature in right order.

    Ties cost what chance costs: a tied pair counts one half. A sample whose features are all true
    has no such pair, and scores one half, as chance does.

    Known against it: it hardly sees what stands at the head of the list. One true feature among
    1000 at rank 51 has .95, and fifty features are looked at for nothing (Saito & Rehmsmeier).

    Parameters
    ----------
    attributions : (N, …) float
        Higher is more responsible.
    truth : (N, …) bool
        At least one true feature per sample.

    Returns
    -------
    (N,) float64 in [0, 1]; a perfect order has 1 and chance 1/2, however many are true.

    Raises
    ------
    ValueError
        If shapes differ, an attribution is not finite, or a sample has no true feature.

    References
    ----------
    Fawcett, "An Introduction to ROC Analysis", Pattern Recognition Letters 2006. Against it: Saito
    & Rehmsmeier, "The Precision-Recall Plot Is More Informative than the ROC Plot When Evaluating
    Binary Classifiers on Imbalanced Datasets", PLoS ONE 2015.

    Examples
    --------
    >>> roc_auc([[0.9, 0.7, 0.5], [0.5, 0.5, 0.5]], [[0, 1, 0], [0, 1, 0]])
    array([0.5, 0.5])
    """
    return ranking(attributions, truth).pairs_in_order()
