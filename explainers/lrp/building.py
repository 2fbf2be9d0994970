"""From the nodes of a graph to operations, whoever has drawn it.

`handlers` say which call is which. One without a rule is an error that says what it is, where it
stands and what to do: never a silent gradient.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx, nn

from aexbench import SkipError
from aexbench.detector import evaluation_mode
from aexbench.explainers.lrp.handlers import HANDLERS
from aexbench.explainers.lrp.handlers.calls import Call, in_place, undestructive
from aexbench.explainers.lrp.handlers.nodes import (
    MADE_LIKE,
    OPERANDS,
    SIZES,
    VIEWS,
    Modules,
    function_of,
    hands_on,
    is_gate,
)
from aexbench.explainers.lrp.operations import WAYS_OUT, Kind, Operation, flat, no_rule, replaced
from aexbench.explainers.lrp.spelling import one_spelling

RANDOM = (
    *(
        "rand",
        "randn",
        "randint",
        "rand_like",
        "randn_like",
        "randint_like",
        "normal",
        "normal_",
        "uniform_",
    ),
    *("bernoulli", "bernoulli_", "multinomial", "poisson", "exponential_", "dropout"),
)
CONTAINERS = (list, dict, set, OrderedDict)


class NotFollowedError(SkipError):
    """A forward pass cannot be followed."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"lrp cannot follow this model's forward pass ({reason}); {WAYS_OUT}")
        self.reason = reason


