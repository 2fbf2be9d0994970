from __future__ import annotations

import gc
import itertools
import weakref
from dataclasses import replace

import pytest
import torch

from aexbench.running import timing
from aexbench.running.arithmetic import Rows

CPU = torch.device("cpu")


def test_warm_up_is_not_counted_and_every_sample_is_kept():
    calls = []
    samples = timing.measure(lambda: calls.append(1), CPU, warm_ups=2, least=3, most=7, budget_s=10)
    assert (len(calls), len(samples.wall_s)) == (9, 7)
    assert samples.device_s == []


def test_slow_calls_are_made_at_least_so_often_and_not_more():
    calls = []
    samples = timing.measure(
        lambda: calls.append(1), CPU, warm_ups=2, least=3, most=100, budget_s=0.0
    )
    assert len(samples.wall_s) == 3
    assert len(calls) == 3  # no budget, no warm-up


def clock(monkeypatch, *seconds):
    """Let each call take the next of these seconds, the last ones again and again."""
    now, left = [0.0], list(seconds)

    def call():
        now[0] += left.pop(0) if len(left) > 1 else left[0]

    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    return call


@pytest.mark.parametrize(
    ("seconds", "warm_ups", "kept"),
    [
        (0.001, 2, 30),  # the most
        (0.06, 2, 4),  # until .2 s are used up
        (0.15, 2, 3),  # the least
        (0.5, 1, 3),
        (2.0, 1, 3),
        (2.1, 0, 1),  # more than two seconds: the first call is the measurement
    ],
)
def test_how_often_a_call_is_made_where_nothing_is_said(monkeypatch, seconds, warm_ups, kept):
    made = []
    call = clock(monkeypatch, seconds)
    samples = timing.measure(lambda: (call(), made.append(1)), CPU)
    assert samples.wall_s == pytest.approx([seconds] * kept)
    assert len(made) == warm_ups + kept


def test_calls_take_turns_until_each_has_enough():
    turns = []
    calls = [
        timing.Repeats(lambda n=n: turns.append(n), CPU, warm_ups=0, least=k, most=k)
        for n, k in (("a", 2), ("b", 4))
    ]
    with timing.no_garbage_collection():
        timing.interleaved(calls)
    assert turns == ["a", "b", "a", "b", "b", "b"]


def test_what_turns_leave_is_collected_between_them():
    alive = weakref.WeakSet()

    class Loop:
        pass

    def call():
        loop = Loop()
        loop.itself = loop
        alive.add(loop)
        most.append(len(alive))

    most: list[int] = []
    timing.measure(call, CPU, warm_ups=0, least=5, most=5)
    assert max(most) == 1


def test_spread_is_half_the_interquartile_range_over_the_median():
    assert timing.spread([4.0, 1.0, 2.0, 3.0, 5.0]) == pytest.approx((4 - 2) / 2 / 3)
    assert timing.spread([1.0, 2.0]) is None


def test_different_samples_take_turns_and_garbage_waits():
    seen = []

    def look(number):
        seen.append((number, gc.isenabled()))

    timing.measure(
        (lambda n=n: look(n) for n in itertools.cycle(range(3))), CPU, warm_ups=1, least=5, most=5
    )
    assert seen == [(n, False) for n in (0, 1, 2, 0, 1, 2)]
    assert gc.isenabled()


def test_summary_gives_medians_per_sample_and_set():
    clock = timing.Timing(
        0.5, 100, timing.Samples([3.0, 1.0, 2.0]), timing.Samples([10.0, 20.0, 30.0])
    )
    assert clock.summary() == {
        "prepare_s": 0.5,
        "latency_s": 2.0,
        "latency_spread": 0.25,
        "samples_per_s": 5.0,
        "peak_bytes": None,
        "uncounted": "",
    }
    counted = replace(clock, rows=Rows(5.0, 2.0)).summary()
    assert (counted["forward_rows"], counted["backward_rows"]) == (5.0, 2.0)
    assert "uncounted" not in counted
    assert clock.samples()["latency"]["wall_s"] == [3.0, 1.0, 2.0]
    assert timing.peak_memory(lambda: 1, CPU) is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_device_is_synchronised_and_measured_by_its_own_events():
    device = torch.device("cuda")
    x = torch.rand(4000, 4000, device=device)
    samples = timing.measure(lambda: x @ x @ x, device)
    assert len(samples.device_s) == len(samples.wall_s)
    assert all(
        0 < inside <= outside
        for inside, outside in zip(samples.device_s, samples.wall_s, strict=True)
    )
    assert timing.peak_memory(lambda: x @ x, device) >= x.numel() * 4
