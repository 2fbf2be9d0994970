"""Which call is which operation: one handler for a module and for the function that does the same.

A handler reads a `Call`, appends what it stands for, and returns it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import BuiltinFunctionType
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from aexbench import SkipError
from aexbench.explainers.lrp.maps import Convolution, Dense
from aexbench.explainers.lrp.operations import Kind, Operation, constant, flat, no_rule

NOT_NEGATIVE = ("relu6", "sigmoid", "sigmoid_", "softplus", "hardsigmoid", "expit")
DIRECT: dict[type[nn.Module], Callable[..., Any]] = {
    nn.ReLU: torch.relu,
    nn.Sigmoid: torch.sigmoid,
    nn.Tanh: torch.tanh,
    nn.Identity: lambda x: x,
}
PLAIN = {  # that compute what their weights say
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
}
MODES = (
    "nearest",
    "nearest-exact",
    "linear",
    "bilinear",
    "trilinear",
    "area",
)  # no weight is negative
# Parameters of functions by their position, where torch.fx does not name them; modules have
# attributes of these names.
POSITIONS = {
    "weighted": {"weight": 1, "bias": 2, "stride": 3, "padding": 4, "dilation": 5, "groups": 6},
    "transposed": {
        "weight": 1,
        "stride": 3,
        "padding": 4,
        "output_padding": 5,
        "groups": 6,
        "dilation": 7,
    },
    "batch_norm": {"running_mean": 1, "running_var": 2},
    "dropout": {"training": 2},
}


@dataclass
class Call:
    """A node of the graph: what is called, with operations in place of nodes."""

    name: str  # of the function that does it, also for modules
    compute: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    place: str
    append: Callable[..., Operation]
    users: int

    @property
    def module(self) -> nn.Module | None:
        """The module that is called, if it is one."""
        return self.compute if isinstance(self.compute, nn.Module) else None

    @property
    def carrying(self) -> list[Operation]:
        """The operands that relevance can go to; of `x.view_as(y)` and its like, x alone."""
        operands = (
            [self.args[:1]] if HANDLERS.get(self.name) is shaped_like else [self.args, self.kwargs]
        )
        return [leaf for leaf in flat(operands) if isinstance(leaf, Operation) and leaf.carries]

    @property
    def x(self) -> Operation:
        """The one operand of an operation that has one."""
        if not self.args or self.carrying != [self.args[0]]:
            raise self.refused(f"{self.name} whose other arguments depend on the input")
        operand: Operation = self.args[0]
        return operand

    def setting(self, name: str, default: Any, table: str = "") -> Any:
        """Return a parameter's value: the module's attribute, or what the function was given."""
        if self.module is not None:
            return getattr(self.module, name, default)
        position = POSITIONS.get(table or self.name, {}).get(name, len(self.args))
        given = self.args[position] if position < len(self.args) else self.kwargs.get(name, default)
        if any(isinstance(leaf, Operation) and leaf.kind != "constant" for leaf in flat(given)):
            raise self.refused(f"{self.name} whose {name} depends on the input")
        return constant(given)

    def make(self, kind: Kind, compute: Any = None, **known: Any) -> Operation:
        """Append this call as an operation of a kind."""
        compute = self.compute if compute is None else compute
        return self.append(self.place, kind, compute, function=self.name, users=self.users, **known)

    def whole(
        self, kind: Kind, inputs: tuple[Operation, ...], compute: Any = None, **known: Any
    ) -> Operation:
        """Append this call with all its arguments."""
        return self.make(kind, compute, args=self.args, kwargs=self.kwargs, inputs=inputs, **known)

    def computed(self) -> Any:
        """Return the result of a call that depends on constants alone."""
        return self.compute(
            *constant(self.args), **{key: constant(value) for key, value in self.kwargs.items()}
        )

    def refused(self, what: str) -> SkipError:
        """Return the error for a call without a rule."""
        return no_rule(what, self.place.partition(" at ")[2] or f"module {self.place}")


def relu(call: Call) -> Operation:
    """Append a ReLU, which may be floored where its readers are known."""
    compute = torch.relu if call.module is None else _direct(call.module)
    return call.make(
        "pass",
        compute,
        args=(call.x,),
        inputs=(call.x,),
        not_negative=True,
        may_floor=compute is torch.relu,
    )


def activation(call: Call) -> Operation:
    """Append what acts element by element, or with statistics held constant: it hands on its
    relevance as it is.
    """
    x = call.x
    keeps = call.name in _KEEPS_VALUES
    not_negative = call.name in NOT_NEGATIVE or (keeps and x.not_negative)
    known = {"not_negative": not_negative, "from_input": keeps and x.from_input}
    larger = any(
        isinstance(leaf, Operation) for leaf in flat([call.args[1:], call.kwargs])
    )  # limits may be
    return call.whole("pass", (x,), undestructive(call), broadcasts=larger, **known)


def hardtanh(call: Call) -> Operation:
    """Append a Hardtanh, which may have no negative values."""
    return call.whole(
        "pass", (call.x,), undestructive(call), not_negative=call.setting("min_val", -1.0) >= 0
    )


def dropout(call: Call) -> Operation:
    """Append a dropout, which in evaluation does nothing."""
    if call.module is None and call.setting("training", True, "dropout"):
        raise SkipError(f"lrp: {call.place} behaves as in training: give it training=self.training")
    return activation(call)


def batch_norm(call: Call) -> Operation:
    """Append a BatchNorm, and let the weights of a layer that it alone follows have its factor: it
    may turn signs.
    """
    if isinstance(
        call.compute, BuiltinFunctionType
    ):  # torch.batch_norm takes its arguments in another order
        raise call.refused("torch.batch_norm (torch.nn.functional.batch_norm has one)")
    variance = call.setting("running_var", None)
    if variance is None or (call.module is None and call.setting("training", False)):
        raise SkipError(
            f"lrp: {call.place} uses the batch's statistics: give it its own, and "
            "training=self.training"
        )
    x, weight = call.x, call.setting("weight", None)
    deviation = (variance.detach() + call.setting("eps", 1e-5)).sqrt()
    factor = (torch.ones_like(deviation) if weight is None else weight.detach()) / deviation
    if x.own is not None and x.users == 1 and len(factor) == x.own.outputs:
        x.layer = x.own.scaled(factor)
    return call.whole("pass", (x,), from_input=x.from_input)


def linear(call: Call) -> Operation:
    """Append a Linear module or function."""
    weight = call.setting("weight", None, "weighted")
    compute = call.compute if call.module is None else _direct(call.module)
    return _weighted(call, call.x, compute, Dense(weight.detach()))


def matmul(call: Call) -> Operation:
    """Append a product x W with constant weights (in, out)."""
    name = next((name for name in ("other", "mat2") if name in call.kwargs), "weight")
    weight = call.setting(name, None, "weighted")
    if weight is None or weight.dim() != 2:
        raise call.refused(f"{call.name} with weights of any shape but (in, out)")
    return _weighted(call, call.args[0], call.compute, Dense(weight.detach().T))


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


def route(call: Call) -> Operation:
    """Append what copies its inputs, or takes the greatest of some: the adjoint says where their
    relevance goes.
    """
    inputs = tuple(call.carrying)
    padding = (call.setting("value", None) or 0.0) if call.name == "pad" else 0.0
    joined = call.name in ("cat", "concat", "concatenate", "stack")
    constants = joined and any(
        isinstance(a, Operation) and not a.carries for a in flat([call.args[:1], call.kwargs])
    )
    not_negative = all(i.not_negative for i in inputs) and padding >= 0 and not constants
    return call.whole(
        "route",
        inputs,
        not_negative=not_negative,
        from_input=all(i.from_input for i in inputs),
        inserts=constants or call.name.endswith("pad") or "unpool" in call.name,
        adjoint=_known_adjoint(call) if len(inputs) == 1 else None,
    )


def average(call: Call) -> Operation:
    """Append what has fixed weights that are never negative: it keeps the sign of
    what it averages.
    """
    x = call.x
    return call.whole("average", (x,), not_negative=x.not_negative, from_input=x.from_input)


def interpolate(call: Call) -> Operation:
    """Append an upsampling: nearest neighbours are copies, the other modes averages."""
    mode = call.setting("mode", "nearest", "interpolate")
    if mode not in MODES:
        raise call.refused(f"{mode} interpolation")
    if mode not in ("nearest", "nearest-exact"):
        return average(call)
    made = route(call)
    made.doubles = call.setting("scale_factor", None) in (2, (2, 2), [2, 2])
    return made


def add(call: Call) -> Operation:
    """Append an addition or a subtraction; a constant operand is a bias and takes nothing."""
    if call.kwargs.get("alpha", 1) != 1:
        raise call.refused(f"{call.name} with alpha")
    sign, carrying = -1.0 if "sub" in call.name else 1.0, call.carrying
    if len(carrying) == 1:
        near = carrying[0].from_input
        return call.whole(
            "pass", (carrying[0],), undestructive(call), broadcasts=True, from_input=near
        )
    not_negative = sign > 0 and all(operand.not_negative for operand in carrying)
    signs = (1.0, sign)
    return call.whole(
        "sum", tuple(carrying), undestructive(call), signs=signs, not_negative=not_negative
    )


def scale(call: Call) -> Operation:
    """Append a product with a constant, or a quotient by one."""
    carrying = call.carrying
    swapped = call.name in ("mul", "multiply") and carrying == list(call.args[1:])
    if len(carrying) != 1 or not (carrying[0] is call.args[0] or swapped):
        raise call.refused(f"{call.name} by what depends on the input")
    return call.whole(
        "pass",
        (carrying[0],),
        undestructive(call),
        broadcasts=True,
        from_input=carrying[0].from_input,
    )


def size(call: Call) -> Operation:
    """Append what asks for a shape, a type or a device: no value of the input is in it."""
    if call.name == "getattr" and call.args[1] not in ("shape", "ndim", "device", "dtype"):
        raise call.refused(f"attribute {call.args[1]!r}")
    return call.whole("held", ())


def held(call: Call) -> Operation:
    """Append what counts as a constant of its sample: it takes no relevance."""
    return call.whole("held", ())


def shaped_like(call: Call) -> Operation:
    """Append what takes its shape or type from another operand, which gives nothing else."""
    x: Operation = call.args[0]
    keeps = call.name in ("to", "type_as")
    return call.whole(
        "pass" if keeps else "route", (x,), not_negative=x.not_negative, from_input=x.from_input
    )


_ACTIVATIONS = (
    *(
        "identity",
        "relu6",
        "leaky_relu",
        "leaky_relu_",
        "prelu",
        "rrelu",
        "elu",
        "elu_",
        "celu",
        "selu",
        "gelu",
    ),
    *(
        "silu",
        "mish",
        "sigmoid",
        "sigmoid_",
        "tanh",
        "tanh_",
        "softplus",
        "hardsigmoid",
        "hardswish",
        "logsigmoid",
    ),
    *("softsign", "clamp", "clamp_", "clip", "clamp_min", "clamp_max", "expit", "neg", "negative"),
    *("log_sigmoid", "celu_", "selu_", "rrelu_", "neg_", "clip_", "clamp_min_", "clamp_max_"),
    *(
        "layer_norm",
        "group_norm",
        "instance_norm",
        "contiguous",
        "clone",
        "float",
        "double",
    ),
)
_DROPOUTS = (
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "alpha_dropout",
    "feature_alpha_dropout",
)
_KEEPS_VALUES = ("identity", "contiguous", "clone", "float", "double", *_DROPOUTS)
_ROUTES = (
    *(
        "flatten",
        "unflatten",
        "view",
        "reshape",
        "permute",
        "transpose",
        "t",
        "swapaxes",
        "swapdims",
        "movedim",
    ),
    *(
        "squeeze",
        "unsqueeze",
        "getitem",
        "narrow",
        "select",
        "chunk",
        "split",
        "tensor_split",
        "unbind",
        "flip",
        "roll",
    ),
    *("pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "pad", "expand", "repeat"),
    *("ravel", "moveaxis", "broadcast_to", "repeat_interleave", "tile"),
    *("cat", "concat", "concatenate", "stack"),
    *(
        f"{kind}pool{d}d"
        for d in (1, 2, 3)
        for kind in ("max_", "_max_", "adaptive_max_", "max_un")
    ),
    *(f"{kind}max_pool{d}d_with_indices" for d in (1, 2, 3) for kind in ("", "adaptive_")),
)
VIEWS = (
    *(
        "flatten",
        "unflatten",
        "view",
        "reshape",
        "permute",
        "transpose",
        "t",
        "swapaxes",
        "swapdims",
        "movedim",
    ),
    *(
        "squeeze",
        "unsqueeze",
        "getitem",
        "narrow",
        "select",
        "chunk",
        "split",
        "tensor_split",
        "unbind",
        "expand",
    ),
    *("ravel", "moveaxis", "broadcast_to", "view_as", "reshape_as", "expand_as"),
)
_AVERAGES = (
    "mean",
    "sum",
    *(f"{kind}avg_pool{d}d" for d in (1, 2, 3) for kind in ("", "adaptive_")),
)
_SCALES = (
    "mul",
    "mul_",
    "imul",
    "multiply",
    "div",
    "div_",
    "truediv",
    "itruediv",
    "divide",
    "true_divide",
)
_SIZES = ("size", "dim", "numel", "ndimension", "getattr", "__len__", "len")
_MADE_LIKE = (
    "new_ones",
    "new_zeros",
    "new_full",
    "new_tensor",
    "ones_like",
    "zeros_like",
    "full_like",
)
_CONVOLUTIONS = tuple(f"conv{kind}{d}d" for d in (1, 2, 3) for kind in ("", "_transpose"))

HANDLERS: dict[str, Callable[[Call], Operation]] = {
    **dict.fromkeys(("relu", "relu_"), relu),
    **dict.fromkeys(_ACTIVATIONS, activation),
    **dict.fromkeys(("hardtanh", "hardtanh_"), hardtanh),
    **dict.fromkeys(_DROPOUTS, dropout),
    "batch_norm": batch_norm,
    "linear": linear,
    **dict.fromkeys(("matmul", "mm"), matmul),
    **dict.fromkeys(_CONVOLUTIONS, convolution),
    **dict.fromkeys(_ROUTES, route),
    **dict.fromkeys(_AVERAGES, average),
    **dict.fromkeys(("interpolate", "upsample"), interpolate),
    **dict.fromkeys(("add", "add_", "iadd", "sub", "sub_", "isub", "subtract"), add),
    **dict.fromkeys(_SCALES, scale),
    **dict.fromkeys((*_SIZES, *_MADE_LIKE), size),
    "detach": held,
    **dict.fromkeys(("to", "type_as", "expand_as", "view_as", "reshape_as"), shaped_like),
}

# The function that does what a module does; subclasses go by their nearest ancestor here.
MODULES: dict[type[nn.Module], str] = {
    nn.Identity: "identity",
    nn.Linear: "linear",
    nn.ReLU: "relu",
    nn.Hardtanh: "hardtanh",
    nn.ReLU6: "relu6",
    nn.LeakyReLU: "leaky_relu",
    nn.LogSigmoid: "logsigmoid",
    **{
        getattr(nn, name): name.lower()
        for name in ("PReLU", "RReLU", "ELU", "CELU", "SELU", "GELU", "SiLU", "Mish")
    },
    **{
        getattr(nn, name): name.lower()
        for name in ("Sigmoid", "Tanh", "Softplus", "Softsign", "Hardsigmoid")
    },
    nn.Hardswish: "hardswish",
    **dict.fromkeys((nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d), "dropout"),
    **dict.fromkeys((nn.AlphaDropout, nn.FeatureAlphaDropout), "dropout"),
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), "batch_norm"),
    nn.LayerNorm: "layer_norm",
    nn.GroupNorm: "group_norm",
    **dict.fromkeys((nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d), "instance_norm"),
    nn.Flatten: "flatten",
    nn.Unflatten: "unflatten",
    nn.PixelShuffle: "pixel_shuffle",
    nn.PixelUnshuffle: "pixel_unshuffle",
    nn.ChannelShuffle: "channel_shuffle",
    nn.Upsample: "interpolate",
    **{
        getattr(nn, f"{kind}{d}d"): f"{name}{d}d"
        for d in (1, 2, 3)
        for kind, name in {
            "Conv": "conv",
            "ConvTranspose": "conv_transpose",
            "MaxPool": "max_pool",
            "AdaptiveMaxPool": "adaptive_max_pool",
            "MaxUnpool": "max_unpool",
            "AvgPool": "avg_pool",
            "AdaptiveAvgPool": "adaptive_avg_pool",
        }.items()
    },
    **{
        getattr(nn, f"{kind}Pad{d}d"): "pad"
        for d in (1, 2, 3)
        for kind in ("Zero", "Constant", "Reflection", "Replication", "Circular")
    },
}


def in_place(name: str, module: nn.Module | None, kwargs: dict[str, Any]) -> bool:
    """Whether a call overwrites its first operand."""
    if module is not None:
        return bool(getattr(module, "inplace", False))
    by_name = (name.endswith("_") and not name.startswith("_")) or name in (
        "iadd",
        "isub",
        "imul",
        "itruediv",
    )
    return by_name or bool(kwargs.get("inplace", False))


def asks_for_size(node: fx.Node) -> bool:
    """Whether a node reads nothing of its input but its shape, type or device."""
    return HANDLERS.get(_name(node)) is size


def is_held(node: fx.Node) -> bool:
    """Whether a node hands no relevance on to what it reads."""
    return HANDLERS.get(_name(node)) in (size, held)


def _name(node: fx.Node) -> str:
    return str(node.target) if node.op == "call_method" else getattr(node.target, "__name__", "")


def undestructive(call: Call) -> Callable[..., Any]:
    """Return what a call computes without overwriting its operand: rules still need
    what was there.
    """
    if call.module is not None:
        return _direct(call.module)
    compute = call.compute
    if not in_place(call.name, None, call.kwargs):
        return compute  # type: ignore[no-any-return]
    return lambda x, *args, **kwargs: compute(x.clone(), *args, **kwargs)


def _direct(module: nn.Module) -> Callable[..., Any]:
    """Return what a module computes, without the cost of calling it where nothing hooks into it."""
    hooked = module._forward_hooks or module._forward_pre_hooks
    if isinstance(module, nn.Linear) and type(module) is nn.Linear and not hooked:
        weight, bias = module.weight, module.bias
        return lambda x: F.linear(x, weight, bias)
    if type(module) in DIRECT and not hooked:
        return DIRECT[type(module)]
    return (lambda x: module(x.clone())) if getattr(module, "inplace", False) else module


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
