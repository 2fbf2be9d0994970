"""Does x̂ hang on x for autograd? What differentiates the error asks this first.

A forward pass under `no_grad`, `detach`, `.data` or numpy inside it leave a gradient of the error
that is the share of x itself alone: the cause is given exactly 0, without a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch

from aexbench.detector import Detector, is_out_of_memory
from aexbench.errors import SkipError
from aexbench.explainers.tools.units import Units

PROBES = 6  # samples, each with a direction of its own
LEAST_STEP = 1e-6  # of the range; else the root of the type's precision
GRAPH = 4  # activations and their gradients: at most this many forward passes' memory
TOLERANCE, FINE_TOLERANCE = 0.03, 0.003  # of the derivative; the latter in float64
FINE = 1e-12
MARGIN = 3  # steps from the ends of the range
ROUNDINGS = 100  # times the type's precision: two calls of one model may differ by so much
TENSOR_FLOAT = 1e-3  # the precision of TF32
WAY_OUT = "use an explainer that asks the detector alone, such as repair or residual"
CUT = (
    "x̂ does not hang on x for autograd (a forward pass under no_grad, detach, .data, or numpy?): "
    "the gradient of the error would be that of x's own share alone; " + WAY_OUT
)
PARTLY = (
    "autograd's derivative of x̂ is not that of the model (a part of its forward pass under "
    "no_grad, detach, .data, or numpy?); " + WAY_OUT
)
LOSS = "the detector's loss does not hang on x for autograd (numpy, or detach?); " + WAY_OUT
REFUSED = "the model refuses gradients ({reason}); " + WAY_OUT

_KNOWN: WeakKeyDictionary[torch.nn.Module, dict[Any, str]] = WeakKeyDictionary()


class _Probes(NamedTuple):
    """Steps from samples (N, …), each in a direction of its own: by how much x̂ changes along
    another one (N,).
    """

    known: bool  # whether autograd knows that x̂ comes from x
    moves: bool  # whether x̂ differs far away
    steady: bool  # whether x̂ is the same when it is asked again, by the first sample alone
    told: torch.Tensor  # autograd's derivative
    found: torch.Tensor  # the difference quotient
    wider: torch.Tensor  # that of a step twice as long
    tolerance: float
    rounding: torch.Tensor  # by how much quotients differ where nothing is wrong

    @property
    def complaint(self) -> str:
        """What is wrong, or nothing."""
        if not self.steady:  # the model draws noise or mixes samples: nothing can be said
            return ""
        if not self.known:
            return CUT if self.moves else ""
        most = self.tolerance * self.found.abs()
        # Kinks, curves and rounding within a step tell nothing, and neither does what is constant.
        telling = ((self.wider - self.found).abs() <= most / 3) & (most > 0)
        wrong = telling & ((self.told - self.found).abs() > most + self.rounding)
        enough = 2 * int(telling.sum()) >= len(most)
        return PARTLY if enough and 2 * int(wrong.sum()) >= int(telling.sum()) else ""


def require_gradient(detector: Detector, x: torch.Tensor) -> None:
    """Raise SkipError unless autograd follows x̂ back to samples x (N, …).

    Asked once for each model and shape, of six steps from samples: where the derivative that
    autograd tells is missing, or another one than the difference quotient in half of them. A
    network whose x̂ does not change with x passes: its gradient is zero, and right; so does one
    that is constant piece by piece and has a gradient of its makers' choice, such as a quantised
    one with a straight-through estimator.
    """
    detector.require_inside()
    if len(x) == 0:
        return
    kind, loss = type(detector).__qualname__, detector.loss
    key = (kind, loss, detector.dtype, detector.device, tuple(x.shape[1:]))
    known = _KNOWN.setdefault(detector.model, {})
    if key not in known:
        finest = torch.promote_types(x.dtype, detector.dtype)  # the model's steps are to show in x
        samples = x.detach()[torch.arange(PROBES) % len(x)].to(finest, copy=True)
        rows = max(1, detector.chunk_rows(samples) // GRAPH)
        with torch.inference_mode(False):
            parts = [_complaint(detector, part.clone()) for part in samples.split(rows)]
        known[key] = max(parts, key=parts.count)
    if known[key]:
        raise SkipError(known[key])


def _complaint(detector: Detector, x: torch.Tensor) -> str:
    """Return what is wrong, or nothing."""
    rng = np.random.default_rng(len(x))
    try:
        return _probed(detector, x, rng).complaint or _loss_complaint(detector, x, rng)
    except _RefusedError as error:
        return REFUSED.format(reason=error)


def _loss_complaint(detector: Detector, x: torch.Tensor, rng: np.random.Generator) -> str:
    """Return what is wrong about a loss that autograd does not follow, though the error varies."""
    with torch.enable_grad(), _refusals():
        if detector.error(x.clone().requires_grad_()).requires_grad:
            return ""
    low, span = Units.of(detector.features, tuple(x.shape[1:])).tensors(x)
    drawn = torch.as_tensor(rng.uniform(size=tuple(x.shape))).to(x)
    others = low + span * drawn  # within the range: a cross-entropy knows no other samples
    return "" if torch.equal(detector.error(x), detector.error(others)) else LOSS


class _RefusedError(Exception):
    """The model runs, and does not where autograd watches."""


def _probed(detector: Detector, x: torch.Tensor, rng: np.random.Generator) -> _Probes:
    """Return what steps from samples show."""
    precision = torch.finfo(detector.dtype).eps
    if detector.device.type == "cuda" and detector.dtype == torch.float32:
        precision = TENSOR_FLOAT
    step, shape = max(precision**0.5, LEAST_STEP), tuple(x.shape)
    span = Units.of(detector.features, shape[1:]).span
    draws = (
        rng.choice([-1, 1], shape) * span,
        rng.uniform(-1, 1, shape) * span,
        rng.normal(size=shape),
    )
    way, far, weight = (torch.as_tensor(draw).to(x) for draw in draws)
    x, x_far = _within(detector, x, far, MARGIN * step)
    here, away = detector.reconstruct(x), detector.reconstruct(x_far)
    again = torch.cat([detector.reconstruct(part) for part in (x[:1], x[1:]) if len(part)])
    told = _told(detector, x, weight)

    def quotient(length: float) -> torch.Tensor:
        ahead, behind = (detector.reconstruct(x + sign * length * way) for sign in (1, -1))
        return _summed(ahead - behind, weight) / (2 * length)

    greatest = precision * float(here.abs().max())
    return _Probes(
        told is not None,
        float((away - here).abs().max()) > greatest,
        float((again - here).abs().max()) <= ROUNDINGS * greatest,
        torch.zeros(len(x)).to(way).double() if told is None else _summed(told, way),
        quotient(step),
        quotient(2 * step),
        TOLERANCE if precision > FINE else FINE_TOLERANCE,
        precision / step * _summed(here**2, weight**2).sqrt(),
    )


def _within(
    detector: Detector, x: torch.Tensor, far: torch.Tensor, margin: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return samples from which no step leads out of the range, and others far from them.

    A model may refuse values outside; those of x that lie there already stay as they are.
    """
    low, span = Units.of(detector.features, tuple(x.shape[1:])).tensors(x)
    regular = (x >= low) & (x <= low + span)
    inner = torch.clamp(x, low + margin * span, low + (1 - margin) * span)
    return torch.where(regular, inner, x), torch.where(regular, low + far.abs(), x + far)


def _summed(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (values.double() * weights.double()).flatten(1).sum(1)


def _told(detector: Detector, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor | None:
    """Return autograd's gradient of Σ weight · x̂, or nothing where it knows of none."""
    with torch.enable_grad(), _refusals():
        point = x.clone().requires_grad_()
        x_hat = detector.reconstruct(point)
        if not x_hat.requires_grad:
            return None
        return torch.autograd.grad((weight * x_hat).sum(), point, allow_unused=True)[0]


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what the model's own code makes of a tensor with a gradient into a refusal."""
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            raise
        reason = f"{type(error).__name__}: {error}".split("\n")[0]
        raise _RefusedError(reason) from error
