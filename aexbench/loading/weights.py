"""Weights of a network from a file: tensors alone, never pickled objects."""

from __future__ import annotations

import pickle
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch

from aexbench.errors import RequestError, line

INSIDE = ("state_dict", "model_state_dict")  # where checkpoints keep a network's tensors
WRAPPERS = ("module.", "_orig_mod.")  # names that DataParallel and torch.compile put in front
SHOWN = 3  # names in a message
REFUSED, GARBAGE = "Weights only load failed", "Unsupported operand"  # in the words of torch

State = Mapping[str, torch.Tensor]


def load_into(model: torch.nn.Module, path: Path) -> None:
    """Load a file's tensors into a module, each by its name and of its shape.

    Raises
    ------
    RequestError
        If the file holds something else, or other tensors: one line that names them.
    """
    state = _unwrapped(read(path), model.state_dict().keys())
    if complaint := _mismatch(model.state_dict(), state):
        raise RequestError(f"{path.name} does not fit {type(model).__name__}: {complaint}")
    try:
        model.load_state_dict(state)
    except (RuntimeError, ValueError) as error:  # state of its own, beside tensors
        reason = " ".join(str(error).split())[:300]
        raise RequestError(f"{path.name} does not fit: {reason}") from error


def read(path: Path) -> State:
    """Return the tensors of a safetensors file, or of a state dict that torch has saved."""
    if not path.is_file():
        raise RequestError(f"there is no file {path} of weights")
    if path.suffix == ".safetensors":
        return _safetensors(path)
    held = _tensors_of(_unpickled(path))
    if held is None:
        raise RequestError(f"{path.name} holds no state dict: torch.save(model.state_dict(), FILE)")
    return held


def _safetensors(path: Path) -> State:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise RequestError(f"{path.name} is no safetensors file: {line(error)}") from None


def _unpickled(path: Path) -> Any:
    """Return what torch reads of a file without running anything in it."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of damaged files, of any kind
        if isinstance(error, pickle.UnpicklingError) and _is_refusal(str(error)):
            raise MoreError(
                f"{path.name} holds more than tensors, and reading that would run code of the "
                "file: where it was made, torch.save(model.state_dict(), FILE), and give that"
            ) from error
        raise RequestError(f"{path.name} is damaged, or no file of torch: {line(error)}") from error


def _is_refusal(said: str) -> bool:
    """Whether torch would have to run code of the file; bytes that are no pickle it cannot read."""
    return REFUSED in said and GARBAGE not in said


class MoreError(RequestError):
    """A file holds objects beside tensors."""


def _tensors_of(held: object) -> State | None:
    """Return a state dict, or the one that a checkpoint holds; None where there is none."""
    if not isinstance(held, Mapping):
        return None
    inside = (held[name] for name in INSIDE if isinstance(held.get(name), Mapping))
    state: Mapping[Any, Any] = next(inside, held)
    tensors = {str(name): value for name, value in state.items() if _is_state(name, value)}
    return tensors if tensors and len(tensors) == len(state) else None


def _unwrapped(state: State, known: Collection[str]) -> State:
    """Return tensors without the names that a wrapper has put in front, where it has."""
    if state.keys() <= set(known):
        return state
    for wrapper in WRAPPERS:
        if state and all(name.startswith(wrapper) for name in state):
            inside = {name.removeprefix(wrapper): value for name, value in state.items()}
            return _unwrapped(inside, known)
    return state


def _is_state(name: object, value: object) -> bool:
    return isinstance(value, torch.Tensor) or str(name).endswith("_extra_state")


def _mismatch(own: Mapping[str, Any], state: State) -> str:
    """Return how names and shapes differ, in words; nothing where they do not."""
    shapes = [
        f"{name} is {tuple(state[name].shape)} and not {tuple(own[name].shape)}"
        for name in own.keys() & state.keys()
        if _shape(state[name]) != _shape(own[name])
    ]
    lacking = [f"it lacks {_listed(own.keys() - state.keys())}"]
    unknown = [f"it has {_listed(state.keys() - own.keys())} too"]
    said = lacking * bool(own.keys() - state.keys()) + unknown * bool(state.keys() - own.keys())
    return "; ".join([*said, *sorted(shapes)[:SHOWN]])


def _shape(value: Any) -> Any:
    """Return a tensor's shape; None where it is known only once the first samples come."""
    uninitialized = torch.nn.parameter.is_lazy(value)
    return None if uninitialized else getattr(value, "shape", None)


def _listed(names: set[str]) -> str:
    shown = sorted(names)[:SHOWN]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(shown) + more
