"""A model at fresh initial weights, for untrained twins: every parameter is drawn anew.

Modules draw their own, by `reset_parameters` (attention: `_reset_parameters`). Where a weight is
computed from others before each call (weight and spectral norm, orthogonal, pruned), what it is
computed from is set, not the result, which the next call would replace by the trained one. What has
no initialiser is redrawn with the mean and the spread of the trained values, and the twin's report
says so (`redrawn`). A frozen parameter is drawn like any other: most are frozen after training. A
twin in which a parameter stays trained is no twin: it is skipped by name.

Buffers that a reset does not write (running statistics are written) are kept: nothing tells a
trained one (a codebook that follows a mean, a basis found in closed form) from a constant of the
network (positions, a mask, the scale of its inputs), and constants are far more common. A twin
without its constants is worse than an untrained network, which would favour the explainer; one that
keeps something trained scores higher, which counts against it. So that this can be judged, the
report names what could be trained (`kept`): what is saved with the weights and differs within
itself. Detector(..., fresh=function) makes these anew too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from aexbench.errors import SkipError
from aexbench.models import Picking, copied

if TYPE_CHECKING:
    from aexbench.detector import Detector


STEPS = 30  # of the power iteration after which spectral norm's vectors belong to the weights


def initial(detector: Detector) -> Detector:
    """Return a detector around a model at initial weights, drawn from torch's random state.

    Raises
    ------
    SkipError
        If a parameter would stay as it was trained.
    """
    if detector.fresh is not None:
        return detector.with_model(_fresh(detector))
    model = copied(detector.model).cpu()  # where all devices draw the same
    before = Before(model)
    _visit(model, before)
    redrawn = [n for n in before.parameters() if _initialiser(before.owner(n)) is None]
    for name in redrawn:
        _redraw(model.get_parameter(name))
    _refuse_trained(before, redrawn)
    for module in model.modules():
        _settle(module)
    _forget_statistics(before)
    said = {"redrawn": redrawn, "kept": _kept(before)}
    twin = detector.with_model(model.to(detector.device))
    twin.report = {**twin.report, **{key: names for key, names in said.items() if names}}
    return twin


def _refuse_trained(before: Before, redrawn: list[str]) -> None:
    """Raise SkipError where a parameter is as it was trained."""
    left = before.parameters()
    left += [name for name in redrawn if before.unchanged(name)]  # it had no spread
    if left:
        raise SkipError(
            f"no initial weights: {', '.join(left[:3])} would stay trained; give Detector(..., "
            "fresh=function) that makes the model anew"
        )


def _fresh(detector: Detector) -> torch.nn.Module:
    """Return what a detector's `fresh` makes."""
    assert detector.fresh is not None
    model = detector.fresh()
    if not isinstance(model, torch.nn.Module):
        raise SkipError(f"fresh returns a {type(model).__name__}: it must make a torch.nn.Module")
    if isinstance(detector.model, Picking) and not isinstance(model, Picking):
        model = Picking(model, detector.model.output)
    return model.to(detector.device, detector.dtype).eval()


class Was(NamedTuple):
    """A tensor as it was, to see whether it has been written or replaced since."""

    version: int
    value: torch.Tensor

    @classmethod
    def of(cls, tensor: torch.Tensor) -> Was:
        """Return a tensor as it is now."""
        return cls(tensor._version, tensor.detach().clone())

    def same(self, now: torch.Tensor) -> bool:
        """Whether the tensor at its place has the value that it had."""
        return torch.equal(now.to_dense(), self.value.to_dense())

    def untouched(self, now: torch.Tensor) -> bool:
        """Whether nobody has written the tensor at its place, with the same values or others."""
        return now._version == self.version and self.same(now)


