"""Times of calls that take turns in one run, with their minor page faults."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np


class Turns(NamedTuple):
    """Medians over turns: seconds and minor page faults of one call."""

    seconds: np.ndarray
    faults: np.ndarray


Clock = Callable[[], float]


def in_turns(
    calls: Sequence[Callable[[], object]], rounds: int, clock: Clock = time.perf_counter
) -> Turns:
    """Return what calls take that take turns: a drifting machine hits all alike.

    Each is made twice and the second counts: what another has left behind (cold code, memory to
    tidy) is not its cost.
    """
    seconds, faults = np.empty((rounds, len(calls))), np.empty((rounds, len(calls)))
    for row in range(rounds):
        for number, call in enumerate(calls):
            call()
            before, start = minor_faults(), clock()
            call()
            seconds[row, number] = clock() - start
            faults[row, number] = minor_faults() - before
    return Turns(np.median(seconds, axis=0), np.median(faults, axis=0))


def minor_faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def ratio(
    one: Callable[[], object],
    other: Callable[[], object],
    rounds: int,
    clock: Clock = time.perf_counter,
) -> float:
    """Return the ratio of the median times of two calls that take turns."""
    seconds = in_turns([one, other], rounds, clock).seconds
    return float(seconds[0] / seconds[1])
