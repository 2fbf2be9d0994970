"""Is what was captured the model? Asked once for each shape of samples, on a few of them."""

from __future__ import annotations

import torch

from aexbench import SkipError
from aexbench.explainers.lrp.maps import Dense
from aexbench.explainers.lrp.operations import Operation, replaced
from aexbench.explainers.lrp.propagation import Values


def same_weights(operations: list[Operation], values: Values) -> bool:
    """Whether each weighted operation's results differ between two samples as its weights say."""
    return all(
        _is_its_layer(operation, values) for operation in operations if operation.own is not None
    )


def compare(
    operations: list[Operation], values: Values, own: torch.Tensor, alone: torch.Tensor
) -> None:
    """Raise SkipError unless the captured values are the model's, of samples together (`own`) and
    alone.
    """
    if not _close(values[operations[-1]], own, values):
        raise SkipError(
            "lrp: the captured forward pass is not the model's (random, with side effects, or a "
            "hook?)"
        )
    if not _close(alone, own, values):
        raise SkipError("lrp: the model mixes the samples of a batch")
    for operation in operations:
        if (
            operation.own is not operation.layer
            and isinstance(operation.own, Dense)
            and values[operation].dim() > 2
        ):
            raise SkipError(
                f"lrp: a BatchNorm over positions follows {operation.name}: permute, or move it"
            )
        if operation.own is not None and not _is_its_layer(operation, values):
            raise SkipError(
                f"lrp: {operation.name} does not return what its weights say (changed by a hook?)"
            )
        if operation.hooked is not None and not _unchanged(operation, values):
            raise SkipError(f"lrp: a hook changes what {operation.name} returns")


def _is_its_layer(operation: Operation, values: Values) -> bool:
    layer, x, y = operation.own, values[operation.inputs[0]], values[operation]
    assert layer is not None
    return _close(layer.apply(x.diff(dim=0), layer.weight), y.diff(dim=0), values)


def _unchanged(operation: Operation, values: Values) -> bool:
    """Whether a module returns with its hooks what its own forward pass does without."""
    given = replaced(
        operation.args, lambda leaf: values[leaf] if isinstance(leaf, Operation) else leaf
    )
    found = operation.hooked(
        *(value.clone() if isinstance(value, torch.Tensor) else value for value in given)
    )
    return not isinstance(found, torch.Tensor) or _close(found, values[operation], values)


def _close(one: torch.Tensor, other: torch.Tensor, values: Values) -> bool:
    """Compare by what rounding may do to the greatest value on the way: outputs may cancel."""
    floats = [
        v
        for v in values.values()
        if isinstance(v, torch.Tensor) and v.is_floating_point() and v.numel()
    ]
    greatest = max((float(v.nan_to_num(0, 0, 0).abs().max()) for v in floats), default=1.0)
    tolerance = min(100 * torch.finfo(one.dtype).eps, 0.05)
    if one.device.type == "cuda" and one.dtype == torch.float32:
        tolerance = 5e-3  # TF32 rounds to ten bits
    return torch.allclose(one, other, rtol=tolerance, atol=tolerance * greatest, equal_nan=True)