class Before:
    """The parameters and buffers of a model as they were, to see which are written since."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model
        parameters = model.named_parameters(remove_duplicate=False)
        buffers = model.named_buffers(remove_duplicate=False)
        self._were = {
            name: Was.of(tensor)
            for name, tensor in (*parameters, *buffers)
            if tensor.is_floating_point() or tensor.is_complex()
        }

    def parameters(self) -> list[str]:
        """Return the names of the parameters that nobody has written."""
        return [name for name, p in self.model.named_parameters() if self._untouched(name, p)]

    def buffers(self) -> list[str]:
        """Return the names of the buffers that nobody has written."""
        return [name for name, b in self.model.named_buffers() if self._untouched(name, b)]

    def _untouched(self, name: str, now: torch.Tensor) -> bool:
        return name in self._were and self._were[name].untouched(now)

    def owner(self, name: str) -> torch.nn.Module:
        """Return the module that has a parameter or buffer."""
        return self.model.get_submodule(name.rpartition(".")[0])

    def unchanged(self, name: str) -> bool:
        """Whether a parameter has the value that it had."""
        return self._were[name].same(self.model.get_parameter(name))

    def all_written(self, module: torch.nn.Module) -> bool:
        """Whether a module has parameters, in it or below it, and all are written."""
        own = {id(p) for p in module.parameters()}
        left = {id(self.model.get_parameter(name)) for name in self.parameters()}
        return bool(own) and not own & left


def _visit(module: torch.nn.Module, before: Before) -> None:
    """Let a module draw its initial weights, then those of its parts that it has left out."""
    if parametrize.is_parametrized(module):
        _reset_parametrized(module)
    else:
        _reset(module)
    for child in module.children():
        if not before.all_written(child):
            _visit(child, before)


def _initialiser(module: torch.nn.Module) -> Callable[[], object] | None:
    """Return the method by which a module draws its initial weights, or None."""
    for name in ("reset_parameters", "_reset_parameters"):
        if callable(method := getattr(module, name, None)):
            found: Callable[[], object] = method
            return found
    return None


def _reset(module: torch.nn.Module) -> None:
    """Let a module draw its initial weights, if it can, and set what hooks compute them from."""
    if (reset := _initialiser(module)) is None:
        return
    sources = _sources(module)
    were = {name: Was.of(getattr(module, name)) for name in sources}
    _draw(reset)
    for name, source in sources.items():
        weight = getattr(module, name)
        if not were[name].untouched(weight):  # else it is the trained one: its source was drawn
            getattr(module, source).copy_(weight)
    for hook in _hooks(module):
        if isinstance(hook, WeightNorm):  # the length with which a layer starts is that of v
            length = torch.norm_except_dim(getattr(module, f"{hook.name}_v"), 2, hook.dim)
            getattr(module, f"{hook.name}_g").copy_(length)


def _sources(module: torch.nn.Module) -> dict[str, str]:
    """Return what hooks compute before each call, each with the parameter that it is made from."""
    made = {h.name: f"{h.name}_v" for h in _hooks(module) if isinstance(h, WeightNorm)}
    originals = [name for name in module._parameters if name.endswith("_orig")]
    made |= {name.removesuffix("_orig"): name for name in originals}  # spectral norm, pruning
    return {n: source for n, source in made.items() if hasattr(module, n)}


def _hooks(module: torch.nn.Module) -> list[Callable[[torch.nn.Module, object], object]]:
    """Return a module's hooks that compute weights."""
    known = WeightNorm | SpectralNorm | BasePruningMethod
    return [hook for hook in module._forward_pre_hooks.values() if isinstance(hook, known)]


def _draw(reset: Callable[[], object]) -> None:
    try:
        reset()
    except TypeError as error:  # it wants arguments
        raise SkipError(
            f"no initial weights: {error}; give Detector(..., fresh=function) that makes the model "
            "anew"
        ) from None


def _reset_parametrized(module: torch.nn.Module) -> None:
    """Draw the weights of a module without its parametrizations, and give them to these."""
    names = list(module.parametrizations)  # type: ignore[arg-type]
    plain = _without_parametrizations(module, names)
    before = Before(plain)
    _reset(plain)
    left = before.parameters()
    for name, value in plain.named_parameters(recurse=False):
        if name in left:
            continue
        if name not in names:
            getattr(module, name).copy_(value)
            continue
        with suppress(NotImplementedError, RuntimeError, ValueError):  # no way back from a weight:
            setattr(module, name, value.detach().clone())  # what it is made of is then redrawn


def _without_parametrizations(module: torch.nn.Module, names: list[str]) -> torch.nn.Module:
    """Return a copy of a module whose weights are parameters of their own, of its plain class."""
    plain = copied(module)
    plain.__class__ = type(module).__bases__[0]
    del plain._modules["parametrizations"]
    for name in names:
        weight = torch.nn.Parameter(getattr(module, name).detach().clone())
        plain.register_parameter(name, weight)
    return plain


def _redraw(parameter: torch.Tensor) -> None:
    """Draw a parameter anew with the mean and the spread of its trained values."""
    values = torch.view_as_real(parameter) if parameter.is_complex() else parameter
    spread, mean = torch.std_mean(values.double(), correction=0)
    values.normal_(float(mean), float(spread))


def _settle(module: torch.nn.Module) -> None:
    """Let what is computed from the weights follow them: spectral norm's vectors take one step at
    each use in training.
    """
    weights = list(module.parametrizations) if parametrize.is_parametrized(module) else []  # type: ignore[arg-type]
    hooks = _hooks(module)
    if not weights and not hooks:
        return
    mode = module.training
    module.train()
    for _ in range(STEPS):
        for name in weights:
            getattr(module, name)
        for hook in hooks:
            hook(module, ())
    module.train(mode)


def _forget_statistics(before: Before) -> None:
    """Reset running statistics that a reset has left, as of a layer whose model draws its
    weights.
    """
    for name in before.buffers():
        if callable(reset := getattr(before.owner(name), "reset_running_stats", None)):
            reset()


def saved_buffers(model: torch.nn.Module, recurse: bool = True) -> Iterator[torch.Tensor]:
    """Yield the buffers that are saved with a model's weights, each once; with those of its parts
    or without.
    """
    saved = model.state_dict(keep_vars=True)
    buffers = model.named_buffers(recurse=recurse)
    yield from (buffer for name, buffer in buffers if name in saved)


def _kept(before: Before) -> list[str]:
    """Return the names of the buffers that keep their values and could have been trained."""
    return [name for name in before.buffers() if _could_be_trained(before.owner(name), name)]


def _could_be_trained(owner: torch.nn.Module, name: str) -> bool:
    """Whether a buffer is saved with the weights and its elements differ."""
    own = name.rpartition(".")[2]
    values = owner.get_buffer(own).to_dense().flatten()
    return own not in owner._non_persistent_buffers_set and bool((values != values[:1]).any())
