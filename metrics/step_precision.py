"""Precision at m over the steps of each window: who looks at the highest steps, how many of them
does he find in the anomaly?
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge
from numpy.typing import ArrayLike

from aexbench.metrics import register
from aexbench.metrics.tools.rankings import Ranking, Scores
from aexbench.metrics.tools.steps import by_step, titled

Top = int | Literal["truth"]


def _title(*, top: Top, boundary: int) -> str:
    return titled(f"step precision@{top}", boundary)


@register("step-precision", title=_title, columns=True, version=1)
def step_precision(
    attributions: ArrayLike,
    truth: ArrayLike,
    *,
    top: Annotated[int, Ge(1)] | Literal["truth"] = 1,
    boundary: Annotated[int, Ge(0)] = 0,
) -> Scores:
    """Return for each window the share of its `top` highest steps that are true.

    Of a step count the sum of its attributions, and whether any of its channels is true: whatever
    the data's features are. `top=1` asks whether the highest step lies in the anomaly, a pointing
    game over time. Recall would have 1/20 at best for a segment of 20 steps. Ties cost what chance
    costs.

    Known against it: it does not see whether the whole segment is found, and of a window that is
    nearly all true it finds most by chance; read it beside chance, or `step-roc-auc`.

    Parameters
    ----------
    attributions : (N, T, D) float
        Higher is more responsible.
    truth : (N, T, D) bool
        At least one true value per window.
    top
        m; `"truth"` takes as many as are true in the window, which makes it recall, too. All steps
        that count, where m is more.
    boundary
        Steps at most so many away from an edge of a true segment count neither way; the window's
        own edge is none, and a segment that is all border keeps its true steps.

    Returns
    -------
    (N,) float64 in [0, 1]; chance has t / T, and with t true steps none has more than
    min(m, t) / m.

    Raises
    ------
    RequestError
        If samples are no windows (T, D).
    ValueError
        If shapes differ, an attribution is not finite, or a window has no true step.

    References
    ----------
    For `top=1` Zhang et al., "Top-Down Neural Attention by Excitation Backprop", IJCV 2018 (the
    pointing game), here over time.

    Examples
    --------
    >>> step_precision([[[0.1, 0.1], [0.9, 0.0], [0.3, 0.2]]], [[[0, 0], [1, 0], [0, 0]]], top=2)
    array([0.5])
    >>> step_precision([[[1.0], [9.0], [9.0], [1.0]]], [[[1], [1], [0], [0]]])
    array([0.5])
    """

    return by_step(partial(_among, top=top), attributions, truth, boundary)


def _among(ranked: Ranking, top: Top) -> Scores:
    """Return the share of the first steps that are true."""
    tops = ranked.causes if top == "truth" else np.int64(top)
    return np.asarray(ranked.hits_among(tops) / np.minimum(tops, ranked.features))
