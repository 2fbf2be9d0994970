"""Is what was captured the model, and does its relevance go where it should? Asked once for each
shape of samples, on a few of them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from aexbench import SkipError
from aexbench.explainers.lrp.maps import Dense, vjp
from aexbench.explainers.lrp.operations import Operation, flat, replaced
from aexbench.explainers.lrp.propagation import Values, as_function

CONSERVED = 1e-3  # of a sample's error, or a hundred times the type's precision
WAY_OUT = "rewrite the layer, or use an explainer that asks the detector alone, such as repair"


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


def compare_adjoints(operations: list[Operation], values: Values) -> None:
    """Raise SkipError unless the adjoint of each linear operation, where it is ours, is what
    autograd makes of the operation.
    """
    for operation in operations:
        adjoint = _own_adjoint(operation)
        if adjoint is None:
            continue
        x = values[operation.inputs[0]]
        y = _wave(values[operation])
        if not _near(adjoint(x, y), vjp(as_function(operation, values), x, y)):
            raise SkipError(
                f"lrp: the adjoint of {operation.name} is not what autograd makes of it: {WAY_OUT}"
            )


def compare_sums(
    relevance: torch.Tensor, alone: torch.Tensor, error: torch.Tensor, conserves: bool
) -> None:
    """Raise SkipError unless each sample's relevance (N, …) is its own, and sums to its error.

    Parameters
    ----------
    alone : (K, …)
        The relevance of the first samples, each by itself.
    error : (N, …)
        The error maps.
    conserves
        Whether all rules hand on all that they receive; ε does not, and relevance may be much
        larger than the error then, and its rounding with it.
    """
    whole = _per_sample(error)
    tolerance = max(CONSERVED, 100 * torch.finfo(relevance.dtype).eps)
    if relevance.device.type == "cuda" and relevance.dtype == torch.float32:
        tolerance = max(tolerance, 2e-2)  # TF32
    size = whole if conserves else torch.maximum(whole, _per_sample(relevance.abs()))
    least = tolerance * size.clamp_min(size.max() * tolerance)
    own = relevance[: len(alone)]
    moved = _per_sample((own - alone).abs()) / own[0].numel() ** 0.5
    if bool((moved > least[: len(alone)]).any()):
        raise SkipError(
            f"lrp: a sample's relevance depends on the others of its batch (constants put in along "
            f"another axis than the first of a layout like time, batch, channel?): {WAY_OUT}"
        )
    if conserves and bool(((_per_sample(relevance) - whole).abs() > least).any()):
        raise SkipError(f"lrp: relevance does not sum to the sample's error: {WAY_OUT}")


def _own_adjoint(
    operation: Operation,
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None:
    """Return the adjoint (x, y) that rules use, unless it is autograd's."""
    layer = operation.own
    if layer is not None:
        return lambda x, y: layer.adjoint(y, layer.prepared(layer.weight), x)
    return operation.adjoint


def _wave(like: torch.Tensor) -> torch.Tensor:
    """Return numbers that never repeat, in the shape of others."""
    numbers = torch.arange(1, like.numel() + 1, device=like.device, dtype=torch.float64)
    return torch.sin(1.7 * numbers).to(like.dtype).view(like.shape)


def _near(one: torch.Tensor, other: torch.Tensor) -> bool:
    tolerance = min(1000 * torch.finfo(one.dtype).eps, 0.1)
    if one.device.type == "cuda" and one.dtype == torch.float32:
        tolerance = 5e-3  # TF32 rounds to ten bits
    return torch.allclose(one, other, rtol=tolerance, atol=tolerance * float(other.abs().max()))


def _per_sample(values: torch.Tensor) -> torch.Tensor:
    return values.flatten(1).sum(1, dtype=torch.float64)


def _is_its_layer(operation: Operation, values: Values) -> bool:
    layer, x, y = operation.own, values[operation.inputs[0]], values[operation]
    assert layer is not None
    found = layer.apply(x.diff(dim=0), layer.prepared(layer.weight))
    return _close(found, y.diff(dim=0), values)


def _unchanged(operation: Operation, values: Values) -> bool:
    """Whether a module returns with its hooks what its own forward pass does without."""
    given = replaced(
        operation.args, lambda leaf: values[leaf] if isinstance(leaf, Operation) else leaf
    )
    own = replaced(given, lambda leaf: leaf.clone() if isinstance(leaf, torch.Tensor) else leaf)
    pairs = zip(flat(operation.hooked(*own)), flat(values[operation]), strict=True)
    return all(_close(a, b, values) for a, b in pairs if isinstance(a, torch.Tensor))


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
