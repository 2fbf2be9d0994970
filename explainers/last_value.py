"""A floor for series: what is scored by seeing how far each value is from the one before it, and
not the detector.
"""

from __future__ import annotations

import torch

from aexbench.explainers import register
from aexbench.explainers.tools.series import DepartureFloor, Expected
from aexbench.rows import Rows


@register("last-value", version=1, floor=True, series=True)
class LastValue(DepartureFloor):
    """Return |xₜ − xₜ₋₁| / its usual size in training, channel by channel; the detector is not
    asked.

    The usual size is the root mean square of that difference over the training windows, step by
    step (`aexbench.explainers.tools.series.Departure`); of a channel that is constant within each
    of them, a millionth of its range. The first step has none before it in its window, and gets 0.

    Parameters
    ----------
    detector
        Asked only whether it takes the background's windows, and for their ranges.
    background
        Normal windows (N, T, D), the training split.

    Raises
    ------
    SkipError
        If the samples are no windows of two steps or more.
    """

    name = "last-value"

    def expected(self, rows: Rows) -> Expected:
        """Return what suggests values, whatever the rows."""
        return before


def before(x: torch.Tensor) -> torch.Tensor:
    """Return the step before each one (N, T, D), NaN for the first.

    >>> before(torch.tensor([[[2.0], [4.0], [9.0]]])).squeeze()
    tensor([nan, 2., 4.])
    """
    return torch.cat([torch.full_like(x[:, :1], torch.nan), x[:, :-1]], 1)
