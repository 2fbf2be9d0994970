"""From a module to a list of operations: torch.fx follows the model's own `forward`, whatever its style.

Modules and their functional forms, modules used twice and tied weights end in the same few kinds of operations. One
without a rule is an error that says what it is, where it stands and what to do: never a silent gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import fx, nn
from torch.nn import functional as F

from aexbench import SkipError
from aexbench.detector import evaluation_mode
from aexbench.explainers.lrp.maps import Convolution, Dense, LinearMap, floored_relu

Kind = Literal["input", "constant", "size", "weighted", "average", "route", "pass", "sum", "output"]

# Element by element, or with statistics held constant: each output has one input, which takes all its relevance.
PASS_MODULES = (
    nn.Identity,
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish),
    *(nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Hardtanh, nn.Hardsigmoid, nn.Hardswish, nn.LogSigmoid, nn.Softsign),
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout),
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.LayerNorm, nn.GroupNorm),
    *(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
PASS_NAMES = {
    *("relu6", "leaky_relu", "leaky_relu_", "prelu", "elu", "elu_", "celu", "selu", "gelu", "silu", "mish"),
    *("sigmoid", "sigmoid_", "tanh", "tanh_", "softplus", "hardtanh", "hardtanh_", "hardsigmoid", "hardswish"),
    *("logsigmoid", "softsign", "clamp", "clamp_", "clip", "clamp_min", "clamp_max", "expit"),
    *("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"),
    *("batch_norm", "layer_norm", "group_norm", "instance_norm", "neg"),
    *("contiguous", "clone", "float", "double", "to", "type_as", "detach"),
}
# Outputs are copies of inputs (or the greatest of some): the adjoint says where their relevance goes.
ROUTE_MODULES = (
    *(nn.Flatten, nn.Unflatten, nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle),
    *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
    *(nn.MaxUnpool1d, nn.MaxUnpool2d, nn.MaxUnpool3d),
    *(nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d, nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d),
    *(nn.ReflectionPad1d, nn.ReflectionPad2d, nn.ReflectionPad3d),
    *(nn.ReplicationPad1d, nn.ReplicationPad2d, nn.ReplicationPad3d),
)
ROUTE_NAMES = {
    *(
        "flatten",
        "unflatten",
        "view",
        "reshape",
        "permute",
        "transpose",
        "t",
        "swapaxes",
        "movedim",
        "squeeze",
        "unsqueeze",
    ),
    *(
        "getitem",
        "narrow",
        "select",
        "chunk",
        "split",
        "tensor_split",
        "unbind",
        "flip",
        "roll",
        "pixel_shuffle",
        "pixel_unshuffle",
    ),
    *("max_pool1d", "max_pool2d", "max_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"),
    *("max_unpool1d", "max_unpool2d", "max_unpool3d", "pad", "cat", "concat", "concatenate", "stack"),
    *("_max_pool1d", "_max_pool2d", "_max_pool3d", "expand", "expand_as", "view_as", "reshape_as", "repeat"),
}
AVERAGE_MODULES = (
    *(nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
)
AVERAGE_NAMES = {
    *("avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
    *("mean", "sum"),
}
SUM_NAMES = {"add": 1.0, "add_": 1.0, "iadd": 1.0, "sub": -1.0, "sub_": -1.0, "isub": -1.0, "subtract": -1.0}
SCALE_NAMES = {"mul", "mul_", "imul", "multiply", "div", "div_", "truediv", "itruediv", "divide", "true_divide"}
SIZE_NAMES = {"size", "dim", "numel", "ndimension", "getattr", "__len__", "len"}
NOT_NEGATIVE_MODULES = (nn.ReLU, nn.ReLU6, nn.Sigmoid, nn.Softplus, nn.Hardsigmoid)
NOT_NEGATIVE_NAMES = {"relu6", "sigmoid", "sigmoid_", "softplus", "hardsigmoid", "expit"}
DIRECT: dict[type[nn.Module], Callable[..., Any]] = {
    nn.ReLU: floored_relu,
    nn.Sigmoid: torch.sigmoid,
    nn.Tanh: torch.tanh,
    nn.Identity: lambda x: x,
}
MODES = ("nearest", "nearest-exact", "linear", "bilinear", "trilinear", "area")  # no weight is negative
SHAPED_LIKE = ("expand_as", "view_as", "reshape_as", "type_as", "to")
MADE_LIKE = ("new_ones", "new_zeros", "new_full", "new_tensor", "ones_like", "zeros_like", "full_like")
KEEPS_VALUES = ("contiguous", "clone", "float", "double", "to", "dropout", "dropout1d", "dropout2d", "dropout3d")
RANDOM = ("rand", "normal", "bernoulli", "multinomial", "dropout")
CONVOLUTIONS = {f"conv{d}d": (d, False) for d in (1, 2, 3)} | {f"conv_transpose{d}d": (d, True) for d in (1, 2, 3)}


@dataclass(eq=False)
class Operation:
    """One step of the model's forward pass, and what kind of rule carries relevance back through it."""

    name: str
    kind: Kind
    compute: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    inputs: tuple[Operation, ...] = ()  # those that relevance may go to
    layer: LinearMap | None = None
    signs: tuple[float, ...] = ()  # of a sum's inputs
    not_negative: bool = False
    floored: bool = False  # never less than δ
    from_input: bool = False  # nothing but routes between the model's input and here
    adjoint: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None  # of (x, y), where one is known
    broadcasts: bool = False  # a constant operand may have made it larger than its input
    inserts: bool = False  # a route that puts constants beside its inputs: padding, the holes of unpooling

    @property
    def carries(self) -> bool:
        """Whether relevance can pass through it."""
        return self.kind not in ("constant", "size")


