"""Batched corruption against one sample at a time: a ratio in one run."""

from __future__ import annotations

import numpy as np
import torch

from aexbench import Detector
from aexbench.corruptions.adversarial import adversarial
from tests.conftest import mlp


def test_a_hundred_samples_at_once_are_twenty_times_faster_than_one_by_one(benchmark):
    detector = Detector(mlp((30, 24, 10, 24, 30), ("relu", "relu", "relu", "sigmoid")).float())
    clean = torch.rand(100, 30)
    mask = torch.eye(30, dtype=torch.bool)[torch.arange(100) % 30]

    def optimise(rows: int) -> None:
        rng = np.random.default_rng(0)
        for x, m in zip(clean.split(rows), mask.split(rows), strict=True):
            adversarial(detector, x, m, rng)

    from aexbench.running import timing

    single = timing.measure(lambda: optimise(1), torch.device("cpu"), least=3, most=3)
    benchmark.pedantic(optimise, args=(100,), rounds=10, warmup_rounds=2)
    ratio = float(np.median(single.wall_s)) / benchmark.stats.stats.median
    benchmark.extra_info["one by one / at once"] = round(ratio, 1)
    print(f"\none by one / at once: {ratio:.0f}")
    assert ratio >= 20
