"""Honest timing: warmed up, synchronised, every sample kept, preparing apart from explaining.

Two figures matter to users and differ: the latency of one sample, and the throughput of a set. On a
GPU the device's own events and its peak memory stand beside the wall clock.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

from aexbench.garbage import uncollected
from aexbench.running.arithmetic import Rows

WARM_UPS = 2
LEAST, MOST = 3, 30  # repetitions
BUDGET_S = 0.2  # per figure: repetitions stop after it, though not before LEAST
SLOW_S = 2.0  # a first call that takes longer is the measurement


@dataclass
class Samples:
    """Repetitions of one call: wall-clock seconds, and on a GPU the seconds between two events on
    the device.
    """

    wall_s: list[float] = field(default_factory=list)
    device_s: list[float] = field(default_factory=list)


@dataclass
class Timing:
    """What one explainer costs on one set.

    Attributes
    ----------
    prepare_s
        Making the explainer: reading the model, fitting a background.
    latency
        One sample at a time.
    throughput
        The whole set of `set_size` samples in one call.
    peak_bytes
        The most device memory that a call of `throughput` takes, beside what was there before; None
        on a CPU, where it is not measured.
    rows
        What one sample asks of the network, or why that cannot be counted.
    """

    prepare_s: float
    set_size: int
    latency: Samples
    throughput: Samples
    peak_bytes: int | None = None
    rows: Rows | str = ""

    def summary(self) -> dict[str, float | int | str | None]:
        """Return medians, in seconds, and the spread of the latency as a share of its median."""
        return {
            "prepare_s": self.prepare_s,
            "latency_s": float(np.median(self.latency.wall_s)),
            "latency_spread": spread(self.latency.wall_s),
            "samples_per_s": self.set_size / float(np.median(self.throughput.wall_s)),
            "peak_bytes": self.peak_bytes,
            **_rows(self.rows),
        }

    def samples(self) -> dict[str, Any]:
        """Return every sample."""
        return asdict(self)


def _rows(rows: Rows | str) -> dict[str, float | str]:
    if isinstance(rows, str):
        return {"uncounted": rows}
    return {"forward_rows": rows.forward, "backward_rows": rows.backward}


def spread(seconds: Sequence[float]) -> float | None:
    """Return half the interquartile range over the median; None of fewer than three samples.

    >>> spread([1.0, 2.0, 3.0])
    0.25
    """
    if len(seconds) < LEAST:
        return None
    low, median, high = np.quantile(seconds, [0.25, 0.5, 0.75])
    return float((high - low) / 2 / median)


def timed(call: Callable[[], Any], device: torch.device) -> tuple[Any, float]:
    """Return what one call returns, and its wall-clock seconds with the device synchronised before
    and after. A child process that comes back from the call ends here.
    """
    synchronize(device)
    own, start = os.getpid(), time.perf_counter()
    try:
        result = call()
        synchronize(device)
        return result, time.perf_counter() - start
    finally:
        if os.getpid() != own:
            os._exit(0)


@dataclass
class Repeats:
    """One call, made again and again until there are samples enough.

    Attributes
    ----------
    calls
        A call to repeat, or an iterator of calls on different samples.
    warm_ups
        Calls that are made before and not counted, as long as they take less than `budget_s` in
        all. A first call that takes more than `SLOW_S` is itself the measurement: what it does for
        the first time is a small part of it.
    least, most, budget_s
        It is done after `most` samples, or once they have taken `budget_s` and `least` are there.
    """

    calls: Iterator[Callable[[], object]] | Callable[[], object]
    device: torch.device
    warm_ups: int = WARM_UPS
    least: int = LEAST
    most: int = MOST
    budget_s: float = BUDGET_S
    samples: Samples = field(default_factory=Samples)
    warmed_s: float = 0.0

    @property
    def done(self) -> bool:
        """Whether there are samples enough."""
        taken = self.samples.wall_s
        enough = len(taken) >= self.least and sum(taken) >= self.budget_s
        return bool(taken) and (enough or len(taken) >= self.most or taken[0] > SLOW_S)

    def turn(self) -> None:
        """Make one call."""
        call = next(self.calls) if isinstance(self.calls, Iterator) else self.calls
        sample = _sample(call, self.device)
        [seconds] = sample.wall_s
        if self.warm_ups and self.warmed_s < self.budget_s and seconds <= SLOW_S:
            self.warm_ups -= 1
            self.warmed_s += seconds
            return
        self.samples.wall_s += sample.wall_s
        self.samples.device_s += sample.device_s


def interleaved(repeats: Sequence[Repeats]) -> None:
    """Let calls take turns (A B A B) until all are done: what the machine does meanwhile, it does
    to all of them. Within `no_garbage_collection`.
    """
    while waiting := [one for one in repeats if not one.done]:
        for one in waiting:
            one.turn()
        gc.collect(1)  # what the turns have left; what was there before is not looked at


def measure(
    calls: Iterator[Callable[[], object]] | Callable[[], object], device: torch.device, **how: Any
) -> Samples:
    """Call again and again, and keep the time of every call after the warm-up; `how` is what
    `Repeats` takes.
    """
    repeats = Repeats(calls, device, **how)
    with no_garbage_collection():
        interleaved([repeats])
    return repeats.samples


def peak_memory(call: Callable[[], object], device: torch.device) -> int | None:
    """Return the most bytes allocated on a GPU during one call, beside what was there before; None
    elsewhere.
    """
    if device.type != "cuda":
        return None
    synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    call()
    synchronize(device)
    return int(torch.cuda.max_memory_allocated(device)) - before


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Collect garbage now, and not until the end."""
    gc.collect()
    with uncollected():
        yield


def _sample(call: Callable[[], object], device: torch.device) -> Samples:
    """Return the time of one call."""
    if device.type != "cuda":
        return Samples([timed(call, device)[1]])
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    stream = torch.cuda.current_stream(device)

    def recorded() -> None:
        start.record(stream)
        call()
        end.record(stream)

    wall_s = timed(recorded, device)[1]
    return Samples([wall_s], [start.elapsed_time(end) / 1000])
