"""Weighted layers: linear, products with constant weights, convolutions."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from aexbench.explainers.lrp.handlers.calls import Call, Handler, direct
from aexbench.explainers.lrp.maps import Convolution, Dense
from aexbench.explainers.lrp.operations import Operation, constant

PLAIN = {  # that compute what their weights say
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
}
_CONVOLUTIONS = tuple(f"conv{kind}{d}d" for d in (1, 2, 3) for kind in ("", "_transpose"))


def linear(call: Call) -> Operation:
    """Append a Linear module or function."""
    weight = call.setting("weight", None, "weighted")
    compute = call.compute if call.module is None else direct(call.module)
    parts = 3 if call.place.endswith("in_proj (MultiheadAttention)") else 1  # of q, k and v
    return _weighted(call, call.x, compute, Dense(weight.detach(), parts))


def product_with_weights(call: Call) -> Operation:
    """Append a product x W with constant weights (in, out), or W x with (out, in): a layer of the
    last axis, or of the last but one.
    """
    first = call.args[0] in call.carrying
    weight = _matrix(call, constant(call.args[1 if first else 0]).detach())
    if weight is None:
        return call.whole("bilinear", tuple(call.carrying))
    if first:
        return _weighted(call, call.args[0], call.compute, Dense(weight.T))
    x = call.args[1]
    turned = _turned(call, x, not_negative=x.not_negative, from_input=x.from_input)
    compute = lambda t: F.linear(t, weight)  # noqa: E731
    layer = Dense(weight)
    made = call.make("weighted", compute, args=(turned,), inputs=(turned,), layer=layer, own=layer)
    return _turned(call, made)


def _matrix(call: Call, weight: torch.Tensor) -> torch.Tensor | None:
    """Return weights that are the same for all matrices of a product, if they are."""
    if weight.dim() < 2:
        raise call.refused(f"{call.name} with weights of any shape but (in, out)")
    if weight.dim() == 3 and len(weight) == 1:
        weight = weight[0]
    return weight if weight.dim() == 2 else None


def _turned(call: Call, x: Operation, **known: Any) -> Operation:
    """Append what exchanges the last two axes."""
    name = f"{call.place} turned"
    return call.append(name, "route", lambda t: t.mT, args=(x,), inputs=(x,), **known)


def addmm(call: Call) -> Operation:
    """Append a product x W and a constant."""
    if call.carrying != [call.args[1]]:
        raise call.refused(f"{call.name} of more than one factor that depends on the input")
    weight = call.setting("weight", None, "addmm")
    layer = Dense(weight.detach().T)
    return call.whole("weighted", (call.args[1],), layer=layer, own=layer)


def _weighted(call: Call, x: Operation, compute: Any, layer: Dense | Convolution) -> Operation:
    if not isinstance(x, Operation) or not x.carries:
        raise call.refused(f"{call.name} of a constant by what depends on the input")
    return call.whole("weighted", (x,), compute, layer=layer, own=layer)


def convolution(call: Call) -> Operation:
    """Append a convolution; padding other than zeros is a route of its own before it."""
    dims, table = int(call.name[-2]), "transposed" if "transpose" in call.name else "weighted"
    if len(call.args) + len(call.kwargs) > 1 and call.module is not None:
        raise call.refused(
            "a transposed convolution called with output_size (give it output_padding when it is "
            "made)"
        )
    weight = call.setting("weight", None, table)
    stride, dilation, output_padding = (
        _tuple(call.setting(name, default, table), dims)
        for name, default in (("stride", 1), ("dilation", 1), ("output_padding", 0))
    )
    padding: Any = call.setting("padding", 0, table)
    apart = call.module is not None and _padded_apart(call.module)
    if apart:
        padding = 0
    elif padding == "same" and _uneven(weight.shape[2:], dilation):
        raise call.refused(f"{call.name} padded with more zeros on one side")
    if isinstance(padding, str):
        padding = _named_padding(padding, weight.shape[2:], dilation)
    groups, transposed = call.setting("groups", 1, table), table == "transposed"
    layer = Convolution(
        weight.detach(), stride, _tuple(padding, dims), dilation, output_padding, groups, transposed
    )
    if apart:
        return _padded_convolution(call, layer)
    made = _weighted(call, call.x, call.compute, layer)
    made.bias, made.unhooked = _bias(call), _unhooked(call)
    return made


def _bias(call: Call) -> torch.Tensor | None:
    """Return a layer's bias, if it has one."""
    bias = call.setting("bias", None, "weighted")
    return None if bias is None else bias.detach()


def _unhooked(call: Call) -> bool:
    """Whether a convolution is a plain one: a function, or a module of torch's own class that
    nothing hooks into.
    """
    module = call.module
    if module is None:
        return True
    return type(module) in PLAIN and not (module._forward_hooks or module._forward_pre_hooks)


def _padded_convolution(call: Call, layer: Convolution) -> Operation:
    """Append a convolution module's padding, and the convolution of what is padded."""
    module: Any = call.module
    pads, zeros = module._reversed_padding_repeated_twice, module.padding_mode == "zeros"
    mode = "constant" if zeros else module.padding_mode
    known = {"inserts": zeros, "from_input": call.x.from_input, "not_negative": call.x.not_negative}
    padded = call.append(
        f"{call.place} padding",
        "route",
        lambda t: F.pad(t, pads, mode=mode),
        args=(call.x,),
        inputs=(call.x,),
        **known,
    )
    convolve = getattr(F, call.name)
    settings = (module.stride, 0, module.dilation, module.groups)
    compute = lambda t: convolve(t, module.weight, module.bias, *settings)  # noqa: E731
    return call.make("weighted", compute, args=(padded,), inputs=(padded,), layer=layer, own=layer)


def _tuple(value: Any, dims: int) -> tuple[int, ...]:
    return (value,) * dims if isinstance(value, int) else tuple(value)


def _named_padding(name: str, kernel: Any, dilation: Any) -> tuple[int, ...]:
    """Return `same` (an even number in all) or `valid` as numbers."""
    return tuple(
        0 if name == "valid" else d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True)
    )


def _padded_apart(module: Any) -> bool:
    """Whether a convolution's padding is not the same number of zeros on both sides."""
    return module.padding_mode != "zeros" or (
        module.padding == "same" and _uneven(module.kernel_size, module.dilation)
    )


def _uneven(kernel: Any, dilation: Any) -> bool:
    """Whether `same` padding has one zero more on one side."""
    return any(d * (k - 1) % 2 for d, k in zip(dilation, kernel, strict=True))


HANDLERS: dict[str, Handler] = {
    "linear": linear,
    "addmm": addmm,
    **dict.fromkeys(_CONVOLUTIONS, convolution),
}
