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
QUOTIENTS = ("div", "div_", "truediv", "itruediv", "divide", "true_divide")
MATRIX_PRODUCTS = ("matmul", "mm", "bmm")
MOVED = (  # what has the values of its first argument, elsewhere
    *("view", "reshape", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze"),
    *("permute", "transpose", "t", "movedim", "swapaxes", "swapdims", "moveaxis"),
    *("expand", "expand_as", "view_as", "reshape_as", "broadcast_to", "repeat", "select"),
    *("getitem", "slice", "clone", "contiguous", "identity", "dropout", "to", "_to_copy", "alias"),
)


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


def hands_on(node: fx.Node, modules: Modules, depends: Nodes) -> list[fx.Node]:
    """Return the nodes that relevance goes to from here, of those that depend on the input: a gate
    of a product, a denominator and what is detached count as constants.
    """
    name = function_of(node, modules)
    if name == "getattr" and node.args[1] not in ASKED:  # such as `max(dim).values`
        return node.all_input_nodes
    if name in (*SIZES, *MADE_LIKE, *HELD):
        return []
    operands = [arg for arg in node.args[:2] if isinstance(arg, fx.Node) and arg in depends]
    if name in SHAPED_LIKE:
        return operands[:1]
    if name in QUOTIENTS:
        return [o for o in operands if o is node.args[0]]
    if name in DIFFERENCES and len(operands) == 2 and _is_mean(operands[1], operands[0], modules):
        return operands[:1]  # of a normalisation that is written out
    if name in (*PRODUCTS, *MATRIX_PRODUCTS) and len(operands) == 2:
        gates = [is_gate(operand, modules, depends) for operand in operands]
        return [o for o, gate in zip(operands, gates, strict=True) if not gate] or operands
    if name == "scaled_dot_product_attention":
        value: Any = node.kwargs.get("value", node.args[2] if len(node.args) > 2 else None)
        return [value]
    return node.all_input_nodes


def _is_mean(node: fx.Node, of: fx.Node, modules: Modules) -> bool:
    """Whether a node is the mean of another one."""
    return function_of(node, modules) == "mean" and node.args[:1] == (of,)


def is_gate(node: fx.Node, modules: Modules, depends: Nodes) -> bool:
    """Whether a node's values are those of a sigmoid or softmax, perhaps elsewhere, scaled or
    shifted by constants.
    """
    name, shifted = function_of(node, modules), False
    while True:
        if name in GATES or (shifted and name in SATURATING):
            return True
        if name in QUOTIENTS and _is_share(node, modules):
            return True
        moved = name in MOVED and isinstance(node.args[0], fx.Node)
        source = node.args[0] if moved else _scaled(node, name, depends)
        if not isinstance(source, fx.Node):
            return False
        shifted = shifted or name in (*SUMS, *DIFFERENCES, "rsub")
        node, name = source, function_of(source, modules)


def _scaled(node: fx.Node, name: str, depends: Nodes) -> fx.Node | None:
    """Return what a node scales or shifts by a constant, if it does that."""
    operands = [arg for arg in node.args[:2] if isinstance(arg, fx.Node) and arg in depends]
    known = (*PRODUCTS, *SUMS, *DIFFERENCES, "rsub")
    if len(operands) != 1 or not (
        name in known or (name in QUOTIENTS and operands[0] is node.args[0])
    ):
        return None
    return operands[0]


def _is_share(node: fx.Node, modules: Modules) -> bool:
    """Whether a node is a softmax that is written out: exp(x) / Σ exp(x)."""
    first, second = node.args[:2]
    if not isinstance(first, fx.Node) or not isinstance(second, fx.Node):
        return False
    whole = function_of(second, modules) == "sum" and second.args[0] is first
    return whole and function_of(first, modules) == "exp"