def capture(model: nn.Module) -> list[Operation]:
    """Return the operations of a model's forward pass in evaluation mode, the input first and the output last.

    Raises
    ------
    SkipError
        If an operation has no rule, or torch.fx cannot follow the forward pass.
    """
    with evaluation_mode(model.modules()), _attributes_kept(model), torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            graph = fx.Tracer().trace(model)
        except Exception as error:  # whatever the model's own forward does with a symbolic input
            reason = f"{type(error).__name__}: {error}".split("\n")[0]
            raise SkipError(f"lrp cannot follow this model's forward pass ({reason}); {WAYS_OUT}") from error
        builder, used = _Builder(model), _used(graph)
        for node in graph.nodes:
            if node in used or node.op == "placeholder":
                builder.add(node)
    return builder.operations


@contextmanager
def _attributes_kept(model: nn.Module) -> Iterator[None]:
    """Undo what a forward pass writes into its modules: while it is traced that would be symbols."""
    before = {module: dict(module.__dict__) for module in model.modules()}
    try:
        yield
    finally:
        for module, attributes in before.items():
            module.__dict__.clear()
            module.__dict__.update(attributes)


WAYS_OUT = (
    "rewrite the model without it, wrap the part that leads from x to x̂, or use an explainer that asks the detector "
    "alone, such as residual"
)


