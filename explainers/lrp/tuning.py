"""What makes products cheaper and changes no rule: layouts, and upsampling fused with what follows.

Convolutions of an image take up to a third less time with channels last, if their weights lie so
too. A 3 × 3 convolution behind nearest upsampling by 2 costs four products an output in place of
nine. Both are of the CPU: nothing is known of other devices.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch

from aexbench.explainers.lrp.maps import Convolution, Doubled
from aexbench.explainers.lrp.operations import Operation

# These cannot take channels last, or lose digits: torch's GroupNorm sums squares there, which is
# off by 1e-12 in float64 where what it reads is nearly constant.
CHANNELS_FIRST = ("view", "view_as", "group_norm")


def channels_last(operations: list[Operation]) -> bool:
    """Whether images may lie with their channels last all the way."""
    return not any(operation.function in CHANNELS_FIRST for operation in operations)


def tuned(operations: list[Operation]) -> list[Operation]:
    """Return operations whose two-dimensional convolutions are as cheap as they can be; their
    rules share the same.
    """
    last = channels_last(operations)
    gone = set()
    for operation in operations:
        if not _is_image_convolution(operation):
            continue
        if last:
            _lay_out(operation)
        if _is_doubled(operation):
            gone.add(operation.inputs[0])
            _double(operation)
        if operation.unhooked:
            _compute_directly(operation)
    return [operation for operation in operations if operation not in gone]


def _is_image_convolution(operation: Operation) -> bool:
    layer = operation.own
    if not isinstance(layer, Convolution):
        return False
    return layer.weight.dim() == 4 and layer.weight.device.type == "cpu"


def _lay_out(operation: Operation) -> None:
    """Have the weights of an operation lie with channels last."""
    own, layer = operation.own, operation.layer
    assert isinstance(own, Convolution)
    assert isinstance(layer, Convolution)
    operation.own = replace(own, channels_last=True)
    operation.layer = operation.own if own is layer else replace(layer, channels_last=True)


def _is_doubled(operation: Operation) -> bool:
    """Whether a convolution of 3 × 3 alone reads what is upsampled by 2."""
    layer, source = operation.own, operation.inputs[0]
    assert isinstance(layer, Convolution)
    plain = not layer.transposed and layer.groups == 1
    by_one = layer.stride == layer.dilation == (1, 1)
    fits = tuple(layer.weight.shape[2:]) == (3, 3) and max(layer.padding) <= 2
    return operation.unhooked and source.doubles and source.users == 1 and plain and by_one and fits


def _double(operation: Operation) -> None:
    """Have an operation read what its source upsamples."""
    own, layer = operation.own, operation.layer
    assert isinstance(own, Convolution)
    assert isinstance(layer, Convolution)
    operation.own = Doubled(own)
    operation.layer = operation.own if own is layer else Doubled(layer)
    operation.inputs = operation.inputs[0].inputs


def _compute_directly(operation: Operation) -> None:
    """Have an operation compute by its prepared weights."""
    own = operation.own
    assert isinstance(own, Convolution | Doubled)
    prepared = own.prepared(own.weight)
    operation.compute = partial(_apply, own, prepared, operation.bias)
    operation.args, operation.kwargs = operation.inputs, {}


def _apply(
    layer: Convolution | Doubled,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    x: torch.Tensor,
) -> torch.Tensor:
    """Return a layer's output for x."""
    return layer.apply(x, weight, bias)
