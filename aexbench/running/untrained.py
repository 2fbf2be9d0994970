"""A model at fresh initial weights, for untrained twins: every trainable parameter is drawn anew.

Modules draw their own, by `reset_parameters` (attention: `_reset_parameters`). Where a weight is
computed from others before each call (weight and spectral norm, orthogonal, pruned), what it is
computed from is set, not the result, which the next call would replace by the trained one. What has
no initialiser is redrawn with the mean and the spread of the trained values, and the twin's report
says so. A twin in which something stays trained is no twin: it is skipped by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import torch
from torch.nn.utils import parametrize
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
        If a trainable parameter would stay as it was trained.
    """
    if detector.fresh is not None:
        return detector.with_model(_fresh(detector))
    model = copied(detector.model)
    before = Before(model)
    _visit(model, before)
    redrawn = [name for name, owner in before.unwritten() if _initialiser(owner) is None]
    for name in redrawn:
        _redraw(before.parameters[name])
    left = [name for name, _ in before.unwritten() if name not in redrawn]
    left += [name for name in redrawn if before.unchanged(name)]  # it had no spread
    if left:
        raise SkipError(
            f"no initial weights: {', '.join(left[:3])} would stay trained; give Detector(..., "
            "fresh=function) that makes the model anew"
        )
    twin = detector.with_model(model)
    twin.report = {**twin.report, "redrawn": redrawn} if redrawn else twin.report
    return twin


def _fresh(detector: Detector) -> torch.nn.Module:
    """Return what a detector's `fresh` makes."""
    assert detector.fresh is not None
    model = detector.fresh()
    if not isinstance(model, torch.nn.Module):
        raise SkipError(f"fresh returns a {type(model).__name__}: it must make a torch.nn.Module")
    if isinstance(detector.model, Picking) and not isinstance(model, Picking):
        model = Picking(model, detector.model.output)
    return model.to(detector.device, detector.dtype).eval()


class Before:
    """The trainable parameters of a model as they were, to see which have been written since."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.owners = {
            f"{prefix}.{name}".strip("."): module
            for prefix, module in model.named_modules()
            for name, _ in module.named_parameters(recurse=False)
        }
        self._were = {n: (p._version, p.detach().clone()) for n, p in self.parameters.items()}

    def unwritten(self) -> Iterator[tuple[str, torch.nn.Module]]:
        """Yield the names of the parameters that nobody has written, with their modules."""
        for name, parameter in self.parameters.items():
            version, value = self._were[name]
            if parameter._version == version and torch.equal(parameter, value):
                yield name, self.owners[name]

    def unchanged(self, name: str) -> bool:
        """Whether a parameter has the value that it had."""
        return torch.equal(self.parameters[name], self._were[name][1])

    def all_written(self, module: torch.nn.Module) -> bool:
        """Whether a module has trainable parameters, in it or below it, and all are written."""
        own = {id(p) for p in module.parameters() if p.requires_grad}
        left = {id(self.parameters[name]) for name, _ in self.unwritten()}
        return bool(own) and not own & left


def _visit(module: torch.nn.Module, before: Before) -> None:
    """Let a module draw its initial weights, then those of its parts that it has left out."""
    if parametrize.is_parametrized(module):
        _reset_parametrized(module)
        _settle(module)
    elif (reset := _initialiser(module)) is not None:
        _draw(reset)
        _set_computed(module)
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
    if (reset := _initialiser(plain)) is None:
        return
    _draw(reset)
    for name, value in plain.named_parameters(recurse=False):
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


def _settle(module: torch.nn.Module) -> None:
    """Let parametrizations with a state (spectral norm's vectors) follow the weights: they do in
    training, one step at each use.
    """
    mode = module.training
    module.train()
    for _ in range(STEPS):
        for name in module.parametrizations:  # type: ignore[union-attr]
            getattr(module, name)
    module.train(mode)


def _set_computed(module: torch.nn.Module) -> None:
    """Set what a hook computes a weight from, where the weight has just been drawn."""
    for name, parameter in list(module.named_parameters(recurse=False)):
        if name.endswith("_orig"):  # spectral norm, pruning
            parameter.copy_(getattr(module, name.removesuffix("_orig")))
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, WeightNorm):
            weight = getattr(module, hook.name)
            getattr(module, f"{hook.name}_v").copy_(weight)
            getattr(module, f"{hook.name}_g").copy_(torch.norm_except_dim(weight, 2, hook.dim))
        if isinstance(hook, SpectralNorm):
            for _ in range(STEPS):
                setattr(module, hook.name, hook.compute_weight(module, do_power_iteration=True))


def _redraw(parameter: torch.Tensor) -> None:
    """Draw a parameter anew with the mean and the spread of its trained values."""
    spread, mean = torch.std_mean(parameter.double(), correction=0)
    parameter.normal_(float(mean), float(spread))
