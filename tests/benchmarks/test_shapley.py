"""The price list of Shapley values: rows of the network, seconds and error against exact values,
ours and others', for one game of twelve columns in one run.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from captum import attr
from torch import nn

from aexbench import Detector, explainers
from tests.benchmarks.test_explainers import counted
from tests.conftest import mlp

COLUMNS, ROWS = 12, 400
CAPTUM_ROWS = 50  # a call each
RNG = np.random.default_rng(0)
NORMAL = RNG.random((ROWS, COLUMNS)).astype(np.float32)
X = torch.as_tensor(RNG.random((4, COLUMNS)).astype(np.float32))
OURS = [
    "kernelshap-batched",
    "kernelshap-batched[middle=shap]",
    "shapley-permutation[nsamples=3000]",
    "shapley-permutation[nsamples=30000]",
    "shapley-twin[nsamples=3000]",
    "shapley-twin[nsamples=30000]",
    "shapley-twin[nsamples=3000,order=2]",
    "shapley-twin[nsamples=30000,order=2]",
]
Found = torch.Tensor


def network() -> nn.Sequential:
    """Weights of three times the usual size: units switch between x and the background."""
    layers = ("relu", "relu", "relu", "relu", "relu", "sigmoid")
    made = mlp((COLUMNS, 32, 16, 4, 16, 32, COLUMNS), layers).float()
    for parameter in made.parameters():
        parameter.data *= 3
    return made


def of_shap(detector: Detector, kind: str, **given: Any) -> Found:
    import shap

    def error(rows: np.ndarray) -> np.ndarray:
        return detector.error(rows.astype(np.float32)).numpy()

    if kind == "Kernel":
        made = shap.KernelExplainer(error, NORMAL)
        return torch.as_tensor(made.shap_values(X.numpy(), l1_reg=False, silent=True, **given))
    if kind == "Sampling":
        return torch.as_tensor(
            shap.SamplingExplainer(error, NORMAL).shap_values(X.numpy(), **given)
        )
    masker = shap.maskers.Independent(NORMAL, max_samples=ROWS)
    made = shap.explainers.Permutation(error, masker, seed=0)
    return torch.as_tensor(made(X.numpy(), silent=True, **given).values)


def of_captum(detector: Detector, kind: type, **given: Any) -> Found:
    """Captum asks about one baseline: the mean over some rows of the background."""
    method, found = kind(detector.error), torch.zeros_like(X)
    for row in torch.as_tensor(NORMAL[:CAPTUM_ROWS]):
        found += method.attribute(X, row[None], **given) / CAPTUM_ROWS
    return found


def of_shapiq(detector: Detector, budget: int) -> Found:
    import shapiq

    def worth(x: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        def value(coalitions: np.ndarray) -> np.ndarray:
            rows = np.where(coalitions[:, None], x, NORMAL)
            errors = detector.error(rows.reshape(-1, COLUMNS))
            return errors.view(len(rows), ROWS).mean(1).numpy()

        return value

    found = []
    for x in X.numpy():
        method = shapiq.KernelSHAP(n=COLUMNS, random_state=0)
        found.append(method.approximate(budget, worth(x)).get_n_order_values(1))
    return torch.as_tensor(np.array(found))


def priced(name: str, ask: Callable[[Detector], Found], exact: Found) -> tuple[float, float]:
    """Print a method's price, and return its rows a sample and its error."""
    torch.manual_seed(0)
    detector = Detector(network())
    with counted(detector.model) as rows:
        start = time.perf_counter()
        found = ask(detector)
        seconds = (time.perf_counter() - start) / len(X)
    error = float(((found - exact).norm(dim=1) / exact.norm(dim=1)).mean())
    each = rows.forward / len(X)
    print(f"{name:42} {each:11,.0f} rows {seconds * 1e3:10.1f} ms {error:9.3%} off")
    return each, error


def of_ours(name: str) -> Callable[[Detector], Found]:
    return lambda detector: explainers.create(name, detector, background=NORMAL).explain(X)


def test_the_price_of_shapley_values():
    pytest.importorskip("shap")
    exact = of_ours("kernelshap-batched[nsamples=5000]")(Detector(network())).double()
    methods = {name: of_ours(name) for name in OURS}
    methods["shap Kernel"] = lambda d: of_shap(d, "Kernel", nsamples=1000)
    methods["shap Sampling"] = lambda d: of_shap(d, "Sampling", nsamples=10_000)
    methods["shap Permutation"] = lambda d: of_shap(d, "Permutation", max_evals=400)
    methods["captum KernelShap"] = lambda d: of_captum(
        d, attr.KernelShap, n_samples=200, perturbations_per_eval=200
    )
    methods["captum ShapleyValueSampling"] = lambda d: of_captum(
        d, attr.ShapleyValueSampling, n_samples=10, perturbations_per_eval=200
    )
    if importlib.util.find_spec("shapiq"):
        methods["shapiq KernelSHAP"] = lambda d: of_shapiq(d, 1000)
    print()
    found = {name: priced(name, ask, exact) for name, ask in methods.items()}
    at_equal_error = {name: rows * error**2 for name, (rows, error) in found.items()}
    for name in ("shapley-permutation[nsamples=30000]", "shapley-twin[nsamples=30000]"):
        assert at_equal_error[name] < at_equal_error["shap Kernel"] / 3
