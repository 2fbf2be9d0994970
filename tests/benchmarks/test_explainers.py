"""What each explainer asks of the model: rows forward and backward, counted, and time against one
forward pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from aexbench import Detector, SkipError, explainers
from aexbench.running import timing
from aexbench.running.arithmetic import Arithmetic
from tests.benchmarks.test_lrp import six_layers

BATCH, COLUMNS = 20, 21
BACKGROUND = np.random.default_rng(0).random((755, COLUMNS)).astype(np.float32)
X = torch.as_tensor(np.random.default_rng(1).random((BATCH, COLUMNS)).astype(np.float32))
# Rows a sample, forward and backward, where the method says what they are.
EXPECTED = {
    "acme-ad": (50 * COLUMNS + 1, 0),
    "arcana": (401 + 2 / BATCH, 400),  # two rows try the copy in float64 and measure it
    "deviation": (0, 0),
    "gradient-shap": (200, 200),
    "input-x-gradient": (1, 1),
    "integrated-gradients": (502, 500),
    "kernelshap-batched": (755_000 + 1 + 755 / BATCH, 0),
    "likelihood-compensation": (401, 200),
    "lime": (5000, 0),
    "pca-residual": (0, 0),
    "random": (0, 0),
    "repair": (COLUMNS + 1, 0),
    "residual": (1, 0),
    "saliency": (1, 1),
    "shapley-permutation": (1 + 74 * 2 * (COLUMNS - 1), 0),
    "shapley-sampling": (25 * (COLUMNS + 1), 0),
    "shapley-twin": (1 + 2 * 1498, 0),
    "smoothgrad": (50, 50),
}
COSTLY = {"kernelshap": {"rows": 20}}
FITTING = {"shapley-twin"}  # regress the network: products of their own beside the rows


@dataclass
class Rows:
    """Rows that went forward through a model, and rows of gradients that came back."""

    forward: int = 0
    backward: int = 0


@contextmanager
def counted(model: torch.nn.Module) -> Iterator[Rows]:
    rows = Rows()

    def came_back(gradient: torch.Tensor) -> None:
        rows.backward += len(gradient)

    def went(_: torch.nn.Module, __: object, output: torch.Tensor) -> None:
        rows.forward += len(output)
        if output.requires_grad:
            output.register_hook(came_back)

    handle = model.register_forward_hook(went)
    try:
        yield rows
    finally:
        handle.remove()


@pytest.mark.parametrize("name", explainers.names())
def test_rows_and_time(name):
    torch.manual_seed(0)
    detector = Detector(six_layers().eval())
    with counted(detector.model) as rows:
        try:
            counting = explainers.create(
                name, detector, background=BACKGROUND, **COSTLY.get(name, {})
            )
            counting.explain(X[:2])
        except SkipError as error:
            pytest.skip(str(error))
        rows.forward = rows.backward = 0
        counting.explain(X)  # made while its model is counted: copies of the model are counted too
    explainer = explainers.create(name, detector, background=BACKGROUND, **COSTLY.get(name, {}))
    explainer.explain(X[:2])
    with Arithmetic() as spent:
        explainer.explain(X)
    with Arithmetic() as one:
        detector.error(X)
    arithmetic = (spent.forward / one.forward, spent.backward / one.forward)
    forward, whole, single = (
        float(np.median(timing.measure(call, torch.device("cpu"), most=10).wall_s))
        for call in (
            lambda: detector.error(X),
            lambda: explainer.explain(X),
            lambda: explainer.explain(X[:1]),
        )
    )
    print(
        f"\n{name:22} {rows.forward / BATCH:11,.1f} forward {rows.backward / BATCH:7,.1f} "
        "backward rows a sample, "
        f"{sum(arithmetic):9,.1f} forward passes of arithmetic; "
        f"{whole / BATCH * 1e3:9.3f} ms each of {BATCH}, "
        f"{whole / forward:8,.1f} times one forward pass; {single * 1e3:8.2f} ms alone"
    )
    if name in EXPECTED:
        assert (rows.forward / BATCH, rows.backward / BATCH) == pytest.approx(EXPECTED[name])
        if name not in FITTING:
            assert arithmetic == pytest.approx(EXPECTED[name], rel=0.05)
