"""Steps of windows (T, D): what stands at each of them, and which of them count.

A metric by time is one of features whose features are the steps: attributions are summed over the
channels, as `by=steps` of the data sets sums them, and a step is true if any of its channels is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from aexbench import RequestError
from aexbench.metrics.tools.planes import counted
from aexbench.metrics.tools.pooled import Mask
from aexbench.metrics.tools.rankings import Ranking, Scores, ranking, rows

Score = Callable[[Ranking], Scores]
OF_ROWS = "the steps of windows (T, D) are scored, and these samples have shape {shape}"
WAY_OUT = "give the data set window=T, or leave the metric out"


def by_step(score: Score, attributions: ArrayLike, truth: ArrayLike, boundary: int) -> Scores:
    """Return what a metric makes of the ranking of each window's steps: (N,).

    Parameters
    ----------
    score
        From the ranking of steps to one score a window.
    attributions : (N, T, D) float
        Higher is more responsible.
    truth : (N, T, D) bool
        At least one true value per window.
    boundary
        Steps at most so many away from an edge of a true segment count neither way, unless the
        segment would vanish.

    Raises
    ------
    RequestError
        If samples are no windows (T, D).
    ValueError
        If shapes differ, an attribution is not finite, or a window has no true step.
    """
    values, true = steps(attributions, truth)
    if boundary == 0:  # all count, which need not be looked for
        return score(ranking(values, true))
    counts = counted(true[:, None], boundary).reshape(true.shape)
    found = np.empty(len(true))
    patterns, which = np.unique(counts, axis=0, return_inverse=True)
    for number, kept in enumerate(patterns):  # windows of one pattern have as many steps
        own = np.flatnonzero(which.ravel() == number)
        found[own] = score(ranking(values[own][:, kept], true[own][:, kept]))
    return found


def steps(attributions: ArrayLike, truth: ArrayLike) -> tuple[Scores, Mask]:
    """Return attributions and truth by step: (N, T) each.

    Raises
    ------
    RequestError
        If samples are no windows (T, D).
    ValueError
        If shapes differ, an attribution is not finite, or a window has no true value.

    Examples
    --------
    >>> steps([[[0.5, 0.25], [1.0, -1.0]]], [[[0, 1], [0, 0]]])
    (array([[0.75, 0.  ]]), array([[ True, False]]))
    """
    values, true = np.asarray(attributions, dtype=np.float64), np.asarray(truth, dtype=bool)
    if values.ndim != 3:
        raise RequestError(f"{OF_ROWS.format(shape=values.shape[1:])}: {WAY_OUT}")
    rows(values, true)  # as those say it of features
    return np.asarray(values.sum(axis=2)), np.asarray(true.any(axis=2))


def titled(text: str, boundary: int) -> str:
    """Return a title that says how many steps at an edge do not count.

    >>> titled("step ROC AUC", 2), titled("step ROC AUC", 0)
    ('step ROC AUC ± 2', 'step ROC AUC')
    """
    return f"{text} ± {boundary}" if boundary else text
