"""From a module to a list of operations: torch.fx follows the model's own `forward`, whatever its
style.

Modules and their functional forms, modules used twice and tied weights end in the same few kinds of
operations; `handlers` say which call is which. One without a rule is an error that says what it
is, where it stands and what to do: never a silent gradient.
"""

from __future__ import annotations

import copy
import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx, nn

from aexbench import SkipError
from aexbench.detector import evaluation_mode
from aexbench.explainers.lrp.handlers import HANDLERS, asks_for_size, is_held
from aexbench.explainers.lrp.handlers.calls import Call, in_place, undestructive
from aexbench.explainers.lrp.handlers.modules import MODULES
from aexbench.explainers.lrp.handlers.routes import VIEWS
from aexbench.explainers.lrp.operations import WAYS_OUT, Kind, Operation, flat, no_rule, replaced
from aexbench.explainers.lrp.shapes import ShapeTracer

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


Modules = dict[str, nn.Module]
CONTAINERS = (list, dict, set, OrderedDict)


class NotFollowedError(SkipError):
    """torch.fx cannot follow a forward pass."""


def capture(model: nn.Module, sample: torch.Tensor | None = None) -> list[Operation]:
    """Return the operations of a model's forward pass in evaluation mode, the input first and the
    output last.

    With a sample (N, …) what the forward pass does may depend on the sample's shape, N excepted;
    what is returned then holds for that shape alone.

    Raises
    ------
    SkipError
        If an operation has no rule. NotFollowedError if torch.fx cannot follow the forward pass.
    """
    with (
        evaluation_mode(model.modules()),
        _attributes_kept(model),
        torch.random.fork_rng(devices=[]),
        torch.no_grad(),
    ):
        graph = _traced(model, fx.Tracer() if sample is None else ShapeTracer(sample))
        builder = _Builder(model, graph)
        for node in graph.nodes:
            if node in builder.used or node.op == "placeholder":
                builder.add(node)
    return builder.operations


def _traced(model: nn.Module, tracer: fx.Tracer) -> fx.Graph:
    """Return the graph of a model without its hooks, which expect values and would be given
    symbols.
    """
    hooks = {
        module: (module._forward_hooks, module._forward_pre_hooks) for module in model.modules()
    }
    try:
        for module in hooks:
            module._forward_hooks, module._forward_pre_hooks = OrderedDict(), OrderedDict()
        tracer.proxy_buffer_attributes = True
        return tracer.trace(model, concrete_args=_defaults(model))
    except Exception as error:  # whatever the model's own forward does with a symbolic input
        reason = f"{type(error).__name__}: {error}".split("\n")[0]
        raise NotFollowedError(
            f"lrp cannot follow this model's forward pass ({reason}); {WAYS_OUT}"
        ) from error
    finally:
        for module, (after, before) in hooks.items():
            module._forward_hooks, module._forward_pre_hooks = after, before


def _defaults(model: nn.Module) -> dict[str, Any]:
    """Return the optional arguments of a model's forward pass, which is followed as it is called
    with x alone.
    """
    parameters = list(inspect.signature(model.forward).parameters.values())[1:]
    return {p.name: p.default for p in parameters if p.default is not p.empty}


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


