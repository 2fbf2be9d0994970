"""What is shared stays as it is: after every cell, what its plugins have changed is put back.

The door checks one call; this sees what a call through `.data`, a constructor or a repetition for
the timing has left behind. The cell that did it fails and says what it changed; the others score as
without it. What the model itself changes when it is called, and what a library does to the process
when it is imported first (shap sets variables of the environment, lime draws random numbers), is
put back too, and is no fault of the cell.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch

from aexbench import state
from aexbench.detector import Detector


class Lent(Protocol):
    """Rows that are lent."""

    def put_back(self) -> bool:
        """Make them as they were, and return whether they were not."""
        ...


@contextmanager
def kept(
    detector: Detector, who: str = "the explainer", lent: Lent | None = None
) -> Iterator[None]:
    """Put back what the block changes of a detector, of the process and of the background that it
    was lent, and raise where it did.

    An exception of the block passes, once everything is put back.

    Raises
    ------
    ValueError
        If `who` has changed something.
    """
    known, settings = len(sys.modules), _settings(detector)
    process, model = state.of_process(settings), Snapshot(detector)
    code = Code(detector)
    try:
        yield
    finally:
        changed = model.put_back()
        changed |= code.put_back() if len(sys.modules) == known else set()  # imports may patch
        if lent is not None and lent.put_back():
            changed.add(("the background", ""))
        by_imports = _put_back(settings, process)
    if len(sys.modules) == known:
        changed |= by_imports
    if names := sorted({name for name, _ in changed - detector.own}):
        raise ValueError(f"{who} changed {', '.join(names)}; it was put back")


@contextmanager
def kept_process(who: str) -> Iterator[None]:
    """Put back what the block changes of the process alone, and raise where it did."""
    known, process = len(sys.modules), state.of_process()
    try:
        yield
    finally:
        changed = _put_back(state.PROCESS, process)
    if changed and len(sys.modules) == known:
        names = ", ".join(sorted(name for name, _ in changed))
        raise ValueError(f"{who} changed {names}; it was put back")


def _settings(detector: Detector) -> tuple[state.Setting, ...]:
    return (*state.PROCESS, *state.random_state_of(detector.device))


def _put_back(settings: tuple[state.Setting, ...], process: dict[state.Key, Any]) -> set[state.Key]:
    """Set what is not as it was, and return what that is."""
    changed = state.changed(process, state.of_process(settings))
    for setting in settings:
        if (setting.name, "") in changed:
            setting.write(process[setting.name, ""])
    return changed


class Snapshot:
    """A detector and its model as they are, with the values of all tensors."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self.marks = _marks(detector)
        self.owners = [detector, *detector.model.modules()]
        self.attributes = [_copied(vars(owner)) for owner in self.owners]
        self.values = [
            (at, tensor, tensor.detach().clone(), tensor.requires_grad)
            for at, tensor in _tensors(detector.model)
        ]
        self.gradients = [(p, _copy_of(p.grad)) for p in detector.model.parameters()]

    def put_back(self) -> set[state.Key]:
        """Make everything as it was, and return what was not."""
        changed = state.changed(self.marks, _marks(self.detector))
        changed |= {(state.TENSORS, at) for at, now, value, _ in self.values if _other(now, value)}
        if changed:
            for owner, own in zip(self.owners, self.attributes, strict=True):
                _fill(vars(owner), own)
            self._write_tensors()
        for parameter, gradient in self.gradients:  # backward leaves some, and harms nobody here
            parameter.grad = gradient
        return changed

    def _write_tensors(self) -> None:
        with torch.inference_mode(False), torch.no_grad():
            for _, tensor, value, flag in self.values:
                if _other(tensor, value):
                    _write(tensor, value)
                if tensor.requires_grad != flag:
                    tensor.requires_grad_(flag)


def _copy_of(gradient: torch.Tensor | None) -> torch.Tensor | None:
    return None if gradient is None else gradient.detach().clone()


def _marks(detector: Detector) -> dict[state.Key, Any]:
    """Return a detector's marks, with tensors by their place alone: their values are compared."""
    found = state.of_detector(detector)
    at_place = {(state.TENSORS, at): (id(t), t.requires_grad) for at, t in _tensors(detector.model)}
    return {key: mark for key, mark in found.items() if key[0] != state.TENSORS} | at_place


def _tensors(model: torch.nn.Module) -> list[tuple[str, torch.Tensor]]:
    """Return all tensors that a model's modules hold, with their names."""
    return [
        (f"{place}.{name}".strip("."), tensor)
        for place, module in model.named_modules()
        for name, tensor in state.tensors(module)
    ]


class Code:
    """What the classes of a detector and its model, and torch's functions, are made of."""

    def __init__(self, detector: Detector) -> None:
        kinds = [type(detector), *map(type, detector.model.modules())]
        owners = {owner for kind in kinds for owner in kind.__mro__ if owner is not object}
        self.known: dict[Any, dict[str, Any]] = {
            owner: _members(owner) for owner in (*owners, torch.nn.functional)
        }

    def put_back(self) -> set[state.Key]:
        """Make everything as it was, and return what was not."""
        changed = set()
        for owner, known in self.known.items():
            now = _members(owner)
            for name in now.keys() | known.keys():
                if now.get(name) is known.get(name):
                    continue
                changed.add((f"{owner.__name__}.{name}", ""))
                if name in known:
                    setattr(owner, name, known[name])
                else:
                    delattr(owner, name)
        return changed


def _members(owner: Any) -> dict[str, Any]:
    """Return a class's or module's own functions and settings."""
    special = ("__call__", "__init__", "__getattr__", "__setattr__", "__getattribute__")
    return {n: v for n, v in vars(owner).items() if n[:2] != "__" or n in special}


Attributes = dict[str, tuple[Any, Any]]  # by name: the value, and a copy of a collection


def _copied(attributes: dict[str, Any]) -> Attributes:
    return {
        name: (value, copy.copy(value) if isinstance(value, dict | list | set) else None)
        for name, value in attributes.items()
        if name not in state.INTERNAL
    }


def _fill(attributes: dict[str, Any], own: Attributes) -> None:
    """Give an object the attributes that it had, and its collections what they held."""
    for name in attributes.keys() - own.keys() - state.INTERNAL:
        del attributes[name]
    for name, (value, members) in own.items():
        attributes[name] = value
        if isinstance(value, dict | set):
            value.clear()
            value.update(members)
        elif isinstance(value, list):
            value[:] = members


def _other(tensor: torch.Tensor, value: torch.Tensor) -> bool:
    """Whether a tensor is another one than a copy that was made of it."""
    if (tensor.shape, tensor.dtype, tensor.device) != (value.shape, value.dtype, value.device):
        return True
    return not torch.equal(tensor.nan_to_num(), value.nan_to_num())


def _write(tensor: torch.Tensor, value: torch.Tensor) -> None:
    if (tensor.shape, tensor.dtype, tensor.device) == (value.shape, value.dtype, value.device):
        tensor.copy_(value)
    else:
        tensor.data = value
