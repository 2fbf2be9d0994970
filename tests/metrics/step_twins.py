"""Metrics by time, window by window and step by step, from their definitions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tests.metrics.orders import Hits, expected


def counted(true: list[bool], boundary: int) -> list[bool]:
    """Which steps of one window lie further than `boundary` from an edge of a true segment."""
    far = [
        all(true[other] == true[step] for other in near(step, len(true), boundary))
        for step in range(len(true))
    ]
    for segment in segments(true):
        if not any(far[step] for step in segment):
            for step in segment:
                far[step] = True
    return far


def near(step: int, steps: int, boundary: int) -> list[int]:
    """The steps of the window that are at most so many away."""
    return [other for other in range(steps) if abs(other - step) <= boundary]


def segments(true: list[bool]) -> list[list[int]]:
    """The runs of true steps."""
    found: list[list[int]] = []
    for step, one in enumerate(true):
        if one and step and true[step - 1]:
            found[-1].append(step)
        elif one:
            found.append([step])
    return found


def scored(
    definition: Callable[[Hits], float],
    attributions: NDArray[np.float64],
    truth: NDArray[np.bool_],
    boundary: int,
) -> list[float]:
    """The expectation of a metric of one ranking over every order of ties, for each window."""
    found = []
    for values, own in zip(attributions, truth, strict=True):
        true = [any(step) for step in own.tolist()]
        far = counted(true, boundary)
        kept = [step for step in range(len(true)) if far[step]]
        sums = [[sum(values[step].tolist()) for step in kept]]
        found.append(expected(definition, np.array(sums), np.array([[true[s] for s in kept]]))[0])
    return found


def precision(hits: Hits, top: int | str) -> float:
    """Share of the first m steps that are true; of all, where there are fewer."""
    looked_at = hits[: sum(hits) if top == "truth" else int(top)]
    return sum(looked_at) / len(looked_at)
