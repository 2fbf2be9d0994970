"""What a plugin must leave as it was: random states, and a model with all that is its."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def random_states_changed(call: Callable[[], object]) -> str:
    """Return which of the global random states a call changes, as the problem of a rule.

    >>> random_states_changed(lambda: np.random.default_rng(0).random())
    ''
    """
    with _stirred():
        before = _random_states()
        call()
        after = _random_states()
    changed = [name for name in before if not np.array_equal(before[name], after[name])]
    if not changed:
        return ""
    return f"changes the random state of {', '.join(changed)}: use a generator of its own"


def model_changed(model: torch.nn.Module, call: Callable[[], object]) -> str:
    """Return what of a model in training mode a call changes, as the problem of a rule."""
    with _training(model):
        before = _state(model)
        call()
        after = _state(model)
    changed = [key for key in before if not _equal(before[key], after.get(key))]
    changed += [key for key in after if key not in before]
    return f"changes the model: {', '.join(changed[:3])}" if changed else ""


def _random_states() -> dict[str, Any]:
    _, words, *place = np.random.get_state()  # one draw moves the place alone
    return {
        "torch": torch.random.get_rng_state(),
        "numpy": np.append(words, place),
        "random": random.getstate()[1],
    }


@contextmanager
def _stirred() -> Iterator[None]:
    """Put the random states where no seed leads for a while: who has set one before is seen too."""
    of_numpy, of_random = np.random.get_state(), random.getstate()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.seed()
        np.random.seed()
        random.seed()
        try:
            yield
        finally:
            np.random.set_state(of_numpy)
            random.setstate(of_random)


@contextmanager
def _training(model: torch.nn.Module) -> Iterator[None]:
    """Put a model in training mode for a while: a plugin must give back what it was given."""
    modes = {module: module.training for module in model.modules()}
    model.train()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _state(model: torch.nn.Module) -> dict[str, Any]:
    """Return all that a plugin could change of a model."""
    state: dict[str, Any] = {
        name: buffer.detach().clone() for name, buffer in model.named_buffers()
    }
    for name, parameter in model.named_parameters():
        gradient = None if parameter.grad is None else parameter.grad.clone()
        state |= {
            name: parameter.detach().clone(),
            f"{name}.requires_grad": parameter.requires_grad,
        }
        state[f"{name}.grad"] = gradient
    for name, module in model.named_modules():
        hooks = (
            module._forward_hooks,
            module._forward_pre_hooks,
            module._backward_hooks,
            module._backward_pre_hooks,
        )
        state |= {
            f"hooks of {name}": [len(kind) for kind in hooks],
            f"{name} attributes": sorted(module.__dict__),
        }
        state |= {f"{name}.{key}": value for key, value in module.__dict__.items() if _plain(value)}
    return state


def _plain(value: Any) -> bool:
    """Whether a value is a number, a string, a truth value, nothing, or a tuple of such."""
    return (
        all(map(_plain, value))
        if isinstance(value, tuple)
        else isinstance(value, str | complex | float | int | None)
    )


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    return type(one) is type(other) and bool(one == other)
