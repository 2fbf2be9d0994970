from __future__ import annotations

import gc
import itertools

import pytest
import torch

from aexbench.running import timing

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


def test_a_call_that_took_seconds_before_is_measured_once():
    calls = []
    samples = timing.measure(lambda: calls.append(1), CPU, expected_s=2.5)
    assert (len(calls), len(samples.wall_s)) == (1, 1)


@pytest.mark.parametrize(
    ("seconds", "expected_s", "warm_ups", "kept"),
    [
        (0.001, 0.0, 2, 30),  # the most
        (0.06, 0.0, 2, 4),  # until .2 s are used up
        (0.15, 0.0, 2, 3),  # the least
        (0.5, 2.0, 1, 3),
        (0.5, 2.1, 0, 1),  # it took more than two seconds before
    ],
)
def test_how_often_a_call_is_made_where_nothing_is_said(
    monkeypatch, seconds, expected_s, warm_ups, kept
):
    now, calls = [0.0], []

    def call():
        calls.append(1)
        now[0] += seconds

    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    samples = timing.measure(call, CPU, expected_s=expected_s)
    assert samples.wall_s == pytest.approx([seconds] * kept)
    assert len(calls) == warm_ups + kept


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
        "samples_per_s": 5.0,
        "peak_bytes": None,
    }
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
    assert timing.peak_memory(lambda: x @ x, device) >= 2 * x.numel() * 4
