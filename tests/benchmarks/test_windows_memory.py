"""Windows of 100 steps and 38 channels that begin at every row are scored and explained block by
block: the memory that this takes does not grow with their number.
"""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from aexbench import Dataset, Detector, Features, autoencoders, explainers
from aexbench.datasets.tools.windows import windowed
from aexbench.rows import blocks
from tests.explainers.memory import AnonymousMemory

WINDOW, CHANNELS = 100, 38
FEW = 2_000


def series(windows: int) -> Dataset:
    """Return a data set of so many windows in each split, views of one and the same rows."""
    rows = np.random.default_rng(0).random((windows + WINDOW - 1, CHANNELS), dtype=np.float32)
    before = np.concatenate([np.zeros((WINDOW, CHANNELS), dtype=np.float32), rows])
    return windowed(Dataset(rows, before, rows, Features()), WINDOW)


def added(name: str, data: Dataset) -> dict[str, tuple[float, float]]:
    """Return the most bytes that scoring and each explainer add, and seconds per thousand
    windows.
    """
    torch.manual_seed(0)
    detector = Detector(autoencoders.create(name, (WINDOW, CHANNELS)).model.eval())
    walks = {"scoring": detector.error}
    for text, explainer in (("residual", "residual"), ("lrp", "lrp")):
        walks[text] = explainers.create(explainer, detector, background=data.train).explain
    found = {}
    for text, walk in walks.items():
        start = time.perf_counter()
        with AnonymousMemory() as seen:
            count = sum(len(walk(torch.as_tensor(block))) for block in blocks(data.test))
        assert count == len(data.test)
        found[text] = seen.added, 1000 * (time.perf_counter() - start) / count
    return found


@pytest.mark.parametrize(
    ("name", "many"),
    [
        ("conv1d", 4 * FEW),
        pytest.param("conv1d", 100_000, marks=pytest.mark.slow),
        pytest.param("gru", 100_000, marks=pytest.mark.slow),
    ],
)
def test_memory_does_not_grow_with_the_number_of_windows(name, many):
    few, more = added(name, series(FEW)), added(name, series(many))
    for text, (size, seconds) in more.items():
        print(
            f"\n{name}, {text}: {many:,} windows add {size / 2**20:.0f} MiB, {FEW:,} "
            f"{few[text][0] / 2**20:.0f}; {seconds:.1f} s a thousand"
        )
        assert size < few[text][0] + 2**26
