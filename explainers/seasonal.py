"""A floor for series: what is scored by seeing how far each value is from those of earlier periods,
and not the detector.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from aexbench import SkipError
from aexbench.explainers import register
from aexbench.explainers.tools.series import DepartureFloor, Expected
from aexbench.rows import Rows, blocks

LEAST = 0.5  # of the autocorrelation one period later: half of the variance comes back
VALLEY = 0.5  # of that, at most, somewhere in between: a slow wander has none
NEAR = 0.9  # of the greatest: the least such lag is the period, and no multiple of it


@register("seasonal", version=1, floor=True, series=True)
class Seasonal(DepartureFloor):
    """Return |xₜ − mean of xₜ₋ₚ, xₜ₋₂ₚ, …| / its usual size in training, channel by channel; the
    detector is not asked.

    The period p of a channel is a peak of its autocorrelation within the training windows: at least
    .5, and behind a valley of at most half of that. p must come twice in a window, 2p ≤ T. Of
    several peaks it is the first that reaches nine tenths of the greatest. A channel without a
    period has the one of the clearest channel: what is measured together often shares a clock.

    The usual size is the root mean square of the difference over the training windows, step by step
    (`aexbench.explainers.tools.series.Departure`); of a channel that repeats itself exactly, a
    millionth of its range. The first p steps have no period before them, and get 0.

    Parameters
    ----------
    detector
        Asked only whether it takes the background's windows, and for their ranges.
    background
        Normal windows (N, T, D), the training split.

    Raises
    ------
    SkipError
        If no channel has a period that comes twice in a window, or the samples are no windows.
    """

    name = "seasonal"

    def expected(self, rows: Rows) -> Expected:
        """Return what suggests values by the periods of the rows."""
        return partial(mean_of_periods, torch.as_tensor(periods(autocorrelations(rows))))


def mean_of_periods(own: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Return the mean of the values one period before each one, two, … (N, T, D), each channel's
    own (D,), NaN in the first period.

    >>> mean_of_periods(torch.tensor([2]), torch.tensor([[[1.0], [2.0], [3.0], [4.0], [5.0]]]))[0].T
    tensor([[nan, nan, 1., 2., 2.]])
    """
    found = torch.full_like(x, torch.nan)
    for period in set(own.tolist()):
        for step in range(period, x.shape[1]):
            earlier = x[:, step % period : step : period, own == period]
            found[:, step, own == period] = earlier.mean(1)
    return found


def autocorrelations(rows: Rows) -> torch.Tensor:
    """Return how values of windows (N, T, D) go with those k steps later, k = 0 … T − 1 (T, D),
    around each window's mean; NaN for constant channels.

    Each k is a mean over its own pairs, so that a period counts in full whatever its length.
    """
    steps = rows.shape[1]
    total = torch.zeros(rows.shape[1:], dtype=torch.float64)
    for block in blocks(rows):
        values = torch.as_tensor(block).double()
        values = values - values[:, :1]  # what is constant becomes 0 without rounding
        waves = torch.fft.rfft(values - values.mean(1, keepdim=True), n=2 * steps, dim=1)
        total += torch.fft.irfft(waves.abs().square(), n=2 * steps, dim=1)[:, :steps].sum(0)
    each = total / torch.arange(steps, 0, -1)[:, None]
    return each / torch.where(each[0] > 0, each[0], torch.nan)


def periods(found: torch.Tensor) -> list[int]:
    """Return each channel's period, by autocorrelations (T, D).

    Raises
    ------
    SkipError
        If there is none that comes twice in T steps.
    """
    own = [_period(channel.tolist()) for channel in found.T]
    clearest = max(range(len(own)), key=lambda one: float(found[own[one], one]) if own[one] else 0)
    if not own[clearest]:
        raise SkipError(
            f"seasonal: no channel has a period that comes twice in {len(found)} steps "
            f"(an autocorrelation of at least {LEAST}, behind a valley)"
        )
    return [period or own[clearest] for period in own]


def _period(found: Sequence[float]) -> int:
    """Return the lag of one channel's period, 0 where it has none."""
    peaks = [
        lag
        for lag in range(2, len(found) // 2 + 1)
        if lag + 1 < len(found)
        and found[lag - 1] < found[lag] >= max(found[lag + 1], LEAST)
        and min(found[:lag]) <= VALLEY * found[lag]
    ]
    highest = max((found[lag] for lag in peaks), default=0.0)
    return next((lag for lag in peaks if found[lag] >= NEAR * highest), 0)