class _Builder:
    """Turns fx nodes into operations, one by one in their order."""

    def __init__(self, model: nn.Module) -> None:
        self.modules = dict(model.named_modules())
        self.model = model
        self.operations: list[Operation] = []
        self.made: dict[fx.Node, Operation] = {}

    def add(self, node: fx.Node) -> None:
        """Append what a node stands for; a convolution with unusual padding is two operations."""
        getattr(self, f"_{node.op}")(node)

    def _placeholder(self, node: fx.Node) -> None:
        if any(operation.kind == "input" for operation in self.operations):
            if node.args:  # an optional argument: its default
                self._append(node, "constant", lambda value=node.args[0]: value)
                return
            raise SkipError(f"lrp explains models of one input; this one also takes {node.target!r}")
        self._append(node, "input", lambda: None, from_input=True)

    def _get_attr(self, node: fx.Node) -> None:
        value: Any = self.model
        for part in str(node.target).split("."):
            value = getattr(value, part)
        value = value.detach() if isinstance(value, torch.Tensor) else value
        self._append(node, "constant", lambda: value)

    def _output(self, node: fx.Node) -> None:
        (result,) = node.args
        if not isinstance(result, fx.Node):
            raise SkipError("lrp explains models that return one tensor, the reconstruction")
        source = self.made[result]
        self._append(node, "output", lambda x: x, (source,), inputs=(source,))

    def _call_module(self, node: fx.Node) -> None:
        module = self.modules[str(node.target)]
        place = f"{node.target} ({type(module).__name__})"
        args = self._args(node)
        if not any(isinstance(a, Operation) and a.carries for a in _flat(args)):
            raise SkipError(f"lrp: {place} does not depend on the model's input; {WAYS_OUT}")
        kwargs = self._kwargs(node)
        if not args or (kwargs and not isinstance(module, ROUTE_MODULES)):
            raise _no_rule(
                f"{type(module).__name__} called with keywords ({', '.join(kwargs)})", f"module {node.target!r}"
            )
        x = args[0]
        if isinstance(module, nn.Linear):
            layer = Dense(module.weight.detach())
            self._append(node, "weighted", _direct(module), args, inputs=(x,), layer=layer, place=place)
        elif isinstance(module, nn.modules.conv._ConvNd):
            self._convolution(node, module, x, place)
        elif isinstance(module, BATCH_NORMS) and not module.track_running_stats:
            raise SkipError(f"lrp: {place} uses the statistics of the batch: samples are not explained by themselves")
        elif isinstance(module, PASS_MODULES):
            self._fold(x, module)
            not_negative = isinstance(module, NOT_NEGATIVE_MODULES) or _keeps_sign(module, x)
            compute = _direct(module)
            near = x.from_input and isinstance(module, nn.Identity | nn.modules.dropout._DropoutNd)
            known: dict[str, Any] = {
                "not_negative": not_negative,
                "floored": compute is floored_relu,
                "from_input": near,
            }
            self._append(node, "pass", compute, args, inputs=(x,), place=place, **known)
        elif isinstance(module, (*ROUTE_MODULES, *AVERAGE_MODULES, nn.Upsample)):
            bilinear = isinstance(module, nn.Upsample) and module.mode != "nearest"
            kind: Kind = "average" if bilinear or isinstance(module, AVERAGE_MODULES) else "route"
            if isinstance(module, nn.Upsample) and module.mode not in MODES:
                raise _no_rule(f"{module.mode} upsampling", f"module {node.target!r}")
            self._resampling(node, kind, module, args, place, kwargs)
        else:
            raise _no_rule(type(module).__name__, f"module {node.target!r}")

    def _call_function(self, node: fx.Node) -> None:
        self._call(node, getattr(node.target, "__name__", str(node.target)), node.target)

    def _call_method(self, node: fx.Node) -> None:
        name = str(node.target)
        self._call(node, name, lambda x, *args, **kwargs: getattr(x, name)(*args, **kwargs))

    def _call(self, node: fx.Node, name: str, compute: Any) -> None:
        """Append a function or a method by its name: both spell the same operations."""
        args, kwargs = self._args(node), self._kwargs(node)
        carrying = [a for a in _flat([args, kwargs]) if isinstance(a, Operation) and a.carries]
        place = f"{name} at {_place(node)}"
        _refuse_training(name, args, kwargs, place)
        if name in SHAPED_LIKE:  # the other operand gives its shape alone
            carrying = [a for a in args[:1] if isinstance(a, Operation) and a.carries]
        if name in SHAPED_LIKE and not carrying:
            self._append(node, "size", compute, args, kwargs)
        elif not carrying:
            self._constant(node, name, compute, args, kwargs)
        elif name in (*SIZE_NAMES, *MADE_LIKE):
            if name == "getattr" and args[1] not in ("shape", "ndim", "device", "dtype"):
                raise _no_rule(f"attribute {args[1]!r}", _place(node))
            self._append(node, "size", compute, args, kwargs)
        elif name in ("linear", "matmul", "mm") and len(carrying) == 1 and carrying[0] is args[0]:
            self._dense(node, name, compute, args, kwargs, place)
        elif name in CONVOLUTIONS and carrying == [args[0]]:
            self._functional_convolution(node, name, compute, args, kwargs, place)
        elif name in ("relu", "relu_"):
            x = carrying[0]
            self._append(node, "pass", floored_relu, (x,), inputs=(x,), not_negative=True, floored=True, place=place)
        elif name in PASS_NAMES or (name in SCALE_NAMES and len(carrying) == 1 and _scales(name, args, carrying[0])):
            if len(carrying) > 1:
                raise _no_rule(f"{name} with limits or weights that depend on the input", _place(node))
            positive = name in NOT_NEGATIVE_NAMES or (
                name in ("clone", "contiguous", "dropout") and carrying[0].not_negative
            )
            compute = _cloning(compute) if _in_place(name, args, kwargs) else compute
            near = carrying[0].from_input and name in KEEPS_VALUES
            known: dict[str, Any] = {"not_negative": positive, "from_input": near, "broadcasts": name in SCALE_NAMES}
            self._append(node, "pass", compute, args, kwargs, (carrying[0],), place=place, **known)
        elif name in SUM_NAMES:
            self._sum(node, name, compute, args, kwargs, carrying, place)
        elif name in ("interpolate", "upsample") and kwargs.get("mode", "nearest") not in MODES:
            raise _no_rule(f"{kwargs['mode']} interpolation", _place(node))
        elif name in AVERAGE_NAMES or (
            name in ("interpolate", "upsample") and kwargs.get("mode", "nearest") != "nearest"
        ):
            self._resampling(node, "average", compute, args, place, kwargs)
        elif name in ROUTE_NAMES or name in ("interpolate", "upsample"):
            self._resampling(node, "route", compute, args, place, kwargs)
        else:
            raise _no_rule(name, _place(node))

    def _constant(self, node: fx.Node, name: str, compute: Any, args: Any, kwargs: Any) -> None:
        """Append what does not depend on the input's values: computed now, or at every call if it needs its size."""
        if any(word in name for word in RANDOM):
            raise _no_rule(name, _place(node))
        if any(isinstance(a, Operation) and a.kind == "size" for a in _flat([args, kwargs])):
            self._append(node, "size", compute, args, kwargs)
            return
        value = compute(*(_value(a) for a in args), **{key: _value(a) for key, a in kwargs.items()})
        self._append(node, "constant", lambda: value)

    def _dense(self, node: fx.Node, name: str, compute: Any, args: Any, kwargs: Any, place: str) -> None:
        given = dict(zip(("input", "weight", "bias"), args, strict=False)) | kwargs
        weight = _value(given["weight"]) if name == "linear" else _value(args[1]).T
        self._append(node, "weighted", compute, args, kwargs, (args[0],), layer=Dense(weight), place=place)

    def _functional_convolution(
        self, node: fx.Node, name: str, compute: Any, args: Any, kwargs: Any, place: str
    ) -> None:
        dims, transposed = CONVOLUTIONS[name]
        plain = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
        order = (
            ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
            if transposed
            else plain
        )
        given = dict(zip(order, args, strict=False)) | kwargs
        weight, padding = _value(given["weight"]), given.get("padding", 0)
        dilation = _tuple(given.get("dilation", 1), dims)
        if isinstance(padding, str):
            padding = _named_padding(padding, weight.shape[2:], dilation)
        layer = Convolution(
            weight,
            _tuple(given.get("stride", 1), dims),
            _tuple(padding, dims),
            dilation,
            transposed,
            _tuple(given.get("output_padding", 0), dims),
            given.get("groups", 1),
        )
        self._append(node, "weighted", compute, args, kwargs, (args[0],), layer=layer, place=place)

    def _convolution(self, node: fx.Node, module: nn.modules.conv._ConvNd, x: Operation, place: str) -> None:
        """Append a convolution module; padding other than zeros is a route of its own before it."""
        padding, source = module.padding, x
        compute: Callable[..., Any] = module
        uneven = padding == "same" and any(
            d * (k - 1) % 2 for d, k in zip(module.dilation, module.kernel_size, strict=True)
        )
        if module.padding_mode != "zeros" or uneven:
            pads, mode = module._reversed_padding_repeated_twice, "constant" if uneven else module.padding_mode
            source = self._append(
                None,
                "route",
                lambda t: F.pad(t, pads, mode=mode),
                (x,),
                inputs=(x,),
                place=f"{place} padding",
                inserts=uneven,
                from_input=x.from_input,
                not_negative=x.not_negative,
            )
            padding = (0,) * len(module.stride)
            convolve = getattr(F, f"conv{len(module.stride)}d")
            settings = (module.stride, padding, module.dilation, module.groups)
            compute = lambda t: convolve(t, module.weight, module.bias, *settings)  # noqa: E731
        elif isinstance(padding, str):
            padding = _named_padding(padding, module.kernel_size, module.dilation)
        layer = Convolution(
            module.weight.detach(),
            tuple(module.stride),
            tuple(padding),
            tuple(module.dilation),
            module.transposed,
            tuple(module.output_padding) if module.transposed else (0,) * len(module.stride),
            module.groups,
        )
        self._append(node, "weighted", compute, (source,), inputs=(source,), layer=layer, place=place)

    def _resampling(
        self, node: fx.Node, kind: Kind, compute: Any, args: Any, place: str, kwargs: dict[str, Any] | None = None
    ) -> None:
        """Append a route or an average: it keeps the sign of what it resamples."""
        kwargs = kwargs or {}
        inputs = tuple(a for a in _flat([args, kwargs]) if isinstance(a, Operation) and a.carries)
        if place.split(" ")[0] in SHAPED_LIKE:
            inputs = inputs[:1]
        padded = [v for v in (kwargs.get("value"), getattr(compute, "value", None)) if isinstance(v, int | float)]
        joined = place.startswith(("cat", "concat", "stack"))
        constants = joined and any(isinstance(a, Operation) and not a.carries for a in _flat([args[:1], kwargs]))
        positive = all(i.not_negative for i in inputs) and all(v >= 0 for v in padded) and not constants
        near = all(i.from_input for i in inputs)
        known: dict[str, Any] = {
            "not_negative": positive,
            "from_input": near,
            "inserts": constants or "pad" in place.lower() or "unpool" in place.lower(),
        }
        if kind == "route" and len(inputs) == 1:
            known["adjoint"] = _known_adjoint(place.split(" ")[0], compute)
        self._append(node, kind, compute, args, kwargs, inputs, place=place, **known)

    def _sum(
        self, node: fx.Node, name: str, compute: Any, args: Any, kwargs: Any, carrying: list[Operation], place: str
    ) -> None:
        """Append an addition or a subtraction; a constant operand is a bias and takes nothing."""
        if kwargs.get("alpha", 1) != 1:
            raise _no_rule(f"{name} with alpha", _place(node))
        compute = _cloning(compute) if _in_place(name, args, kwargs) else compute
        if len(carrying) == 1:
            self._append(node, "pass", compute, args, kwargs, (carrying[0],), place=place, broadcasts=True)
            return
        positive = SUM_NAMES[name] > 0 and all(operand.not_negative for operand in carrying)
        signs = (1.0, SUM_NAMES[name])
        self._append(
            node, "sum", compute, args, kwargs, tuple(carrying), signs=signs, not_negative=positive, place=place
        )

    def _fold(self, before: Operation, module: nn.Module) -> None:
        """Let a linear layer's rule see the factor of a BatchNorm that alone follows it: γ may turn signs round."""
        if (
            not isinstance(module, BATCH_NORMS)
            or not isinstance(before.layer, Dense | Convolution)
            or self.users(before) != 1
        ):
            return
        deviation = (_tensor(module.running_var) + module.eps).sqrt()
        gamma = module.weight.detach() if module.affine else torch.ones_like(deviation)
        before.layer = before.layer.scaled(gamma / deviation)

    def users(self, operation: Operation) -> int:
        """Return how many nodes use an operation's result."""
        return next((len(node.users) for node, made in self.made.items() if made is operation), 1)

    def _args(self, node: fx.Node) -> tuple[Any, ...]:
        return tuple(self._made(argument) for argument in node.args)

    def _kwargs(self, node: fx.Node) -> dict[str, Any]:
        return {key: self._made(argument) for key, argument in node.kwargs.items()}

    def _made(self, argument: Any) -> Any:
        """Return an fx argument with every node replaced by its operation."""
        if isinstance(argument, fx.Node):
            return self.made[argument]
        if isinstance(argument, list | tuple):
            return [self._made(a) for a in argument] if isinstance(argument, list) else tuple(map(self._made, argument))
        if isinstance(argument, slice):
            return slice(*(self._made(part) for part in (argument.start, argument.stop, argument.step)))
        return argument

    def _append(
        self,
        node: fx.Node | None,
        kind: Kind,
        compute: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        inputs: tuple[Operation, ...] = (),
        place: str = "",
        **known: Any,
    ) -> Operation:
        operation = Operation(place or str(node), kind, compute, args, kwargs or {}, inputs, **known)
        self.operations.append(operation)
        if node is not None:
            self.made[node] = operation
        return operation