def plain(model: nn.Module) -> nn.Module:
    """Return the model inside `DataParallel` or `torch.compile`."""
    while True:
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
        elif "_orig_mod" in model._modules:
            model = model.get_submodule("_orig_mod")
        else:
            return model


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Put a model in evaluation mode, and have all it holds and the random state as they were
    afterwards.
    """
    with (
        evaluation_mode(model.modules()),
        _attributes_kept(model),
        torch.random.fork_rng(devices=[]),
    ):
        yield


@contextmanager
def _attributes_kept(model: nn.Module) -> Iterator[None]:
    """Undo what is written into a model's modules: while a forward pass is traced that would be
    symbols.
    """
    before = {module: dict(module.__dict__) for module in model.modules()}
    held = [
        value
        for attributes in before.values()
        for value in attributes.values()
        if type(value) in CONTAINERS
    ]
    contents = [copy.copy(value) for value in held]
    try:
        yield
    finally:
        for module, attributes in before.items():
            module.__dict__.clear()
            module.__dict__.update(attributes)
        for value, content in zip(held, contents, strict=True):
            value.clear()
            value.extend(content) if isinstance(value, list) else value.update(content)


class Builder:
    """Turns nodes into operations, one by one in their order."""

    kind: type[Call] = Call

    def __init__(self, model: nn.Module, graph: fx.Graph, attention: bool = False) -> None:
        self.attention = attention  # whether its weights take relevance
        self.modules = dict(model.named_modules())
        self.depends = _after(self.inputs(graph))
        one_spelling(graph, self.modules, self.depends)
        self.depends = _after(self.inputs(graph))
        self.used = _used(graph, self.modules)
        self.reached = _behind(graph, self.modules, self._hands_on)  # by relevance
        self.model = model
        self.operations: list[Operation] = []
        self.made: dict[fx.Node, Operation] = {}

    def inputs(self, graph: fx.Graph) -> list[fx.Node]:
        """Return the nodes of samples."""
        return [node for node in graph.nodes if node.op == "placeholder"][:1]

    def _hands_on(self, node: fx.Node, modules: Modules) -> list[fx.Node]:
        return hands_on(node, modules, self.depends, self.attention)

    def build(self, graph: fx.Graph) -> list[Operation]:
        """Return the operations of a graph, the input first."""
        for node in graph.nodes:
            if node in self.used or node.op == "placeholder":
                self.add(node)
        return sorted(self.operations, key=lambda operation: operation.kind != "input")

    def add(self, node: fx.Node) -> None:
        """Append what a node stands for; a convolution with unusual padding is two operations."""
        try:
            getattr(self, f"_{node.op}")(node)
        except SkipError:
            raise
        except Exception as error:  # arguments that a handler does not expect
            what = f"{node.target} as it is called ({type(error).__name__}: {error})"
            raise no_rule(what, self.place_of(node).partition(" at ")[2]) from error

    def append(self, name: str, kind: Kind, compute: Callable[..., Any], **known: Any) -> Operation:
        """Append an operation and return it."""
        operation = Operation(name, kind, compute, **known)
        self.operations.append(operation)
        return operation

    def _placeholder(self, node: fx.Node) -> None:
        if not any(operation.kind == "input" for operation in self.operations):
            self.made[node] = self.append(str(node), "input", lambda: None, from_input=True)
        elif node.args:  # an optional argument: its default
            self.made[node] = self.append(str(node), "constant", lambda value=node.args[0]: value)
        else:
            raise SkipError(
                f"lrp explains models of one input; this one also takes {node.target!r}"
            )

    def _output(self, node: fx.Node) -> None:
        self._returned(node, node.args[0])

    def _returned(self, node: fx.Node, result: Any) -> None:
        """Append what a model returns."""
        if not isinstance(result, fx.Node):
            raise SkipError("lrp explains models that return one tensor, the reconstruction")
        source = self.made[result]
        if not source.carries:
            raise SkipError(
                "lrp: no relevance reaches the input: the reconstruction does not depend on it, or "
                "on what is detached alone"
            )
        self.append(str(node), "output", lambda x: x, args=(source,), inputs=(source,))

    def _call_function(self, node: fx.Node) -> None:
        self._call(node, function_of(node, self.modules), node.target)

    def _call(self, node: fx.Node, name: str, compute: Any) -> None:
        """Append a function or a method by its name: both spell the same operations."""
        call = self._called(node, name, compute, self.place_of(node))
        if not call.carrying or node not in self.reached:
            self.made[node] = self._independent(call, node)
        elif name not in HANDLERS:
            raise call.refused(name)
        else:
            self._handle(node, call)

    def _called(self, node: fx.Node, name: str, compute: Any, place: str) -> Call:
        """Return a node as a call, its first two arguments without their names."""
        args = replaced(tuple(node.args), self._made)
        kwargs = {key: replaced(value, self._made) for key, value in node.kwargs.items()}
        for number, names in enumerate(OPERANDS):
            args += tuple(kwargs.pop(n) for n in names if n in kwargs and len(args) == number)
        receivers = {self.made[other] for other in self._hands_on(node, self.modules)}
        users = sum(1 for user in node.users if user in self.used and not self._asks_for_size(user))
        return self.kind(name, compute, args, kwargs, place, self.append, users, receivers)

    def _handle(self, node: fx.Node, call: Call) -> None:
        self.made[node] = HANDLERS[call.name](call)
        if in_place(
            call.name, call.module, call.kwargs
        ):  # whoever reads its input later reads the result
            overwritten = call.args[0]
            self._refuse_aliases(call, overwritten)
            self.made |= {
                other: self.made[node] for other, made in self.made.items() if made is overwritten
            }

    def _refuse_aliases(self, call: Call, overwritten: Operation) -> None:
        """Refuse to overwrite what another value shares memory with: it would change as well."""
        base = overwritten.inputs[0] if overwritten.function in VIEWS else None
        viewed = any(
            made.function in VIEWS and overwritten in made.inputs for made in self.operations
        )
        if viewed or (base is not None and base.users > 1):
            raise call.refused(f"{call.name} that overwrites a view, or what has views,")

    def _independent(self, call: Call, node: fx.Node) -> Operation:
        """Append what takes no relevance: computed now where it depends on constants alone, else at
        every call.
        """
        if call.name in RANDOM:
            raise call.refused(call.name)
        if not call.carrying and call.module is None and in_place(call.name, None, call.kwargs):
            raise call.refused(f"{call.name}, which changes the model,")
        if any(
            isinstance(leaf, Operation) and leaf.kind != "constant"
            for leaf in flat([call.args, call.kwargs])
        ):
            compute = undestructive(call)
            known = {"not_negative": is_gate(node, self.modules, self.depends)}
            return call.make("held", compute, args=call.args, kwargs=call.kwargs, **known)
        value = call.computed()
        return call.make("constant", lambda: value)

    def _asks_for_size(self, node: fx.Node) -> bool:
        """Whether a node reads nothing of its input but its shape, type or device."""
        return function_of(node, self.modules) in (*SIZES, *MADE_LIKE)

    def place_of(self, node: fx.Node) -> str:
        """Return what a function is and where it is called: the module whose forward it stands in,
        and its name in the graph.
        """
        return f"{node.name} at {_place(node)}"

    def _made(self, argument: Any) -> Any:
        return self.made[argument] if isinstance(argument, fx.Node) else argument


def _after(nodes: list[fx.Node]) -> set[fx.Node]:
    """Return what depends on nodes, they included."""
    found: set[fx.Node] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += node.users
    return found


def _used(graph: fx.Graph, modules: Modules) -> set[fx.Node]:
    """Return the nodes that the output depends on: by their result, or by what they overwrite."""
    used = _behind(graph, modules, lambda node, _: node.all_input_nodes)
    _refuse_hidden_writes(graph, used, modules)
    return used


def _behind(
    graph: fx.Graph, modules: Modules, next_to: Callable[[fx.Node, Modules], list[fx.Node]]
) -> set[fx.Node]:
    """Return the nodes that the output is made of, from one to the next."""
    found: set[fx.Node] = set()
    waiting = [node for node in graph.nodes if node.op == "output"]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += next_to(node, modules)
            waiting += [user for user in node.users if _overwrites(user, node, modules)]
    return found


def _overwrites(user: fx.Node, node: fx.Node, modules: Modules) -> bool:
    return user.all_input_nodes[:1] == [node] and _in_place(user, modules)


def _in_place(node: fx.Node, modules: Modules) -> bool:
    module = modules[str(node.target)] if node.op == "call_module" else None
    return node.op.startswith("call") and in_place(function_of(node, modules), module, node.kwargs)


def _refuse_hidden_writes(graph: fx.Graph, used: set[fx.Node], modules: Modules) -> None:
    """Refuse a result that nobody reads, but that is written into a view of what somebody does."""
    for node in graph.nodes:
        if node not in used and _in_place(node, modules):
            base = node
            while base not in used and base.all_input_nodes:
                base = base.all_input_nodes[0]
            if base in used and base.op != "get_attr":
                raise no_rule(f"{node.target} that overwrites a view", _place(node))


def _place(node: fx.Node) -> str:
    """Return where a function is called: the module whose forward it stands in, and its name in the
    graph.
    """
    stack = node.meta.get("nn_module_stack") or {}
    paths = [str(path) for path in stack if str(path)]
    return f"{paths[-1]}.forward ({node.name})" if paths else f"forward ({node.name})"