class _Builder:
    """Turns fx nodes into operations, one by one in their order."""

    def __init__(self, model: nn.Module, graph: fx.Graph) -> None:
        self.modules = dict(model.named_modules())
        self.used = _used(graph, self.modules)
        self.reached = _behind(graph, self.modules, is_held)  # by relevance
        self.model = model
        self.operations: list[Operation] = []
        self.made: dict[fx.Node, Operation] = {}

    def add(self, node: fx.Node) -> None:
        """Append what a node stands for; a convolution with unusual padding is two operations."""
        try:
            getattr(self, f"_{node.op}")(node)
        except SkipError:
            raise
        except Exception as error:  # arguments that a handler does not expect
            raise no_rule(
                f"{node.target} as it is called ({type(error).__name__}: {error})", _place(node)
            ) from error

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

    def _get_attr(self, node: fx.Node) -> None:
        value: Any = self.model
        for part in str(node.target).split("."):
            value = getattr(value, part)
        value = value.detach() if isinstance(value, torch.Tensor) else value
        self.made[node] = self.append(str(node), "constant", lambda: value)

    def _output(self, node: fx.Node) -> None:
        (result,) = node.args
        if not isinstance(result, fx.Node):
            raise SkipError("lrp explains models that return one tensor, the reconstruction")
        source = self.made[result]
        if not source.carries:
            raise SkipError(
                "lrp: no relevance reaches the input: the reconstruction does not depend on it, or "
                "on what is detached alone"
            )
        self.append(str(node), "output", lambda x: x, args=(source,), inputs=(source,))

    def _call_module(self, node: fx.Node) -> None:
        module = self.modules[str(node.target)]
        base = next((base for base in type(module).__mro__ if base in MODULES), None)
        call = self._called(
            node, MODULES[base] if base else "", module, f"{node.target} ({type(module).__name__})"
        )
        if not call.carrying or node not in self.reached:
            self.made[node] = self._independent(call, node)
        elif base is None or type(module).forward is not base.forward:
            raise no_rule(type(module).__name__, f"module {node.target!r}")
        else:
            self._handle(node, call)
            if module._forward_hooks or module._forward_pre_hooks:
                self.made[node].hooked = module.forward

    def _call_function(self, node: fx.Node) -> None:
        self._call(node, getattr(node.target, "__name__", str(node.target)), node.target)

    def _call_method(self, node: fx.Node) -> None:
        name = str(node.target)
        self._call(node, name, lambda x, *args, **kwargs: getattr(x, name)(*args, **kwargs))

    def _call(self, node: fx.Node, name: str, compute: Any) -> None:
        """Append a function or a method by its name: both spell the same operations."""
        call = self._called(node, name, compute, f"{node.name} at {_place(node)}")
        if not call.carrying or node not in self.reached:
            self.made[node] = self._independent(call, node)
        elif name not in HANDLERS:
            raise no_rule(name, _place(node))
        else:
            self._handle(node, call)

    def _called(self, node: fx.Node, name: str, compute: Any, place: str) -> Call:
        """Return a node as a call; `input=x` is the first argument by its name."""
        args = replaced(tuple(node.args), self._made)
        kwargs = {key: replaced(value, self._made) for key, value in node.kwargs.items()}
        if not args and "input" in kwargs:
            args = (kwargs.pop("input"),)
        users = sum(1 for user in node.users if user in self.used and not asks_for_size(user))
        return Call(name, compute, args, kwargs, place, self.append, users)

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
            raise no_rule(call.name, _place(node))
        if not call.carrying and call.module is None and in_place(call.name, None, call.kwargs):
            raise no_rule(f"{call.name}, which changes the model,", _place(node))
        if any(
            isinstance(leaf, Operation) and leaf.kind != "constant"
            for leaf in flat([call.args, call.kwargs])
        ):
            compute = undestructive(call)
            return call.make("held", compute, args=call.args, kwargs=call.kwargs)
        value = call.computed()
        return call.make("constant", lambda: value)

    def _made(self, argument: Any) -> Any:
        return self.made[argument] if isinstance(argument, fx.Node) else argument


def _used(graph: fx.Graph, modules: Modules) -> set[fx.Node]:
    """Return the nodes that the output depends on: by their result, or by what they overwrite."""
    used = _behind(graph, modules, lambda node: False)
    _refuse_hidden_writes(graph, used, modules)
    return used


def _behind(graph: fx.Graph, modules: Modules, ends: Callable[[fx.Node], bool]) -> set[fx.Node]:
    """Return the nodes that the output is made of, but not what lies behind those that end it."""
    found: set[fx.Node] = set()
    waiting = [node for node in graph.nodes if node.op == "output"]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += [] if ends(node) else node.all_input_nodes
            waiting += [user for user in node.users if _overwrites(user, node, modules)]
    return found


def _overwrites(user: fx.Node, node: fx.Node, modules: Modules) -> bool:
    return user.all_input_nodes[:1] == [node] and _in_place(user, modules)


def _in_place(node: fx.Node, modules: Modules) -> bool:
    module = modules[str(node.target)] if node.op == "call_module" else None
    name = str(node.target) if node.op != "call_function" else getattr(node.target, "__name__", "")
    return node.op.startswith("call") and in_place(name, module, node.kwargs)


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
