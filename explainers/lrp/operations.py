"""What a captured model is made of: operations in the order of the forward pass, each with its kind
of rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from aexbench import SkipError
from aexbench.explainers.lrp.maps import Convolution, Dense, Doubled

Weighted = Dense | Convolution | Doubled
Kind = Literal[
    "input",
    "constant",
    "held",
    "weighted",
    "average",
    "route",
    "pass",
    "sum",
    "product",
    "bicubic",
    "bilinear",
    "signed product",
    "softmax",
    "recurrent",
    "output",
]
WAYS_OUT = (
    "rewrite the model without it, wrap the part that leads from x to x̂, or use an explainer "
    "that asks the detector "
    "alone, such as residual"
)


@dataclass(eq=False)
class Operation:
    """One step of the model's forward pass, and what kind of rule carries relevance back through
    it.
    """

    name: str  # for readers: what it is and where it stands
    kind: Kind
    compute: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    inputs: tuple[Operation, ...] = ()  # those that relevance may go to
    function: str = ""  # what it does, whether a module or a function spells it: "relu", "getitem"
    users: int = 1
    layer: Weighted | None = None  # with the factor of a BatchNorm that alone follows it
    own: Weighted | None = None  # without it
    bias: torch.Tensor | None = None
    unhooked: bool = False  # it computes what `own` and `bias` say, and nothing else
    doubles: bool = False  # nearest upsampling by 2
    hooked: Any = None  # the module's own forward, where hooks may change what it returns
    signs: tuple[float, ...] = ()  # of a sum's inputs
    not_negative: bool = False
    floored: bool = False  # never less than δ
    may_floor: bool = False  # a ReLU whose result may be floored, where z⁺ alone reads it
    from_input: bool = False  # nothing but routes between the model's input and here
    adjoint: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = (
        None  # of (x, y), where one is known
    )
    broadcasts: bool = False  # a constant operand may have made it larger than its input
    block: Any = None  # of a recurrent one: its layers
    inserts: bool = (
        False  # a route that puts constants beside its inputs: padding, the holes of unpooling
    )

    @property
    def parts(self) -> tuple[Operation, ...]:
        """The maps of a recurrent one, which have rules of their own."""
        return () if self.block is None else self.block.maps

    @property
    def carries(self) -> bool:
        """Whether relevance can pass through it."""
        return self.kind not in ("constant", "held")


class NoRuleError(SkipError):
    """An operation that no rule covers."""


def no_rule(what: str, place: str) -> NoRuleError:
    """Return the error for an operation that no rule covers."""
    return NoRuleError(f"lrp has no rule for {what} at {place}: {WAYS_OUT}")


def flat(value: Any) -> list[Any]:
    """Return the leaves of nested lists, tuples, mappings and slices."""
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in flat(item)]
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in flat(item)]
    if isinstance(value, slice):
        return [value.start, value.stop, value.step]
    return [value]


def replaced(value: Any, replace: Callable[[Any], Any]) -> Any:
    """Return nested lists, tuples and slices with every leaf replaced."""
    if isinstance(value, list):
        return [replaced(item, replace) for item in value]
    if isinstance(value, tuple):
        return tuple(replaced(item, replace) for item in value)
    if isinstance(value, slice):
        return slice(*(replaced(part, replace) for part in (value.start, value.stop, value.step)))
    return replace(value)


def constant(value: Any) -> Any:
    """Return nested arguments with constants in place of the operations that hold them."""
    return replaced(value, lambda leaf: leaf.compute() if isinstance(leaf, Operation) else leaf)
