"""Autoencoders that detectors are trained from: a small family of its own, so that suites can name
them.

One architecture a file. Each is a function from the shape of one sample to a module at its initial
weights. A module may have a method `penalty()` that returns what is added to the loss of its last
forward pass, per sample and column.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Gt

from aexbench.registry import Plugin, Registry


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
    declarable=asdict(Training()),
)
register = autoencoders.register
