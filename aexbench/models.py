"""Models as people write them: what can be a detector's network, and where in its result x̂ is.

A quarter of the autoencoders in the field return more than x̂. The part that is named, or the one
tensor of the right shape, is picked out by a module of its own, so that all that reads a detector's
model, LRP too, sees x alone go in and x̂ alone come out.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch.nn.parameter import UninitializedParameter
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from aexbench.errors import RequestError

Output = int | str | Callable[[Any], torch.Tensor]

WRAPPER = (
    "class Wrapped(torch.nn.Module): def __init__(self, model): super().__init__(); "
    "self.model = model; def forward(self, x): return {body}"
)


class Picking(torch.nn.Module):
    """A model with one part of its result: by number, by name, or by a function of the result.

    >>> Picking(torch.nn.LSTM(3, 3, batch_first=True), output=0)(torch.zeros(2, 5, 3)).shape
    torch.Size([2, 5, 3])
    """

    def __init__(self, model: torch.nn.Module, output: Output) -> None:
        super().__init__()
        self.model, self.output = model, output

    def forward(self, x: torch.Tensor) -> Any:
        """Return that part of what the model makes of x."""
        result = self.model(x)
        if callable(self.output):
            return self.output(result)
        if isinstance(self.output, str) and not isinstance(result, Mapping):
            return getattr(result, self.output)
        return result[self.output]


def check_model(model: object) -> None:
    """Raise RequestError where something else than a module of torch is given."""
    if isinstance(model, torch.jit.ScriptModule):
        raise RequestError(
            "a TorchScript module cannot be looked into (torch has deprecated it): give the "
            "module that it was made of, with its weights by load_state_dict"
        )
    if isinstance(model, torch.nn.Module):
        if any(isinstance(p, UninitializedParameter) for p in model.parameters()):
            raise RequestError(
                "a lazy module has no weights yet: call the model once on some samples, then give "
                "it"
            )
        return
    if isinstance(model, Mapping):
        raise RequestError(
            "a state dict holds weights and no network: make the model, then "
            "model.load_state_dict(weights), and give the model"
        )
    if callable(model):
        wrapper = WRAPPER.format(body="self.model(x)")
        raise RequestError(
            "a detector needs a torch.nn.Module, not a function: Detector.of(function) asks one of "
            f"NumPy arrays; one of tensors keeps its gradient in a module: {wrapper}"
        )
    raise RequestError(
        f"a detector needs a torch.nn.Module, not a {type(model).__name__}: Detector.of takes what "
        "scikit-learn has fitted, and functions x -> x̂ on NumPy arrays"
    )


class _Detaching(TorchFunctionMode):
    """Lets tensors with a graph be copied, wherever they are held: without it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run a function of torch; a copy of what has a graph is a detached one."""
        if func is torch.Tensor.__deepcopy__ and not args[0].is_leaf:
            return args[0].detach().clone()
        return func(*args, **(kwargs or {}))


def copied(model: torch.nn.Module) -> torch.nn.Module:
    """Return a deep copy of a model; what it holds with a graph (a loss kept for later, a weight
    that is computed before each call, a list of these) is copied without it.
    """
    with _Detaching():
        return copy.deepcopy(model)


def with_plain_weights(model: torch.nn.Module) -> torch.nn.Module:
    """Return a copy of a model whose weights were made in inference mode, in which autograd can use
    them; any other model itself.
    """
    if not any(t.is_inference() for t in (*model.parameters(), *model.buffers())):
        return model
    with torch.inference_mode(False):
        return copied(model)


def found_output(result: object, shape: torch.Size) -> Output | None:
    """Return where in a result the one tensor of this shape is; None unless it is just one."""
    places = [place for place, part in _parts(result) if _fits(part, shape)]
    return places[0] if len(places) == 1 else None


def refusal(result: object, shape: torch.Size) -> RequestError:
    """Return the error for a result in which x̂ is not to be found: it shows what to write."""
    wanted = f"an autoencoder returns the shape it is given, {tuple(shape)}"
    if isinstance(result, torch.Tensor):
        got = f"this one {tuple(result.shape)}"
        if result.numel() == shape.numel():
            way = f"output=lambda x_hat: x_hat.reshape(-1, *{tuple(shape[1:])})"
            return RequestError(f"{wanted}, {got}: flattened? Detector(model, {way})")
        return RequestError(f"{wanted}: {tuple(shape)} came out as {tuple(result.shape)}")
    parts = ", ".join(f"{place!r}: {_said(part)}" for place, part in _parts(result))
    kind = type(result).__name__
    way = "say which is x̂: Detector(model, output=0), output='name', or output=function"
    return RequestError(f"{wanted}, this one a {kind} ({parts or 'without tensors'}): {way}")


def takes_more(error: TypeError) -> RequestError:
    """Return the error for a model whose forward takes more than x."""
    wrapper = WRAPPER.format(body="self.model(x, ...)")
    return RequestError(
        f"the model takes more than x or not like that ({error}); wrap it: {wrapper}"
    )


def _parts(result: object) -> Iterator[tuple[Output, object]]:
    """Yield the places and parts of a tuple, list, mapping or dataclass."""
    if isinstance(result, Mapping):
        yield from ((str(name), part) for name, part in result.items())
    elif isinstance(result, tuple | list):
        yield from enumerate(result)
    elif is_dataclass(result):
        yield from ((part.name, getattr(result, part.name)) for part in fields(result))


def _fits(part: object, shape: torch.Size) -> bool:
    return isinstance(part, torch.Tensor) and part.shape == shape


def _said(part: object) -> str:
    return str(tuple(part.shape)) if isinstance(part, torch.Tensor) else type(part).__name__


GATES = 5  # of a fused LSTM: four, before and after their activations, stay inside


class Counting(TorchDispatchMode):
    """Adds up the bytes of all tensors that operations make, inside modules and outside of them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation, and count what it returns unless that lies where an argument lies."""
        result = func(*args, **(kwargs or {}))
        times = GATES if "rnn_layer" in func.name() else 1
        given = {_place(t) for t in tree_leaves([args, kwargs]) if isinstance(t, torch.Tensor)}
        for made in tree_leaves(result):
            if isinstance(made, torch.Tensor) and _place(made) not in given:
                self.bytes += times * made.numel() * made.element_size()
        return result


def _place(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


@contextmanager
def whole_attention() -> Iterator[None]:
    """Keep torch from taking the short way through attention, whose inside cannot be seen."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def activation_bytes(forward: Callable[[], object]) -> int:
    """Return the bytes of all tensors that a forward pass makes."""
    counting = Counting()
    with torch.no_grad(), whole_attention(), counting:
        forward()
    return counting.bytes
