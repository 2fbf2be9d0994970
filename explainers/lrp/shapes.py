"""Following a forward pass by torch.fx: beside real samples where it asks for shapes.

`x.dim()`, `x.shape[1]` and all sizes but the first are numbers then; the first one, which may be
that of the batch, stays a symbol.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

import torch
from torch import fx, nn

# Whose own forward passes return two tensors; that of nn.LSTM one and two.
PAIRS = tuple(kind.forward for kind in (nn.GRU, nn.RNN, nn.LSTMCell))
_TRACING = RLock()  # names of modules are changed while one is read


@contextmanager
def symbolic_lengths(model: nn.Module) -> Iterator[None]:
    """Let `len(x)` be `x.size(0)` in the code of a model's modules: a number would be that of the
    samples at hand.
    """
    with _TRACING:
        own = [names for names in map(_names, model.modules()) if "len" not in names]
        for names in own:
            names["len"] = _length
        try:
            yield
        finally:
            for names in own:
                names.pop("len", None)


def _names(module: nn.Module) -> dict[str, Any]:
    """Return the global names that the forward pass of a module sees."""
    forward = _forward(module)
    names: dict[str, Any] = getattr(inspect.unwrap(forward), "__globals__", {}) if forward else {}
    return names


def _forward(module: nn.Module) -> Any:
    """Return the forward pass that a module's class has; to ask a scripted one for it fails."""
    return inspect.getattr_static(type(module), "forward", None)


def _length(x: Any) -> Any:
    """Return the first size of a tensor, and the length of everything else."""
    return x.size(0) if isinstance(getattr(x, "_value", x), torch.Tensor) else len(x)


class Tracer(fx.Tracer):
    """Traces a model; what recurrent modules return are tuples, which models take apart."""

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        """Call a module, which is a symbol, or a tuple of them."""
        made: Any = super().call_module(m, forward, args, kwargs)
        symbolic, own = isinstance(made, fx.Proxy), _forward(m)
        if symbolic and own is nn.LSTM.forward:
            return made[0], (made[1][0], made[1][1])
        return (made[0], made[1]) if symbolic and own in PAIRS else made


class ShapeTracer(Tracer):
    """Traces a model, and computes on a sample (N, …) what every symbol stands for."""

    def __init__(self, sample: torch.Tensor) -> None:
        super().__init__()
        self.sample = sample
        self.values: dict[fx.Node, Any] = {}
        self._computing = False

    def proxy(self, node: fx.Node) -> fx.Proxy:
        """Return a symbol that knows its shape."""
        return _Shaped(node, self)

    def create_proxy(
        self, kind: str, target: Any, args: Any, kwargs: Any, *rest: Any, **named: Any
    ) -> fx.Proxy:
        """Return a new symbol, with its value at hand."""
        made = super().create_proxy(kind, target, args, kwargs, *rest, **named)
        self._value(made.node)
        return made

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        """Call a module, which is a symbol unless values are computed."""
        return (
            forward(*args, **kwargs)
            if self._computing
            else super().call_module(m, forward, args, kwargs)
        )

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """Read a module's attribute, which may be a symbol unless values are computed."""
        return (
            attr_val if self._computing else super().getattr(attr, attr_val, parameter_proxy_cache)
        )

    def _value(self, node: fx.Node) -> Any:
        if node not in self.values:
            args, kwargs = fx.node.map_arg((node.args, node.kwargs), self._value)
            self._computing = True
            try:
                self.values[node] = self._computed(node, args, kwargs)
            finally:
                self._computing = False
        return self.values[node]

    def _computed(self, node: fx.Node, args: Any, kwargs: Any) -> Any:
        if node.op == "placeholder":
            return next(iter(args), None) if self.values else self.sample.clone()
        if node.op == "get_attr":
            value: Any = self.root
            for part in str(node.target).split("."):
                value = getattr(value, part)
            return value
        if node.op == "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        if node.op == "call_module":
            return self.root.get_submodule(str(node.target))(*args, **kwargs)
        return node.target(*args, **kwargs)  # type: ignore[operator]


class _Shaped(fx.Proxy):
    """A symbol whose rank and sizes are numbers, but for the first size."""

    @property
    def _value(self) -> Any:
        values: dict[fx.Node, Any] = self.tracer.values  # type: ignore[attr-defined]
        return values[self.node]

    @property
    def shape(self) -> tuple[Any, ...]:
        return self.size()  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        return int(self._value.dim())

    def dim(self) -> int:
        return int(self._value.dim())

    def size(self, dim: int | None = None) -> Any:
        sizes: list[Any] = list(self._value.shape)
        sizes[0] = self.tracer.create_proxy("call_method", "size", (self, 0), {})
        return tuple(sizes) if dim is None else sizes[dim]

    def __len__(self) -> int:
        return len(self._value)

    def __iter__(self) -> Iterator[Any]:
        if not isinstance(self._value, tuple | list):
            return super().__iter__()
        return iter([operator.getitem(self, index) for index in range(len(self._value))])
