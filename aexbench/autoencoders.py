"""Autoencoders that detectors are trained from: a small family of its own, so that suites can name them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Gt

from aexbench.errors import RequestError
from aexbench.registry import Plugin, Registry

ACTIVATIONS = {
    "relu": torch.nn.ReLU,
    "sigmoid": torch.nn.Sigmoid,
    "tanh": torch.nn.Tanh,
    "identity": torch.nn.Identity,
}


@dataclass(frozen=True)
class Training:
    """How an autoencoder is trained; every registered autoencoder takes these parameters too.

    Parameters
    ----------
    loss
        Minimised in training, and the detector's own.
    epochs
        At most so many.
    patience
        Stop when the validation error has not fallen by a thousandth of itself for so many epochs.
    batch_size, learning_rate
        Of Adam.
    """

    loss: Literal["l1", "l2"] = "l2"
    epochs: Annotated[int, Ge(1)] = 1000
    patience: Annotated[int, Ge(1)] = 30
    batch_size: Annotated[int, Ge(1)] = 64
    learning_rate: Annotated[float, Gt(0)] = 0.002


@dataclass(frozen=True)
class Untrained:
    """A model at its initial weights, and how it wants to be trained."""

    model: torch.nn.Module
    training: Training


def _with_training(plugin: Plugin, context: tuple[Any, ...], values: dict[str, Any]) -> Untrained:
    training = Training(**{field.name: values.pop(field.name) for field in fields(Training)})
    return Untrained(plugin.target(*context, **values), training)


autoencoders = Registry(
    "autoencoder",
    "aexbench.autoencoders",
    function_context=1,
    adapt_function=_with_training,
    shared=Training,
)


@autoencoders.register("mlp")
def mlp(
    shape: tuple[int, ...],
    *,
    widths: tuple[int, ...] = (64, 32, 8),
    activation: Literal["relu", "sigmoid", "tanh"] = "relu",
    output: Literal["relu", "sigmoid", "tanh", "identity"] = "sigmoid",
) -> torch.nn.Sequential:
    """Return fully connected layers, M → widths → M, mirrored: `widths=[64, 32, 8]` is M-64-32-8-32-64-M.

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
    return torch.nn.Sequential(*layers[:-1], ACTIVATIONS[output]())
