"""What tests share: a cache of detectors for the whole session, small networks, and a small matrix
that is run once.
"""

from __future__ import annotations

import gc
import importlib
import os
import random
from collections.abc import Iterator
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # tests run beside others: one thread each
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import numpy as np
import pytest
import torch

from aexbench import Detector, Features
from aexbench.families import FAMILIES

hypothesis.settings.register_profile("untimed", deadline=None)  # no test asserts a time
hypothesis.settings.load_profile("untimed")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Let no test depend on what those before it drew."""
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(2026)  # no seed that the code draws by


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep out of the user's cache and data folders."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AEXBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        patch.delenv("AEXBENCH_DATA", raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _quick_collections() -> None:
    """Keep what is imported out of the collections before every timing, .4 s each."""
    for family in FAMILIES.values():
        family.load()
    for name in ("captum.attr", "pandas", "shap", "sklearn.datasets", "sklearn.metrics"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


def mlp(sizes: tuple[int, ...], activations: tuple[str, ...], seed: int = 0) -> torch.nn.Sequential:
    """Return a random stack in float64 with non-zero biases."""
    kinds = {
        "relu": torch.nn.ReLU,
        "sigmoid": torch.nn.Sigmoid,
        "tanh": torch.nn.Tanh,
        "identity": torch.nn.Identity,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[torch.nn.Module] = []
        for inputs, outputs, activation in zip(sizes, sizes[1:], activations, strict=False):
            layers += [torch.nn.Linear(inputs, outputs), kinds[activation]()]
        return torch.nn.Sequential(*layers).double().eval()


@pytest.fixture(scope="session")
def linear_rows() -> np.ndarray:
    """Rows (600, 8) in [0, 1] whose columns depend on three hidden ones."""
    rng = np.random.default_rng(0)
    x = rng.random((600, 3)) @ rng.random((3, 8))
    return (x / x.max(axis=0)).astype(np.float32)


@pytest.fixture(scope="session")
def detector(linear_rows: np.ndarray) -> Detector:
    """A calibrated detector in float64: a projection on the rows' three directions, by an untrained
    linear network.
    """
    mean = linear_rows.mean(axis=0)
    _, _, directions = np.linalg.svd(linear_rows - mean, full_matrices=False)
    down, up = torch.nn.Linear(8, 3), torch.nn.Linear(3, 8)
    v = torch.as_tensor(directions[:3].copy(), dtype=torch.float64)
    with torch.no_grad():
        for layer, weight, bias in (
            (down, v, -v @ torch.as_tensor(mean, dtype=torch.float64)),
            (up, v.T, torch.as_tensor(mean)),
        ):
            layer.weight.data, layer.bias.data = weight.double().contiguous(), bias.double()
    names = tuple("abcdefgh")
    made = Detector(
        torch.nn.Sequential(down, torch.nn.Tanh(), up).double().eval(), "l2", Features(names)
    )
    return made.calibrate(linear_rows[:300])


@pytest.fixture
def plugin_file(tmp_path: Path) -> Path:
    """A researcher's one file: an explainer as a function."""
    path = tmp_path / "mine.py"
    path.write_text(
        '''
from aexbench import explainers

@explainers.register("mine")
def mine(detector, x, *, power: float = 1.0):
    """Return the error map to a power."""
    return detector.error_map(x) ** power
'''
    )
    return path