def _used(graph: fx.Graph) -> set[fx.Node]:
    """Return the nodes that the output depends on."""
    used, waiting = set(), [node for node in graph.nodes if node.op == "output"]
    while waiting:
        node = waiting.pop()
        if node not in used:
            used.add(node)
            waiting += node.all_input_nodes
    return used


def _refuse_training(name: str, args: Any, kwargs: Any, place: str) -> None:
    """Refuse functions that are told to behave as in training: noise, and statistics of the batch."""
    position, default = {"batch_norm": (5, False)}.get(name, (2, True))
    known = name == "batch_norm" or "dropout" in name
    if known and kwargs.get("training", args[position] if len(args) > position else default):
        raise SkipError(f"lrp: {place} behaves as in training: give it training=self.training")


def _scales(name: str, args: Any, carrying: Operation) -> bool:
    """Whether a product or a quotient has its input in a place where it is scaled: c * x, x * c, x / c."""
    return carrying is args[0] or (name in ("mul", "multiply") and carrying is args[1])


def _no_rule(name: str, place: str) -> SkipError:
    return SkipError(f"lrp has no rule for {name} at {place}: {WAYS_OUT}")


def _place(node: fx.Node) -> str:
    """Return where a function is called: the module whose forward it stands in, and its name in the graph."""
    stack = node.meta.get("nn_module_stack") or {}
    paths = [str(path) for path in stack if str(path)]
    return f"{paths[-1]}.forward ({node.name})" if paths else f"forward ({node.name})"


