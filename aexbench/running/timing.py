"""Honest timing: warmed up, synchronised, every sample kept, preparing apart from explaining.

Two figures matter to users and differ: the latency of one sample, and the throughput of a set. On a
GPU the device's own events and its peak memory stand beside the wall clock.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

WARM_UPS = 2
LEAST, MOST = 3, 30  # repetitions
BUDGET_S = 0.2  # per figure: repetitions stop after it, though not before LEAST
SLOW_S = 2.0  # a call that took longer before is measured once


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
        The most device memory in use during `throughput`; None on a CPU, where it is not measured.
    """

    prepare_s: float
    set_size: int
    latency: Samples
    throughput: Samples
    peak_bytes: int | None = None

    def summary(self) -> dict[str, float | int | None]:
        """Return medians, in seconds."""
        return {
            "prepare_s": self.prepare_s,
            "latency_s": float(np.median(self.latency.wall_s)),
            "samples_per_s": self.set_size / float(np.median(self.throughput.wall_s)),
            "peak_bytes": self.peak_bytes,
        }

    def samples(self) -> dict[str, Any]:
        """Return every sample."""
        return asdict(self)


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


def measure(
    calls: Iterator[Callable[[], object]] | Callable[[], object],
    device: torch.device,
    warm_ups: int = WARM_UPS,
    least: int = LEAST,
    most: int = MOST,
    budget_s: float = BUDGET_S,
    expected_s: float = 0.0,
) -> Samples:
    """Call again and again, and keep the time of every call after the warm-up.

    `calls` is one call to repeat, or an iterator of calls on different samples. It stops after
    `most` calls, or once `budget_s` is used up and `least` are made. A call slower than the budget
    is warmed up once; one that is expected to take seconds, because it has done so before, is made
    once and needs no warm-up.
    """
    if expected_s > SLOW_S:
        warm_ups, least, most = 0, 1, 1
    source = calls if isinstance(calls, Iterator) else iter(lambda: calls, None)
    samples = Samples()
    with no_garbage_collection():
        warm_up_s = 0.0
        for _ in range(warm_ups):
            if warm_up_s < budget_s:
                warm_up_s += timed(next(source), device)[1]
        while len(samples.wall_s) < most and (
            sum(samples.wall_s) < budget_s or len(samples.wall_s) < least
        ):
            _take(samples, next(source), device)
    return samples


def peak_memory(call: Callable[[], object], device: torch.device) -> int | None:
    """Return the most bytes allocated on a GPU during one call; None elsewhere."""
    if device.type != "cuda":
        return None
    synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    call()
    synchronize(device)
    return int(torch.cuda.max_memory_allocated(device))


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Collect garbage now, and not until the end."""
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _take(samples: Samples, call: Callable[[], object], device: torch.device) -> None:
    if device.type != "cuda":
        samples.wall_s.append(timed(call, device)[1])
        return
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    stream = torch.cuda.current_stream(device)

    def recorded() -> None:
        start.record(stream)
        call()
        end.record(stream)

    samples.wall_s.append(timed(recorded, device)[1])
    samples.device_s.append(start.elapsed_time(end) / 1000)
