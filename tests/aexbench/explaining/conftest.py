"""A detector whose x̂ is known: the same for every sample, whatever that is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aexbench import Dataset, Detector, Features
from aexbench.scaling import Scale


class Constant(torch.nn.Module):
    """Expects one sample, and lets gradients flow."""

    def __init__(self, expected) -> None:
        super().__init__()
        self.expected = torch.nn.Parameter(torch.as_tensor(expected))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.expected.expand_as(x) + 0 * x


NAMES = ("bytes", "proto_tcp", "proto_udp", "proto_icmp", "hour_sin", "hour_cos", "constant")
FEATURES = Features(
    names=NAMES,
    low=(0, 0, 0, 0, -1, -1, 0),
    high=1.0,
    groups=(0, 1, 1, 1, 2, 2, 3),
    kinds=("columns", "onehot", "columns", "columns"),
)
SCALE = Scale(offset=(100.0, 0, 0, 0, 0, 0, 0), factor=(1000.0, 1, 1, 1, 1, 1, 1))


def normal_rows(count: int = 400) -> np.ndarray:
    """Rows with a number, a category (tcp in a tenth, udp else), an hour, a constant."""
    rng = np.random.default_rng(1)
    hour = rng.random(count) * 2 * np.pi
    tcp = np.arange(count) % 10 == 0
    return np.column_stack(
        [rng.random(count), tcp, ~tcp, 0 * tcp, np.sin(hour), np.cos(hour), np.full(count, 0.5)]
    ).astype(np.float32)


@pytest.fixture(scope="session")
def data() -> Dataset:
    x = normal_rows()
    test = x[300:].copy()
    test[0] = [0.5, 0, 0, 1, 0.1, 0.1, 0.5]  # icmp, as in no normal row
    test[1] = [1.9, 0, 1, 0, 0.1, 0.1, 0.5]  # 2000 bytes
    numbers = {"test": 1000 + np.arange(100)}
    return Dataset(x[:200], x[200:300], test, FEATURES, scale=SCALE, rows=numbers)


@pytest.fixture(scope="session")
def constant(data: Dataset) -> Detector:
    """Expects 0.4 in bytes, udp, the hour (0, 0) and 0.5."""
    expected = np.array([0.4, 0.1, 0.9, 0, 0, 0, 0.5], dtype=np.float32)
    return Detector(Constant(expected), "l2", FEATURES).calibrate(data.validation)
