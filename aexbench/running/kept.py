"""What is shared stays as it is: after every cell, what its explainer has changed is put back.

The door checks one call; this sees what a call through `.data`, a constructor or a repetition for
the timing has left behind. The cell that did it fails and says what it changed; the others score as
without it. What a library does to the process when it is imported first (shap sets variables of the
environment, lime draws random numbers) is put back too, and is no fault of the cell that needs it.
"""

from __future__ import annotations

import copy
import os
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from aexbench.detector import Detector


@dataclass(frozen=True)
class Thing:
    """Something that is shared: its name, what it is now, and how to put it back."""

    name: str
    value: Any
    read: Callable[[], Any]
    write: Callable[[Any], object]


@contextmanager
def kept(detector: Detector) -> Iterator[None]:
    """Put back what the block changes of a detector and of the process, and raise where it did.

    An exception of the block passes, once everything is put back.
    """
    known = len(sys.modules)
    own = [Thing(name, read(), read, write) for name, read, write in _of_detector(detector)]
    process = [Thing(name, read(), read, write) for name, read, write in _of_process()]
    try:
        yield
    finally:
        changed, by_imports = _put_back(own), _put_back(process)
    if len(sys.modules) == known:
        changed += by_imports
    if changed:
        raise ValueError(f"the explainer changed {', '.join(changed)}; it was put back")


def _put_back(things: Sequence[Thing]) -> list[str]:
    """Put back what is not as it was, and return its names."""
    changed = [thing for thing in things if not _same(thing.value, thing.read())]
    for thing in changed:
        thing.write(thing.value)
    return [thing.name for thing in changed]


Access = tuple[str, Callable[[], Any], Callable[[Any], object]]  # a name, a reader and a writer


def _of_detector(detector: Detector) -> Iterator[Access]:
    """Yield what cells share of a detector."""
    model = detector.model
    yield "the detector's model", lambda: detector.model, lambda m: setattr(detector, "model", m)
    yield "the model's weights or buffers", lambda: _tensors(model), lambda t: _write(model, t)
    yield "the model's modes or hooks", lambda: _modules(model), _write_modules
    yield "which weights take gradients", lambda: _flags(model), lambda f: _write_flags(model, f)
    for name in ("loss", "scale", "features"):
        read, write = _attribute(detector, name)
        yield f"the detector's {name}", read, write


def _of_process() -> Iterator[Access]:
    """Yield what cells share of the process."""
    yield "torch's random state", torch.random.get_rng_state, torch.random.set_rng_state
    yield "numpy's random state", _numpy_state, np.random.set_state
    yield "Python's random state", random.getstate, random.setstate
    yield "torch's default type", torch.get_default_dtype, torch.set_default_dtype
    yield "torch's gradient mode", torch.is_grad_enabled, torch.set_grad_enabled
    yield "torch's number of threads", torch.get_num_threads, torch.set_num_threads
    yield "the current folder", os.getcwd, os.chdir
    yield "the environment", lambda: dict(os.environ), _write_environment


def _attribute(owner: object, name: str) -> tuple[Callable[[], Any], Callable[[Any], object]]:
    return lambda: getattr(owner, name), lambda value: setattr(owner, name, value)


def _tensors(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return a copy of every parameter and buffer, also of those that no state dict holds."""
    named = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: tensor.detach().clone() for name, tensor in named.items()}


def _write(model: torch.nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Put values back; a parameter that was replaced or taken away comes back by its name."""
    named = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    with torch.inference_mode(False), torch.no_grad():
        for name, value in tensors.items():
            if name in named and named[name].shape == value.shape:
                named[name].copy_(value)
            else:
                owner, _, own = name.rpartition(".")
                module = model.get_submodule(owner)
                parameter = torch.nn.Parameter(value) if own in module._parameters else value
                setattr(module, own, parameter)


def _modules(model: torch.nn.Module) -> list[tuple[torch.nn.Module, dict[str, Any]]]:
    """Return each module's own attributes but for its tensors: modes, settings, hooks."""
    left_out = ("_parameters", "_buffers", "_modules")
    return [
        (module, {k: copy.copy(v) for k, v in vars(module).items() if k not in left_out})
        for module in model.modules()
    ]


def _write_modules(modules: list[tuple[torch.nn.Module, dict[str, Any]]]) -> None:
    for module, attributes in modules:
        for name in [n for n in vars(module) if n[0] != "_" and n not in attributes]:
            delattr(module, name)
        for name, value in attributes.items():
            vars(module)[name] = copy.copy(value)


def _flags(model: torch.nn.Module) -> list[bool]:
    return [parameter.requires_grad for parameter in model.parameters()]


def _write_flags(model: torch.nn.Module, flags: list[bool]) -> None:
    for parameter, flag in zip(model.parameters(), flags, strict=False):
        parameter.requires_grad_(flag)


def _numpy_state() -> tuple[Any, ...]:
    return tuple(np.random.get_state())


def _write_environment(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same, arrays and tensors by what they hold."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.shape == other.shape and torch.equal(one.nan_to_num(), other.nan_to_num())
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(_same(a, b) for a, b in pairs)
    if isinstance(one, torch.nn.Module):
        return one is other
    try:
        return one is other or bool(one == other)
    except (RuntimeError, TypeError, ValueError):  # compares to something else than a truth value
        return True
