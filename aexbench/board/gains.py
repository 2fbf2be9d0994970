"""Which rows stand above all their floors.

A row is above if it is surely above *every* floor (an intersection-union test: its p value is the
greatest), and Holm's procedure guards a board of many rows. Without it, one board in five of 23
rows that equal a floor would say that one is above.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from aexbench.board.comparing import Estimate

ERROR = 0.025
"""How often a board may say that a row is above which is not."""

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Gain:
    """What a row has over its floors.

    Attributes
    ----------
    floor
        The best of them, over which the gain is the least.
    gain
        The difference; positive is better, whatever the metric.
    low
        The least lower bound over all floors, of 97.5 % or as much more as Holm asks of this row;
        None where nobody can know. It is above zero where `above` says so, and nowhere else.
    """

    floor: str
    gain: float
    low: float | None

    @property
    def above(self) -> bool:
        """Whether the row is surely above every floor."""
        return self.low is not None and self.low > 0


def gains(
    rows: Mapping[Name, Mapping[str, Estimate]], higher_is_better: bool = True
) -> dict[Name, Gain]:
    """Return what each row has over its floors.

    Parameters
    ----------
    rows
        For each row its differences from its floors, row minus floor; rows without floors are left
        out.

    >>> floors = {"random": Estimate(0.3, 0.01, 8), "deviation": Estimate(0.2, 0.01, 8)}
    >>> gain = gains({"mine": floors})["mine"]
    >>> gain.floor, gain.gain, round(gain.low, 2), gain.above
    ('deviation', 0.2, -0.03, False)
    """
    known = {
        row: {name: own if higher_is_better else -own for name, own in floors.items()}
        for row, floors in rows.items()
        if floors
    }
    errors = holm([_worst(floors) for floors in known.values()])
    return {
        row: _gain(floors, error)
        for (row, floors), error in zip(known.items(), errors, strict=True)
    }


def _worst(floors: Mapping[str, Estimate]) -> float:
    """Return the greatest p value over the floors; 1 where one cannot be known."""
    values = [own.p_above() for own in floors.values()]
    return max(1.0 if p is None else p for p in values)


def _gain(floors: Mapping[str, Estimate], error: float) -> Gain:
    best = min(floors, key=lambda name: floors[name].value)
    bounds = [own.lower(1 - error) for own in floors.values()]
    known = [low for low in bounds if low is not None]
    low = min(known) if len(known) == len(bounds) else None
    return Gain(best, floors[best].value, low)


def holm(p_values: Sequence[float], error: float = ERROR) -> list[float]:
    """Return the error that Holm's procedure (1979) allows each hypothesis; those are rejected
    whose p value is below it.

    The least p value may err by error / m, the next by error / (m − 1), and so on; from the first
    that is not rejected, it stays as it is.

    >>> holm([0.04, 0.001, 0.03], error=0.06)
    [0.03, 0.02, 0.03]
    """
    allowed = [error] * len(p_values)
    left, stopped = len(p_values), False
    for place in np.argsort(p_values, kind="stable"):
        allowed[place] = error / left
        stopped = stopped or not p_values[place] < allowed[place]
        left -= 0 if stopped else 1
    return allowed
