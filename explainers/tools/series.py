"""Series: how far the values of a window (T, D) are from what others of it suggest, counted in what
is usual in training.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from numpy.typing import ArrayLike

from aexbench.detector import Detector
from aexbench.errors import SkipError
from aexbench.explainers.tools.baselines import normal_rows
from aexbench.explainers.tools.units import Units
from aexbench.rows import Rows, blocks

LEAST_USUAL = 1e-6  # of its range, of a channel that never departs: any departure stands out
Expected = Callable[[torch.Tensor], torch.Tensor]
"""From windows (N, T, D) to what each value should be; NaN where nothing suggests it."""


def require_series(samples: Rows | torch.Tensor, floor: str) -> None:
    """Raise SkipError unless samples are windows (N, T, D) of two steps or more, which alone this
    floor is for.
    """
    if len(samples.shape) != 3:
        raise SkipError(f"{floor} is a floor for series (N, T, D): these samples are none")
    if samples.shape[1] < 2:
        raise SkipError(f"{floor} compares steps of a window, and these have one alone")


@dataclass(frozen=True)
class Departure:
    """|x − expected| / its usual size; 0 where nothing is expected.

    Attributes
    ----------
    usual : (T, D)
        The root mean square of x − expected over the training windows, each step's own: what
        wanders departs further from a longer past. The channel's counts as one more window, as few
        of them may hold a change of what rarely changes. It is no spread around a mean: that of a
        steady ramp would be 0.
    """

    expected: Expected
    usual: torch.Tensor

    @staticmethod
    def of(expected: Expected, detector: Detector, rows: Rows) -> Departure:
        """Return what departs from `expected`, counted in what is usual in rows (N, T, D)."""
        shape = tuple(rows.shape[1:])
        total, count = (torch.zeros(shape, dtype=torch.float64) for _ in range(2))
        for block in blocks(rows):
            away = _away(expected, torch.as_tensor(block))
            total += away.square().nansum(0)
            count += away.isfinite().sum(0)
        of_channel = total.sum(0) / count.sum(0)
        usual = ((total + of_channel) / (count + 1)).sqrt()
        span = torch.as_tensor(Units.of(detector.features, shape).span)
        return Departure(expected, torch.maximum(usual, LEAST_USUAL * span))

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return it of windows (N, T, D)."""
        found = (_away(self.expected, x).abs() / self.usual).nan_to_num(0.0)
        return found.to(x.device, torch.promote_types(x.dtype, torch.float32))


def _away(expected: Expected, x: torch.Tensor) -> torch.Tensor:
    """Return x − expected, in float64."""
    values = x.detach().cpu().double()
    return values - expected(values)


class DepartureFloor(ABC):
    """A floor that says how far values are from what others of their window suggest."""

    name: str  # as it is registered

    def __init__(self, detector: Detector, *, background: ArrayLike) -> None:
        rows = normal_rows(detector, background)
        require_series(rows, self.name)
        self.departure = Departure.of(self.expected(rows), detector, rows)

    @abstractmethod
    def expected(self, rows: Rows) -> Expected:
        """Return what suggests values, by training windows (N, T, D)."""

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return how far each value is from what is expected (N, T, D)."""
        require_series(x, self.name)
        return self.departure(x)