def _flat(value: Any) -> list[Any]:
    """Return the leaves of nested lists, tuples, mappings and slices."""
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in _flat(item)]
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _flat(item)]
    if isinstance(value, slice):
        return [value.start, value.stop, value.step]
    return [value]


def _value(value: Any) -> Any:
    """Return a constant's value, or what is no operation as it is."""
    if isinstance(value, Operation):
        return value.compute()
    if isinstance(value, list | tuple):
        return type(value)(_value(item) for item in value) if type(value) is tuple else [_value(i) for i in value]
    return value


def _tuple(value: Any, dims: int) -> tuple[int, ...]:
    return (value,) * dims if isinstance(value, int) else tuple(value)


def _tensor(value: torch.Tensor | None) -> torch.Tensor:
    assert value is not None
    return value.detach()


def _named_padding(name: str, kernel: Any, dilation: Any) -> tuple[int, ...]:
    """Return `same` (an even number in all) or `valid` as numbers."""
    return tuple(0 if name == "valid" else d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))


def _keeps_sign(module: nn.Module, x: Operation) -> bool:
    if isinstance(module, nn.Hardtanh):
        return bool(module.min_val >= 0)
    return x.not_negative and isinstance(module, nn.Identity | nn.modules.dropout._DropoutNd)


def _direct(module: nn.Module) -> Callable[..., Any]:
    """Return what the module computes, without the cost of calling a module where nothing hooks into it.

    It never overwrites its input: rules still need what was there.
    """
    hooked = module._forward_hooks or module._forward_pre_hooks
    if isinstance(module, nn.Linear) and type(module) is nn.Linear and not hooked:
        weight, bias = module.weight, module.bias
        return lambda x: F.linear(x, weight, bias)
    if type(module) in DIRECT and not hooked:
        return DIRECT[type(module)]
    return _cloning(module) if getattr(module, "inplace", False) else module


