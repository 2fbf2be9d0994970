"""Which call is which operation: one handler for a module and for the function that does the same.

A handler reads a `Call`, appends what it stands for, and returns it; one file a family of them.
"""

from __future__ import annotations

from torch import fx

from aexbench.explainers.lrp.handlers import activations, held, layers, routes, sums
from aexbench.explainers.lrp.handlers.calls import Handler

HANDLERS: dict[str, Handler] = {
    name: handler
    for family in (activations, layers, routes, sums, held)
    for name, handler in family.HANDLERS.items()
}


def asks_for_size(node: fx.Node) -> bool:
    """Whether a node reads nothing of its input but its shape, type or device."""
    return HANDLERS.get(_name(node)) is held.size


def is_held(node: fx.Node) -> bool:
    """Whether a node hands no relevance on to what it reads."""
    return HANDLERS.get(_name(node)) in (held.size, held.held)


def _name(node: fx.Node) -> str:
    return str(node.target) if node.op == "call_method" else getattr(node.target, "__name__", "")
