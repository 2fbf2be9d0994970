"""From a module to a list of operations: torch.fx follows the model's own `forward`, whatever its
style.

Modules and their functional forms, modules used twice and tied weights end in the same few kinds of
operations; `handlers` say which call is which. One without a rule is an error that says what it
is, where it stands and what to do: never a silent gradient.
"""

from __future__ import annotations

import inspect
from collections import OrderedDict
from typing import Any

import torch
from torch import fx, nn

from aexbench.explainers.lrp.attention import taken_apart
from aexbench.explainers.lrp.building import Builder, NotFollowedError, undisturbed
from aexbench.explainers.lrp.handlers.modules import MODULES
from aexbench.explainers.lrp.handlers.nodes import function_of
from aexbench.explainers.lrp.operations import Operation, no_rule
from aexbench.explainers.lrp.shapes import ShapeTracer, Tracer, symbolic_lengths


def capture(
    model: nn.Module, sample: torch.Tensor | None = None, attention: bool = False
) -> list[Operation]:
    """Return the operations of a model's forward pass in evaluation mode, the input first and the
    output last.

    With a sample (N, …) what the forward pass does may depend on the sample's shape, N excepted;
    what is returned then holds for that shape alone. Weights of attention take relevance where
    `attention` says so.

    Raises
    ------
    SkipError
        If an operation has no rule. NotFollowedError if torch.fx cannot follow the forward pass.
    """
    with undisturbed(model), torch.no_grad():
        graph = _traced(model, Tracer() if sample is None else ShapeTracer(sample))
        if attention:
            graph = taken_apart(graph, dict(model.named_modules()))
        return SymbolicBuilder(model, graph, attention).build(graph)


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
        with symbolic_lengths(model):
            return tracer.trace(model, concrete_args=_defaults(model))
    except Exception as error:  # whatever the model's own forward does with a symbolic input
        reason = f"{type(error).__name__}: {error}".split("\n")[0]
        raise NotFollowedError(reason) from error
    finally:
        for module, (after, before) in hooks.items():
            module._forward_hooks, module._forward_pre_hooks = after, before


def _defaults(model: nn.Module) -> dict[str, Any]:
    """Return the optional arguments of a model's forward pass, which is followed as it is called
    with x alone.
    """
    parameters = list(inspect.signature(model.forward).parameters.values())[1:]
    return {p.name: p.default for p in parameters if p.default is not p.empty}


class SymbolicBuilder(Builder):
    """Turns the nodes of torch.fx into operations: modules and methods are called too."""

    def _get_attr(self, node: fx.Node) -> None:
        value: Any = self.model
        for part in str(node.target).split("."):
            value = getattr(value, part)
        value = value.detach() if isinstance(value, torch.Tensor) else value
        self.made[node] = self.append(str(node), "constant", lambda: value)

    def _call_module(self, node: fx.Node) -> None:
        module = self.modules[str(node.target)]
        base = next((base for base in type(module).__mro__ if base in MODULES), None)
        place = f"{node.target} ({type(module).__name__})"
        call = self._called(node, function_of(node, self.modules), module, place)
        if not call.carrying or node not in self.reached:
            self.made[node] = self._independent(call, node)
        elif base is None or type(module).forward is not base.forward:
            raise no_rule(type(module).__name__, f"module {node.target!r}")
        else:
            self._handle(node, call)
            if module._forward_hooks or module._forward_pre_hooks:
                self.made[node].hooked = _own_forward(self.made[node], module)

    def _call_method(self, node: fx.Node) -> None:
        name = str(node.target)
        self._call(node, name, lambda x, *args, **kwargs: getattr(x, name)(*args, **kwargs))


def _own_forward(operation: Operation, module: nn.Module) -> Any:
    """Return a module's forward pass without its hooks, of the operation's arguments: a recurrent
    one has its weights and settings behind x and the states.
    """
    if operation.kind != "recurrent":
        return module.forward
    return lambda x, states, *_: module.forward(x, states)