def _known_adjoint(name: str, compute: Any) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None:
    """Return a route's adjoint where it needs neither a second run nor autograd."""
    if isinstance(compute, nn.Flatten | nn.Unflatten) or name in ("flatten", "unflatten", "view", "reshape"):
        return lambda x, y: y.reshape(x.shape)
    if isinstance(compute, nn.Upsample) and compute.size is None and not compute.recompute_scale_factor:
        factor = compute.scale_factor
        return lambda x, y: _nearest_adjoint(x, y, factor)
    return None


def _nearest_adjoint(x: torch.Tensor, y: torch.Tensor, factor: Any) -> torch.Tensor:
    """Return the sums of y over the copies that nearest upsampling has made of each element of x."""
    dims = x.dim() - 2
    scales = factor if isinstance(factor, tuple) else (factor,) * dims
    backward = getattr(torch.ops.aten, f"upsample_nearest{dims}d_backward")
    result: torch.Tensor = backward(y, y.shape[2:], x.shape, *map(float, scales))
    return result


def _cloning(compute: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, *args, **kwargs: compute(x.clone(), *args, **kwargs)


def _in_place(name: str, args: Any, kwargs: dict[str, Any]) -> bool:
    flagged = kwargs.get("inplace", False) or (name in PASS_NAMES and any(a is True for a in args))
    return bool(flagged) or name.endswith("_") or name in ("iadd", "isub", "imul", "itruediv")
