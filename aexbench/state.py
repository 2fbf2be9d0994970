"""What a call may leave changed: of a detector's model, and of the process.

The door looks at it around every call, `running.kept` around every cell, and `soundness` around one
call of the model itself: what that changes (a counter, a loss kept for later, a random state) is
the model's own, and nobody else's fault.
"""

from __future__ import annotations

import os
import random
import sys
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch.nn.modules import module as modules

if TYPE_CHECKING:
    from aexbench.detector import Detector

Key = tuple[str, str]  # what, and where in the model
TENSORS, ATTRIBUTES = "the model's weights or buffers", "the model's modules, modes or hooks"
INTERNAL = {"own", "_seen", "_chunks", "_reference"}  # a detector's notes
PARTS = ("_parameters", "_buffers", "_modules")
MOST_MEMBERS = 100  # of a collection that is looked into
PLAIN = {bool, int, float, complex, str, bytes, type(None)}
COLLECTIONS = {dict, OrderedDict, list, tuple, set}
GLOBAL_HOOKS = (
    modules._global_forward_hooks,
    modules._global_forward_pre_hooks,
    modules._global_backward_hooks,
    modules._global_backward_pre_hooks,
)


class Setting(NamedTuple):
    """Something of the process that is set for all: its name, how to read it, and to set it."""

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object]


def _numpy_state() -> tuple[Any, ...]:
    name, words, *place = np.random.get_state()
    return (name, np.asarray(words).tobytes(), *place)


def _set_numpy_state(state: tuple[Any, ...]) -> None:
    name, words, *place = state
    np.random.set_state((name, np.frombuffer(words, dtype=np.uint32), *place))


def _environment() -> dict[str, str]:
    return dict(os.environ)


