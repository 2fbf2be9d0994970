"""Models, samples and short ways to ask that the tests of several explainers share."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from aexbench import Detector, explainers
from tests.conftest import mlp

KINKED = mlp(
    (5, 6, 3, 6, 5), ("relu", "relu", "relu", "sigmoid"), seed=4
)  # units of every layer switch on X
SMOOTH = mlp((5, 4, 2, 4, 5), ("tanh", "sigmoid", "tanh", "identity"))
NORMAL = np.random.default_rng(1).random((60, 5)).astype(np.float32)
X = torch.as_tensor(np.random.default_rng(2).uniform(-0.2, 1.2, (6, 5)))
MEAN = torch.as_tensor(NORMAL.mean(axis=0, dtype=np.float64))
IMAGES = torch.as_tensor(np.random.default_rng(3).random((4, 2, 8, 8)))
NORMAL_IMAGES = np.random.default_rng(4).random((9, 2, 8, 8)).astype(np.float32)


def explain(
    name: str,
    detector: Detector,
    x: torch.Tensor = X,
    normal: np.ndarray = NORMAL,
    **parameters: object,
):
    return explainers.create(name, detector, background=normal, **parameters).explain(x)


def gradient(detector: Detector, x: torch.Tensor) -> torch.Tensor:
    """∂e/∂x of each sample by itself, from the definition of the error."""
    rows = []
    for row in x:
        point = row[None].clone().requires_grad_()
        d = point - detector.model(point)
        error = (d.abs() if detector.loss == "l1" else d**2).mean()
        rows.append(torch.autograd.grad(error, point)[0])
    return torch.cat(rows)


def linear_autoencoder() -> tuple[Detector, torch.Tensor, torch.Tensor]:
    """x̂ = A x + c; returned with R = I − A and c: x − x̂ = R x − c."""
    model = mlp((5, 2, 5), ("identity", "identity"))
    down, _, up, _ = model
    A, c = up.weight @ down.weight, up.weight @ down.bias + up.bias
    return Detector(model), (torch.eye(5).double() - A).detach(), c.detach()


def convolutions() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = (
            nn.Conv2d(2, 3, 3, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(3, 2, 3, padding=1),
        )
        return nn.Sequential(*layers, nn.Softplus()).double()
