"""A node of a graph as a handler reads it: what is called, with operations in place of nodes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from aexbench import SkipError
from aexbench.explainers.lrp.operations import Kind, Operation, constant, flat, no_rule

Handler = Callable[["Call"], Operation]
SHAPED_LIKE = ("to", "type_as", "expand_as", "view_as", "reshape_as", "laid_like")
DIRECT: dict[type[nn.Module], Callable[..., Any]] = {
    nn.ReLU: torch.relu,
    nn.Sigmoid: torch.sigmoid,
    nn.Tanh: torch.tanh,
    nn.Identity: lambda x: x,
}
# Parameters of functions by their position, where torch.fx does not name them; modules have
# attributes of these names.
POSITIONS = {
    "weighted": {"weight": 1, "bias": 2, "stride": 3, "padding": 4, "dilation": 5, "groups": 6},
    "transposed": {
        "weight": 1,
        "stride": 3,
        "padding": 4,
        "output_padding": 5,
        "groups": 6,
        "dilation": 7,
    },
    "batch_norm": {"running_mean": 1, "running_var": 2},
    "dropout": {"training": 2},
    "addmm": {"weight": 2},
    "glu": {"dim": 1},
}


@dataclass
class Call:
    """A node of the graph: what is called, with operations in place of nodes."""

    name: str  # of the function that does it, also for modules
    compute: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    place: str
    append: Callable[..., Operation]
    users: int
    receivers: Collection[Operation]  # those of its operands that `hands_on` names

    @property
    def module(self) -> nn.Module | None:
        """The module that is called, if it is one."""
        return self.compute if isinstance(self.compute, nn.Module) else None

    @property
    def carrying(self) -> list[Operation]:
        """The operands that relevance goes to."""
        leaves = [leaf for leaf in flat([self.args, self.kwargs]) if isinstance(leaf, Operation)]
        return [leaf for leaf in leaves if leaf.carries and leaf in self.receivers]

    @property
    def x(self) -> Operation:
        """The one operand of an operation that has one."""
        if not self.args or self.carrying != [self.args[0]]:
            raise self.refused(f"{self.name} whose other arguments depend on the input")
        operand: Operation = self.args[0]
        return operand

    def setting(self, name: str, default: Any, table: str = "") -> Any:
        """Return a parameter's value: the module's attribute, or what the function was given."""
        if self.module is not None:
            return getattr(self.module, name, default)
        position = POSITIONS.get(table or self.name, {}).get(name, len(self.args))
        given = self.args[position] if position < len(self.args) else self.kwargs.get(name, default)
        if any(isinstance(leaf, Operation) and leaf.kind != "constant" for leaf in flat(given)):
            raise self.refused(f"{self.name} whose {name} depends on the input")
        return constant(given)

    def make(self, kind: Kind, compute: Any = None, **known: Any) -> Operation:
        """Append this call as an operation of a kind."""
        compute = self.compute if compute is None else compute
        return self.append(self.place, kind, compute, function=self.name, users=self.users, **known)

    def whole(
        self, kind: Kind, inputs: tuple[Operation, ...], compute: Any = None, **known: Any
    ) -> Operation:
        """Append this call with all its arguments."""
        return self.make(kind, compute, args=self.args, kwargs=self.kwargs, inputs=inputs, **known)

    def computed(self) -> Any:
        """Return the result of a call that depends on constants alone."""
        return self.compute(
            *constant(self.args), **{key: constant(value) for key, value in self.kwargs.items()}
        )

    def refused(self, what: str) -> SkipError:
        """Return the error for a call without a rule."""
        return no_rule(what, self.place.partition(" at ")[2] or f"module {self.place}")


def in_place(name: str, module: nn.Module | None, kwargs: dict[str, Any]) -> bool:
    """Whether a call overwrites its first operand."""
    if module is not None:
        return bool(getattr(module, "inplace", False))
    by_name = (name.endswith("_") and not name.startswith("_")) or name in (
        "iadd",
        "isub",
        "imul",
        "itruediv",
    )
    return by_name or bool(kwargs.get("inplace", False))


def undestructive(call: Call) -> Callable[..., Any]:
    """Return what a call computes without overwriting its operand: rules still need
    what was there.
    """
    if call.module is not None:
        return direct(call.module)
    compute = call.compute
    if not in_place(call.name, None, call.kwargs):
        return compute  # type: ignore[no-any-return]
    return lambda x, *args, **kwargs: compute(x.clone(), *args, **kwargs)


def direct(module: nn.Module) -> Callable[..., Any]:
    """Return what a module computes, without the cost of calling it where nothing hooks into it."""
    hooked = module._forward_hooks or module._forward_pre_hooks
    if isinstance(module, nn.Linear) and type(module) is nn.Linear and not hooked:
        weight, bias = module.weight, module.bias
        return lambda x: F.linear(x, weight, bias)
    if type(module) in DIRECT and not hooked:
        return DIRECT[type(module)]
    return (lambda x: module(x.clone())) if getattr(module, "inplace", False) else module
