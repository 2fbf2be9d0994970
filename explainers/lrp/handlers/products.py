"""Products: with constants, with gates, and of two signals.

A gate, the values of a sigmoid or a softmax, is held constant and its signal takes all (Arras et
al. 2017, 2019; of attention Ali et al. 2022); of two that are alike, each takes half (Achtibat et
al. 2024, Prop. 3.2). Conservation needs no ε then.
"""

from __future__ import annotations

from aexbench.explainers.lrp.handlers.activations import activation
from aexbench.explainers.lrp.handlers.calls import Call, Handler, undestructive
from aexbench.explainers.lrp.handlers.layers import product_with_weights
from aexbench.explainers.lrp.handlers.nodes import MATRIX_PRODUCTS, PRODUCTS, QUOTIENTS
from aexbench.explainers.lrp.operations import Operation


def product(call: Call) -> Operation:
    """Append a product element by element, or a quotient, whose denominator is held."""
    if len(call.carrying) > 1:
        return call.whole("product", tuple(call.carrying), undestructive(call))
    x = call.carrying[0]
    near = x.from_input and not _differs(call)
    return call.whole("pass", (x,), undestructive(call), broadcasts=True, from_input=near)


def _differs(call: Call) -> bool:
    """Whether a factor that takes no relevance differs from sample to sample."""
    others = [o for o in call.args if isinstance(o, Operation) and o not in call.carrying]
    return any(other.kind != "constant" for other in others)


def matrix_product(call: Call) -> Operation:
    """Append a product of matrices: a weighted layer, from either side, or one of two signals."""
    if len(call.carrying) == 1 and not _differs(call):
        return product_with_weights(call)
    return call.whole("bilinear", tuple(call.carrying))


def attention(call: Call) -> Operation:
    """Append attention: each output is an average of the values, whose weights are held."""
    asked = [_held(call, operand) for operand in call.args[:2]]
    args = (*asked, *call.args[2:])
    return call.make("average", args=args, kwargs=call.kwargs, inputs=(call.carrying[0],))


def _held(call: Call, operand: Operation) -> Operation:
    """Append a copy of an operand that takes no relevance: values may be queries and keys too."""
    return call.append(f"{call.place} held", "held", lambda t: t, args=(operand,))


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys((*PRODUCTS, *QUOTIENTS), product),
    **dict.fromkeys(MATRIX_PRODUCTS, matrix_product),
    "scaled_dot_product_attention": attention,
    **dict.fromkeys(("scaled_query", "masked_scores"), activation),  # of one that is taken apart
}
