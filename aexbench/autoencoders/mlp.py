"""Fully connected autoencoders, for tables."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

import torch
from annotated_types import Ge

from aexbench.autoencoders import register
from aexbench.autoencoders.layers import Sparse
from aexbench.declarations import Later
from aexbench.errors import RequestError

ACTIVATIONS = {
    "relu": torch.nn.ReLU,
    "sigmoid": torch.nn.Sigmoid,
    "tanh": torch.nn.Tanh,
    "identity": torch.nn.Identity,
}


@register("mlp", version=1, images=False)
def mlp(
    shape: tuple[int, ...],
    *,
    widths: tuple[int, ...] = (64, 32, 8),
    activation: Literal["relu", "sigmoid", "tanh"] = "relu",
    output: Literal["relu", "sigmoid", "tanh", "identity"] = "sigmoid",
    l1: Annotated[float, Ge(0), Later(0.0)] = 0.0,
) -> torch.nn.Sequential:
    """Return fully connected layers, M → widths → M, mirrored: `widths=[64, 32, 8]` is
    M-64-32-8-32-64-M.

    Parameters
    ----------
    shape
        Of one sample: (M,).
    widths
        Of the encoder's layers, the last of them the bottleneck.
    activation
        After every hidden layer.
    output
        After the last layer.
    l1
        λ of a penalty on the weights, λ Σ |w|, beside the training loss, which is a mean over
        columns: 3e-6 leaves about one weight in twenty of 168-336-168.

    Examples
    --------
    >>> [tuple(p.shape) for p in mlp((4,), widths=(3, 2)).parameters() if p.dim() == 2]
    [(3, 4), (2, 3), (3, 2), (4, 3)]
    """
    if len(shape) != 1:
        raise RequestError(f"mlp takes rows of features; samples have shape {shape}")
    if not widths or min(widths) < 1:
        raise RequestError(f"mlp needs widths of at least 1; got {list(widths)}")
    sizes = [shape[0], *widths, *widths[-2::-1], shape[0]]
    layers: list[torch.nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [torch.nn.Linear(inputs, outputs), ACTIVATIONS[activation]()]
    layers[-1] = ACTIVATIONS[output]()
    return Sparse(l1, *layers) if l1 > 0 else torch.nn.Sequential(*layers)
