"""ROC AUC over the steps of each window: how often does a true step stand above one that is not?"""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge
from numpy.typing import ArrayLike

from aexbench.metrics import register
from aexbench.metrics.tools.rankings import Ranking, Scores
from aexbench.metrics.tools.steps import by_step, titled


def _title(*, boundary: int) -> str:
    return titled("step ROC AUC", boundary)


@register("step-roc-auc", title=_title, columns=True, version=1)
def step_roc_auc(
    attributions: ArrayLike, truth: ArrayLike, *, boundary: Annotated[int, Ge(0)] = 0
) -> Scores:
    """Return for each window the share of its pairs of a true and a false step in right order.

    Of a step count the sum of its attributions, and whether any of its channels is true: whatever
    the data's features are. Ties count one half, and a window without a false step scores one half,
    as chance does.

    Known against it: a window that is nearly all true has few false steps, and one of them decides
    much; and edges of labels are uncertain, which is what `boundary` is for.

    Parameters
    ----------
    attributions : (N, T, D) float
        Higher is more responsible.
    truth : (N, T, D) bool
        At least one true value per window.
    boundary
        Steps at most so many away from an edge of a true segment count neither way; the window's
        own edge is none, and a segment that is all border keeps its true steps.

    Returns
    -------
    (N,) float64 in [0, 1]; a perfect order has 1 and chance 1/2, however many steps are true.

    Raises
    ------
    RequestError
        If samples are no windows (T, D).
    ValueError
        If shapes differ, an attribution is not finite, or a window has no true step.

    References
    ----------
    Fawcett, "An Introduction to ROC Analysis", Pattern Recognition Letters 2006. For segments whose
    edges do not count: Paparrizos et al., "Volume Under the Surface", PVLDB 2022, which weighs them
    instead.

    Examples
    --------
    >>> step_roc_auc([[[0.1, 0.1], [0.9, 0.0], [0.3, 0.2]]], [[[0, 0], [1, 0], [0, 0]]])
    array([1.])
    >>> step_roc_auc([[[9.0], [5.0], [6.0], [1.0]]], [[[1], [1], [0], [0]]])
    array([0.75])
    >>> step_roc_auc([[[9.0], [5.0], [6.0], [1.0]]], [[[1], [1], [0], [0]]], boundary=1)
    array([1.])
    """
    return by_step(Ranking.pairs_in_order, attributions, truth, boundary)
