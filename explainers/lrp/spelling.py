"""One spelling for what networks write in several: an explanation must not depend on it.

A step from n towards h, written n + z (h − n) or by `torch.lerp`, is (1 − z) n + z h: as a sum of n
and z (h − n) it would hand on relevance by the size of a difference that is no state.
"""

from __future__ import annotations

import operator

import torch
from torch import fx

from aexbench.explainers.lrp.handlers.nodes import (
    DIFFERENCES,
    PRODUCTS,
    Modules,
    Nodes,
    function_of,
    is_gate,
)

Step = tuple[fx.Node, fx.Node, fx.Node]


def one_spelling(graph: fx.Graph, modules: Modules, depends: Nodes) -> None:
    """Rewrite steps and norms in a graph, where it stands."""
    for node in list(graph.nodes):
        if function_of(node, modules) == "_native_batch_norm_legit_no_training":
            _rewrite_norm(graph, node)
        step = _step(node, modules, depends)
        if step is not None:
            _rewrite(graph, node, *step)


def _step(node: fx.Node, modules: Modules, depends: Nodes) -> Step | None:
    """Return n, h and z of n + z (h − n), if a node is that."""
    name = function_of(node, modules)
    if name == "lerp" and len(node.args) == 3:
        start, end, gate = node.args
        return _nodes(start, end, gate) if _gate(gate, modules, depends) else None
    if name != "add" or len(node.args) != 2 or node.kwargs:
        return None
    for start, change in (node.args, node.args[::-1]):
        for gate, difference in _factors(change, modules, depends):
            if _of(difference, DIFFERENCES, modules) and difference.args[1] is start:
                return _nodes(start, difference.args[0], gate)
    return None


def _factors(product: object, modules: Modules, depends: Nodes) -> list[tuple[fx.Node, fx.Node]]:
    """Return a gate with the other factor, of a product that has one."""
    if not isinstance(product, fx.Node) or not _of(product, PRODUCTS, modules):
        return []
    one, other = product.args[:2]
    pairs = [(a, b) for a, b in ((one, other), (other, one)) if isinstance(b, fx.Node)]
    return [(a, b) for a, b in pairs if isinstance(a, fx.Node) and is_gate(a, modules, depends)]


def _of(node: fx.Node, names: tuple[str, ...], modules: Modules) -> bool:
    return function_of(node, modules) in names and len(node.args) > 1


def _gate(node: object, modules: Modules, depends: Nodes) -> bool:
    return isinstance(node, fx.Node) and is_gate(node, modules, depends)


def _nodes(*found: object) -> Step | None:
    start, end, gate = found
    if isinstance(start, fx.Node) and isinstance(end, fx.Node) and isinstance(gate, fx.Node):
        return start, end, gate
    return None


def _rewrite(graph: fx.Graph, node: fx.Node, start: fx.Node, end: fx.Node, gate: fx.Node) -> None:
    with graph.inserting_before(node):
        rest = graph.call_function(operator.sub, (1, gate))
        both = [graph.call_function(operator.mul, pair) for pair in ((rest, start), (gate, end))]
        step = graph.call_function(operator.add, tuple(both))
    for made in (rest, *both, step):
        made.meta.update(node.meta)
    node.replace_all_uses_with(step)


def _rewrite_norm(graph: fx.Graph, node: fx.Node) -> None:
    """Put `batch_norm` where torch.export has split it."""
    x, weight, bias, mean, variance, momentum, epsilon = node.args
    given = (x, weight, bias, mean, variance, False, momentum, epsilon, False)
    with graph.inserting_before(node):
        norm = graph.call_function(torch.ops.aten.batch_norm.default, given)
    norm.meta.update(node.meta)
    for user in [user for user in node.users if user.args[1:] == (0,)]:
        user.replace_all_uses_with(norm)
