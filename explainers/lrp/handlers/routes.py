"""What copies its inputs, or takes the greatest of some: the adjoint says where relevance goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from aexbench.explainers.lrp.handlers.calls import SHAPED_LIKE, Call, Handler
from aexbench.explainers.lrp.handlers.nodes import VIEWS
from aexbench.explainers.lrp.operations import Operation, flat

# what is written into the first argument
WRITTEN = ("slice_scatter", "select_scatter", "index_put", "scatter")
JOINED = ("cat", "concat", "concatenate", "stack", "where", "maximum", "minimum", *WRITTEN)
_ROUTES = (
    *(*VIEWS, *JOINED),
    *("flip", "roll", "repeat", "repeat_interleave", "tile", "pad", "constant_pad_nd"),
    *("pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "unfold", "im2col"),
    *("_unsafe_view", "slice", "index", "index_select", "gather", "take_along_dim"),
    *("masked_fill", "max", "min", "amax", "amin", "topk", "sort", "kthvalue"),
    *(f"{kind}_pad{d}d" for d in (1, 2, 3) for kind in ("reflection", "replication")),
    *(f"{kind}{d}d" for d in (1, 2, 3) for kind in ("upsample_nearest", "_upsample_nearest_exact")),
    *(
        f"{kind}pool{d}d"
        for d in (1, 2, 3)
        for kind in ("max_", "_max_", "adaptive_max_", "max_un")
    ),
    *(f"{kind}max_pool{d}d_with_indices" for d in (1, 2, 3) for kind in ("", "adaptive_")),
)


def route(call: Call) -> Operation:
    """Append what copies its inputs, or takes the greatest of some: the adjoint says where their
    relevance goes.
    """
    inputs = tuple(call.carrying)
    padded = call.name in ("pad", "constant_pad_nd")
    padding = (call.setting("value", None) or 0.0) if padded else 0.0
    constants = call.name in JOINED and _beside_constants(call)
    not_negative = all(i.not_negative for i in inputs) and padding >= 0 and not constants
    return call.whole(
        "route",
        inputs,
        not_negative=not_negative,
        from_input=all(i.from_input for i in inputs),
        inserts=constants or padded or call.name == "masked_fill" or "unpool" in call.name,
        adjoint=_known_adjoint(call) if len(inputs) == 1 else None,
    )


def _beside_constants(call: Call) -> bool:
    """Whether a call puts values beside its inputs that take no relevance."""
    if call.name == "where":
        return len([o for o in call.args[1:] if isinstance(o, Operation) and o.carries]) < 2
    if call.name in ("index_put", "scatter"):
        source = call.args[2 if call.name == "index_put" else 3]
        both = (call.args[0], source)
        return not all(isinstance(o, Operation) and o.carries for o in both)
    two = call.name in ("maximum", "minimum", *WRITTEN)
    placed = call.args[:2] if two else [call.args[:1], call.kwargs]
    return any(isinstance(a, Operation) and not a.carries for a in flat(placed))


def glu(call: Call) -> Operation:
    """Append a gated unit a ⊙ σ(b): its gate is held."""
    dim, x = call.setting("dim", -1, "glu"), call.x
    signal = lambda t: t.chunk(2, dim)[0]  # noqa: E731
    gate = lambda t: torch.sigmoid(t.chunk(2, dim)[1])  # noqa: E731
    own = call.append(f"{call.place} signal", "route", signal, args=(x,), inputs=(x,))
    held = call.append(f"{call.place} gate", "held", gate, args=(x,))
    return call.make("pass", torch.mul, args=(own, held), inputs=(own,))


def shaped_like(call: Call) -> Operation:
    """Append what takes its shape or type from another operand, which gives nothing else."""
    x: Operation = call.args[0]
    keeps = call.name in ("to", "type_as")
    return call.whole(
        "pass" if keeps else "route", (x,), not_negative=x.not_negative, from_input=x.from_input
    )


def _known_adjoint(call: Call) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None:
    """Return a route's adjoint where it needs neither a second run nor autograd."""
    if call.name in ("flatten", "unflatten", "view", "reshape"):
        return lambda x, y: y.reshape(x.shape)
    module = call.module
    if (
        isinstance(module, nn.Upsample)
        and module.size is None
        and not module.recompute_scale_factor
    ):
        factor = module.scale_factor
        name = "_upsample_nearest_exact" if module.mode == "nearest-exact" else "upsample_nearest"
        return lambda x, y: _nearest_adjoint(x, y, factor, name)
    return None


def _nearest_adjoint(x: torch.Tensor, y: torch.Tensor, factor: Any, name: str) -> torch.Tensor:
    """Return the sums of y over the copies that nearest upsampling, of torch's name for its kind,
    has made of each element of x.
    """
    dims = x.dim() - 2
    scales = factor if isinstance(factor, tuple) else (factor,) * dims
    backward = getattr(torch.ops.aten, f"{name}{dims}d_backward")
    result: torch.Tensor = backward(y, y.shape[2:], x.shape, *map(float, scales))
    return result


HANDLERS: dict[str, Handler] = {
    "glu": glu,
    **dict.fromkeys(_ROUTES, route),
    **dict.fromkeys(SHAPED_LIKE, shaped_like),
}
