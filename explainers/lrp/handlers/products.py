"""Products: with constants, with gates, and of two signals.

A gate, the values of a sigmoid or a softmax, is held constant and its signal takes all (Arras et
al. 2017, 2019; of attention Ali et al. 2022); of two that are alike, each takes half (Achtibat et
al. 2024, Prop. 3.2). Conservation needs no ε then.
"""

from __future__ import annotations

from aexbench.explainers.lrp.handlers.calls import Call, Handler, undestructive
from aexbench.explainers.lrp.handlers.layers import product_with_weights
from aexbench.explainers.lrp.handlers.nodes import MATRIX_PRODUCTS, PRODUCTS, QUOTIENTS
from aexbench.explainers.lrp.operations import Operation


def product(call: Call) -> Operation:
    """Append a product element by element."""
    carrying = call.carrying
    if len(carrying) == 1:
        return _scaled(call, carrying[0])
    return call.whole("product", tuple(carrying), undestructive(call))


def quotient(call: Call) -> Operation:
    """Append a quotient, whose denominator is held constant."""
    carrying = call.carrying
    if call.args[0] not in carrying:
        return call.whole("held", ())
    return _scaled(call, call.args[0])


def _scaled(call: Call, x: Operation) -> Operation:
    near = x.from_input and not _has_held(call)
    return call.whole("pass", (x,), undestructive(call), broadcasts=True, from_input=near)


def _has_held(call: Call) -> bool:
    """Whether a factor differs from sample to sample."""
    return any(isinstance(o, Operation) and o.kind == "held" for o in call.args)


def matrix_product(call: Call) -> Operation:
    """Append a product of matrices: a weighted layer, from either side, or one of two signals."""
    left, right = call.args[:2] if len(call.args) > 1 else (call.args[0], None)
    if len(call.carrying) == 1 and not _has_held(call):
        return product_with_weights(call)
    return call.whole("bilinear", tuple(o for o in (left, right) if o in call.carrying))


def attention(call: Call) -> Operation:
    """Append attention, whose weights are held: each output is an average of the values."""
    return call.whole("average", (call.carrying[0],))


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(PRODUCTS, product),
    **dict.fromkeys(QUOTIENTS, quotient),
    **dict.fromkeys(MATRIX_PRODUCTS, matrix_product),
    "scaled_dot_product_attention": attention,
}
