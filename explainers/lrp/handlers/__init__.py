"""Which call is which operation: one handler for a module and for the function that does the same.

A handler reads a `Call`, appends what it stands for, and returns it; one file a family of them.
"""

from __future__ import annotations

from aexbench.explainers.lrp.handlers import (
    activations,
    layers,
    products,
    recurrent,
    routes,
    sums,
)
from aexbench.explainers.lrp.handlers.calls import Handler

HANDLERS: dict[str, Handler] = {
    name: handler
    for family in (activations, layers, products, recurrent, routes, sums)
    for name, handler in family.HANDLERS.items()
}
