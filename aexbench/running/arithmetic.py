"""What an explanation asks of the network, whatever the machine: rows forward and backward.

Rows are counted by their arithmetic. An explainer need not call the model to use it: LRP runs a
captured copy, and others stack what they ask.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from aexbench.detector import Detector
from aexbench.errors import line


class UncountedError(Exception):
    """Why rows cannot be counted."""


class Rows(NamedTuple):
    """Rows of the network that an explanation of one sample costs: the floating-point operations of
    its products and convolutions, over those of the reconstruction of one row.
    """

    forward: float
    backward: float


class Arithmetic(TorchDispatchMode):
    """Counts floating-point operations of products and convolutions while it is entered."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.forward, self.backward = 0, 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Call a function of torch, and count what it costs; one that consists of others, by
        these.
        """
        kwargs = kwargs or {}
        count = flop_registry.get(function._overloadpacket)
        if count is None:
            with self:
                whole = function.decompose(*args, **kwargs)
            return function(*args, **kwargs) if whole is NotImplemented else whole
        result = function(*args, **kwargs)
        operations = int(count(*args, **kwargs, out_val=result))
        if torch._C._current_autograd_node() is None:
            self.forward += operations
        else:
            self.backward += operations
        return result


def rows(call: Callable[[], object], x: torch.Tensor, detector: Detector) -> Rows:
    """Return what a call for one sample x (1, …) costs.

    Raises
    ------
    UncountedError
        If it cannot be counted: the network has no products, or the call captures torch's
        operations itself, and fails where somebody looks on.
    """
    with Arithmetic() as one:
        detector.reconstruct(x)
    if not one.forward:
        raise UncountedError("the network has no products or convolutions")
    try:
        with Arithmetic() as spent:
            call()
    except Exception as error:
        raise UncountedError(line(error)) from error
    return Rows(spent.forward / one.forward, spent.backward / one.forward)