def _set_environment(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


def _hooks() -> list[dict[int, Any]]:
    return [dict(hooks) for hooks in GLOBAL_HOOKS]


def _set_hooks(known: list[dict[int, Any]]) -> None:
    for hooks, own in zip(GLOBAL_HOOKS, known, strict=True):
        hooks.clear()
        hooks.update(own)


def _device() -> torch.device:
    """Return where new tensors lie. (torch 2.9 has no answer once its default was taken back.)"""
    return torch.empty(0).device


def _set_device(device: torch.device) -> None:
    torch.set_default_device(None if device.type == "cpu" else device)


def _set_streams(streams: tuple[Any, Any]) -> None:
    sys.stdout, sys.stderr = streams


def _set_filters(filters: list[Any]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]
    with warnings.catch_warnings():  # its end forgets what was shown under other filters
        pass


def _set_anomaly(detect: bool) -> None:
    torch.autograd.set_detect_anomaly(detect)


def _set_path(path: list[str]) -> None:
    sys.path[:] = path


RANDOM = (
    Setting(
        "the random state of torch",
        lambda: torch.random.get_rng_state().numpy().tobytes(),
        lambda state: torch.random.set_rng_state(_bytes(state)),
    ),
    Setting("the random state of numpy", _numpy_state, _set_numpy_state),
    Setting("the random state of Python", random.getstate, random.setstate),
)
TORCH = (
    Setting("torch's default type", torch.get_default_dtype, torch.set_default_dtype),
    Setting("torch's default device", _device, _set_device),
    Setting("torch's gradient mode", torch.is_grad_enabled, torch.set_grad_enabled),
    Setting("torch's number of threads", torch.get_num_threads, torch.set_num_threads),
    Setting(
        "torch's precision of products",
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
    ),
    Setting(
        "whether torch is deterministic",
        torch.get_deterministic_debug_mode,
        torch.set_deterministic_debug_mode,
    ),
    Setting("torch's hooks of all modules", _hooks, _set_hooks),
)
OTHERS = (
    Setting("the filters of warnings", lambda: list(warnings.filters), _set_filters),
    Setting("whether autograd detects anomalies", torch.is_anomaly_enabled, _set_anomaly),
    Setting(
        "how numpy prints",
        lambda: {k: v for k, v in np.get_printoptions().items() if k != "override_repr"},
        lambda known: np.set_printoptions(**known),
    ),
    Setting("what numpy does about errors", np.geterr, lambda known: np.seterr(**known)),
    Setting("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
    Setting("where print writes", lambda: (sys.stdout, sys.stderr), _set_streams),
    Setting("the path of modules", lambda: list(sys.path), _set_path),
    Setting("the current folder", os.getcwd, os.chdir),
    Setting("the environment", _environment, _set_environment),
)
PROCESS = (*RANDOM, *TORCH, *OTHERS)


def exact_convolutions(exact: bool = True) -> bool:
    """Let convolutions on a GPU have float32's precision, and return whether they had it. What
    torch starts with has ten bits: a sample's error then depends by 3e-4 on its batch.
    """
    before = not torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = not exact
    return before


@contextmanager
def as_usual() -> Iterator[None]:
    """Run a block as if nobody had changed torch's modes around it: no inference mode, no autocast,
    new tensors on the CPU unless said otherwise; and with exact convolutions.
    """
    with ExitStack() as stack:
        stack.callback(exact_convolutions, exact_convolutions())
        stack.enter_context(torch.inference_mode(False))
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        if _device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        yield


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Run a block with torch's random state of a device, and of the CPU, as a seed has it; as they
    were afterwards. Other devices keep theirs.
    """
    gpus = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        torch.default_generator.manual_seed(seed)
        for gpu in gpus:
            with torch.cuda.device(gpu):
                torch.cuda.manual_seed(seed)
        yield


def random_state_of(device: torch.device) -> tuple[Setting, ...]:
    """Return the random state of a CUDA device as a setting; none of another one."""
    if device.type != "cuda":
        return ()
    return (
        Setting(
            "the random state of CUDA",
            lambda: torch.cuda.get_rng_state(device).numpy().tobytes(),
            lambda state: torch.cuda.set_rng_state(_bytes(state), device),
        ),
    )


def _bytes(state: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(state), dtype=torch.uint8)


def marks(detector: Detector) -> dict[Key, Any]:
    """Return what a call may not change of the model, the random states and torch."""
    return of_detector(detector) | of_process((*RANDOM, *TORCH, *random_state_of(detector.device)))


def of_process(settings: tuple[Setting, ...] = PROCESS) -> dict[Key, Any]:
    """Return the process's settings as they are."""
    return {(setting.name, ""): setting.read() for setting in settings}


def of_detector(detector: Detector) -> dict[Key, Any]:
    """Return marks of a detector and of its model, cheap enough for every call.

    A tensor is known by its place and its version, which every change counts but one through
    `.data`; an object by its place, a collection by those of its members.
    """
    found: dict[Key, Any] = {
        (f"the detector's {name}", ""): mark(value)
        for name, value in vars(detector).items()
        if name not in INTERNAL
    }
    for place, module in detector.model.named_modules():
        for name, value in vars(module).items():
            nothing = value is None or (type(value) in COLLECTIONS and not value)
            if not nothing and name not in PARTS:  # most are hooks, and empty
                found[ATTRIBUTES, _at(place, name)] = mark(value)
        for name, child in module._modules.items():
            found[ATTRIBUTES, _at(place, name)] = id(child)
        for name, tensor in tensors(module):
            found[TENSORS, _at(place, name)] = (_version(tensor), tensor.requires_grad)
    return found


def tensors(module: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the names and tensors of a module's own parameters, buffers and attributes."""
    attributes = {n: v for n, v in vars(module).items() if isinstance(v, torch.Tensor)}
    for part in (module._parameters, module._buffers, attributes):
        for name, tensor in part.items():
            if tensor is not None:
                yield name, tensor


def mark(value: Any, depth: int = 3) -> Any:
    """Return what is another one where an attribute has changed."""
    kind = type(value)
    if kind in PLAIN:
        return value
    if kind in COLLECTIONS or isinstance(value, dict | list | tuple | set):
        if not value or not depth or len(value) > MOST_MEMBERS:
            return id(value), len(value)
        members = [*value, *value.values()] if isinstance(value, dict) else value
        return id(value), tuple(mark(member, depth - 1) for member in members)
    return _version(value) if isinstance(value, torch.Tensor) else id(value)


def changed(before: dict[Key, Any], after: dict[Key, Any]) -> set[Key]:
    """Return what has changed, come or gone."""
    if before == after:
        return set()
    missing = object()
    return {
        key
        for key in before | after
        if not _same(before.get(key, missing), after.get(key, missing))
    }


def _same(one: Any, other: Any) -> bool:
    return one is other or bool(one == other)


def _version(tensor: torch.Tensor) -> tuple[int, int, int]:
    version = 0 if tensor.is_inference() else tensor._version  # what inference mode made has none
    return id(tensor), tensor.data_ptr(), version


def _at(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
