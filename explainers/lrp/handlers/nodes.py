"""Nodes of a graph before they are operations: what they call, and where relevance goes next."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from torch import fx, nn

from aexbench.explainers.lrp.handlers.calls import SHAPED_LIKE
from aexbench.explainers.lrp.handlers.modules import MODULES

Modules = dict[str, nn.Module]
Nodes = Collection[fx.Node]
SIZES = ("size", "sym_size", "dim", "numel", "ndimension", "getattr", "__len__", "len")
ASKED = ("shape", "ndim", "device", "dtype")  # attributes that hold no value
MADE_LIKE = (
    *("new_ones", "new_zeros", "new_full", "new_tensor", "new_empty"),
    *("ones_like", "zeros_like", "full_like", "empty_like"),
)
HELD = (  # detached, without a derivative, or statistics that others are scaled by
    *("detach", "argmax", "argmin", "one_hot", "round", "sign", "floor", "ceil"),
    *("rsqrt", "reciprocal", "std", "var", "norm", "linalg_norm", "linalg_vector_norm"),
    *("ge", "gt", "le", "lt", "eq", "ne", "logical_and", "logical_or", "logical_not"),
)
GATES = ("sigmoid", "sigmoid_", "expit", "hardsigmoid", "softmax", "_softmax", "softmin")
SATURATING = ("tanh", "erf")  # gates, with a constant added
PRODUCTS = ("mul", "mul_", "imul", "multiply")
SUMS = ("add", "add_", "iadd")
DIFFERENCES = ("sub", "sub_", "isub", "subtract")
SHIFTS = (*SUMS, *DIFFERENCES, "rsub")
QUOTIENTS = ("div", "div_", "truediv", "itruediv", "divide", "true_divide")
MATRIX_PRODUCTS = ("matmul", "mm", "bmm")
VIEWS = (  # what may share memory with its first argument
    *("flatten", "unflatten", "view", "reshape", "permute", "transpose", "t", "swapaxes"),
    *("swapdims", "movedim", "moveaxis", "squeeze", "unsqueeze", "getitem", "narrow", "select"),
    *("chunk", "split", "tensor_split", "unbind", "expand", "ravel", "broadcast_to"),
    *("view_as", "reshape_as", "expand_as"),
)
MOVED = (  # what has the values of its first argument, elsewhere
    *VIEWS,
    *("_unsafe_view", "repeat", "slice", "clone", "contiguous", "identity", "dropout"),
    *("to", "_to_copy", "alias", "float", "double"),
)
# The first two arguments of a function, where they are named.
OPERANDS = (("input", "self"), ("other", "mat2"))


def operands_of(node: fx.Node) -> list[Any]:
    """Return the first two arguments of a node, whether they are named or not."""
    found = list(node.args[:2])
    for place, names in enumerate(OPERANDS):
        found += [node.kwargs[n] for n in names if n in node.kwargs and len(found) == place]
    return found


def function_of(node: fx.Node, modules: Modules) -> str:
    """Return the function that a node calls, whether by a module, a method, or as aten's; an empty
    text where it is none that is known.
    """
    if node.op == "call_module":
        kinds = type(modules[str(node.target)]).__mro__
        return next((MODULES[kind] for kind in kinds if kind in MODULES), "")
    if node.op == "call_method":
        return str(node.target)
    schema = getattr(node.target, "_schema", None)
    if schema is not None:
        return str(schema.name).split("::")[-1]
    return getattr(node.target, "__name__", "")


def hands_on(
    node: fx.Node, modules: Modules, depends: Nodes, attention: bool = False
) -> list[fx.Node]:
    """Return the nodes that relevance goes to from here, of those that depend on the input: a gate
    of a product, a denominator and what is detached count as constants; attention's weights do
    unless it is asked where these come from.
    """
    name = function_of(node, modules)
    if name == "getattr" and node.args[1] not in ASKED:  # such as `max(dim).values`
        return node.all_input_nodes
    if name in (*SIZES, *MADE_LIKE, *HELD):
        return []
    given = operands_of(node)
    operands = [arg for arg in given if isinstance(arg, fx.Node) and arg in depends]
    if name in (*SHAPED_LIKE, *QUOTIENTS):
        return [o for o in operands if o is given[0]]
    if name in DIFFERENCES and len(operands) == 2 and _is_mean(operands[1], operands[0], modules):
        return operands[:1]  # of a normalisation that is written out
    if name in (*PRODUCTS, *MATRIX_PRODUCTS) and len(operands) == 2:
        operands = [o for o in operands if not _is_held(o, modules)] or operands
        if attention and name in MATRIX_PRODUCTS:
            return operands
        gates = [is_gate(operand, modules, depends) for operand in operands]
        return [o for o, gate in zip(operands, gates, strict=True) if not gate] or operands
    if name == "scaled_dot_product_attention":
        return [node.kwargs["value"] if "value" in node.kwargs else node.args[2]]  # type: ignore[list-item]
    return node.all_input_nodes


def _is_mean(node: fx.Node, of: fx.Node, modules: Modules) -> bool:
    """Whether a node is the mean of another one."""
    return function_of(node, modules) == "mean" and operands_of(node)[:1] == [of]


def _is_held(node: fx.Node, modules: Modules) -> bool:
    """Whether a node is what has no derivative, such as a mask, perhaps elsewhere."""
    name = function_of(node, modules)
    while name in MOVED and isinstance(operands_of(node)[0], fx.Node):
        node = operands_of(node)[0]
        name = function_of(node, modules)
    return name in HELD


def is_gate(node: fx.Node, modules: Modules, depends: Nodes) -> bool:
    """Whether a node's values are those of a sigmoid or softmax, perhaps elsewhere, scaled or
    shifted by constants.
    """
    name, shifted = function_of(node, modules), False
    while True:
        if name in GATES or (shifted and name in SATURATING):
            return True
        if (name in QUOTIENTS and _is_share(node, modules)) or _is_ramp(
            node, name, modules, depends
        ):
            return True
        source = operands_of(node)[0] if name in MOVED else _scaled(node, name, depends)
        if not isinstance(source, fx.Node):
            return False
        shifted = shifted or name in SHIFTS
        node, name = source, function_of(source, modules)


def _scaled(node: fx.Node, name: str, depends: Nodes) -> fx.Node | None:
    """Return what a node scales or shifts by a constant, if it does that."""
    given = operands_of(node)
    operands = [arg for arg in given if isinstance(arg, fx.Node) and arg in depends]
    if len(operands) != 1:
        return None
    scales = name in QUOTIENTS and operands[0] is given[0]
    return operands[0] if scales or name in (*PRODUCTS, *SHIFTS) else None


def _is_ramp(node: fx.Node, name: str, modules: Modules, depends: Nodes) -> bool:
    """Whether a node is a hard sigmoid that is written out: a value that a constant shifts, cut off
    at 0 and at 1 or 6.
    """
    source = (*operands_of(node), None)[0]
    if not isinstance(source, fx.Node) or _limits(node, name, modules) not in ((0, 1), (0, 6)):
        return False
    shift = function_of(source, modules)
    return shift in SHIFTS and _scaled(source, shift, depends) is not None


def _limits(node: fx.Node, name: str, modules: Modules) -> tuple[Any, ...]:
    """Return the least and the greatest value of what cuts values off."""
    if name.startswith("relu6"):
        return 0, 6
    ends = {"clamp": ("min", "max"), "clip": ("min", "max"), "hardtanh": ("min_val", "max_val")}
    names = ends.get(name.rstrip("_"))
    if names is None:
        return None, None
    if node.op == "call_module":
        return tuple(getattr(modules[str(node.target)], end) for end in names)
    given = (*node.args[1:3], None, None)
    return tuple(node.kwargs.get(end, own) for end, own in zip(names, given, strict=False))


def _is_share(node: fx.Node, modules: Modules) -> bool:
    """Whether a node is a softmax that is written out: exp(x) / Σ exp(x)."""
    first, *rest = operands_of(node)
    parts = [one for one in (first, *rest) if isinstance(one, fx.Node)]
    if len(parts) < 2 or function_of(parts[0], modules) != "exp":
        return False
    return function_of(parts[1], modules) == "sum" and operands_of(parts[1])[:1] == [first]
