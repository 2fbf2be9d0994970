"""Adversarial corruption: the feature's value is optimised until the other features look
responsible.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, NamedTuple

import numpy as np
import torch
from annotated_types import Ge, Gt
from numpy.typing import NDArray

from aexbench import Detector, Proposal, RequestError, SkipError
from aexbench.corruptions import register
from aexbench.detector import is_out_of_memory
from aexbench.features import Codes
from aexbench.rows import Array

CHECKED = 16  # samples whose x̂ must hang on x


@register("adversarial", threshold=0.3, version=1)
def adversarial(
    detector: Detector,
    x: torch.Tensor,
    mask: torch.Tensor,
    rng: np.random.Generator,
    *,
    clean: Array | None = None,
    steps: Annotated[int, Ge(0)] = 100,
    theta: float = 1.0,
    alpha: Annotated[float, Gt(0)] = 0.05,
    every: Annotated[int, Ge(1)] = 10,
    epsilon: Annotated[float, Gt(0)] | None = None,
    bounded: bool = False,
) -> Proposal:
    """Raise the errors of the other features and not its own, by sign-gradient steps on one
    feature's value.

    Starts from a uniform value in the feature's range and maximises Eq. (18), `r = (Σ_{i≠c} φ(x, i)
    − θ φ(x, c)) / m` with `φ(x, i) = (x_i − x̂_i)²`, by `x_c ← x_c + α sign(∂r/∂x_c)`. A sample's
    step α is halved after every `every` updates in which both its own error did not fall and the
    sum of the others did not rise, compared with the values at the check before. All samples move
    at once, each by itself.

    A category has no gradient. From a random other one it moves to the one, of those that are not
    the sample's own, that Eq. (18) is greatest for; `steps` of them are tried at most.

    Parameters
    ----------
    clean
        The samples that hashed and embedded categories come from; given by the engine.
    steps, theta, alpha, every
        Updates, θ, α and k; α as a share of the column's range, `Features.high` − `low`. The paper
        gives no values.
    epsilon
        If given, the value stays within ε times its range of its random start (the clip of Eq. 17).
        The paper leaves it out.
    bounded
        Keep the value between the feature's low and high. The paper does not.

    Returns
    -------
    Proposal
        The samples; and per sample `objective_start` and `objective` (Eq. 18), `objective_rose` (or
        stayed), `others_rose`, `own_did_not_rise`: whether the paper's two aims were met, from the
        start to the end.

    Raises
    ------
    SkipError
        Where there is no gradient of x̂ to follow.

    References
    ----------
    "Unlocking Layer-wise Relevance Propagation for Autoencoders", Appendix A, Eq. (18) to (20) (T =
    0.3).
    """
    with torch.inference_mode(False):  # what it has made cannot meet autograd: copies can
        x, mask = x.clone(), mask.clone()
        _check_gradient(detector, x)
        uniform, held = rng.random(tuple(x.shape)), mask.cpu().numpy()
        start = detector.features.redrawn(x.cpu().double(), held, uniform, clean)
        climb = _Climb(detector, mask, torch.as_tensor(start).to(x), theta)
        stepped = climb.by_steps(steps, alpha, every, epsilon, bounded)
        end = climb.by_category(stepped, x, steps, clean)
        first, last = climb.errors(climb.start), climb.errors(end)
    return Proposal(
        end,
        {
            "objective_start": first.objective,
            "objective": last.objective,
            "objective_rose": last.objective >= first.objective,
            "others_rose": last.others > first.others,
            "own_did_not_rise": last.own <= first.own,
        },
    )


class _Errors(NamedTuple):
    """The terms of Eq. (18) per sample (B,), and its gradient with respect to x (B, …)."""

    own: torch.Tensor
    others: torch.Tensor
    objective: torch.Tensor
    gradient: torch.Tensor


@dataclass(frozen=True)
class _Climb:
    """The way from randomly corrupted samples to those that blame the other features."""

    detector: Detector
    mask: torch.Tensor
    start: torch.Tensor
    theta: float

    def by_steps(
        self, steps: int, alpha: float, every: int, epsilon: float | None, bounded: bool
    ) -> torch.Tensor:
        """Return the samples after steps on a number; those whose feature is a category stay."""
        low, high = (
            torch.as_tensor(bound.copy()).to(self.start)
            for bound in self.detector.features.bounds(tuple(self.start.shape[1:]))
        )
        least, most = _limits(self.start, low, high, epsilon, bounded)
        categories = self.detector.features.of_categories(self.mask.cpu().numpy())
        moving = self.mask & ~self._by_row(torch.as_tensor(categories, device=self.mask.device))
        x = self.start
        step = self._by_row(torch.full((len(x),), alpha, dtype=x.dtype, device=x.device))
        before = now = self.errors(x)
        for update in range(1, steps + 1) if bool(moving.any()) else ():
            aim = x + step * (high - low) * now.gradient.sign()
            x = torch.where(moving, torch.minimum(torch.maximum(aim, least), most), x)
            now = self.errors(x)
            if update % every == 0:
                stuck = (now.own >= before.own) & (now.others <= before.others)
                step = torch.where(self._by_row(stuck), step / 2, step)
                before = now
        return x

    def by_category(
        self, x: torch.Tensor, given: torch.Tensor, most: int, clean: Array | None
    ) -> torch.Tensor:
        """Return x with the category that Eq. (18) is greatest for, of at most `most` others."""
        mask, found = self.mask.cpu().numpy(), x.cpu().double().numpy().copy()
        for codes in self.detector.features.touched(mask, clean):
            rows = codes.rows(mask)
            part = replace(self, mask=self.mask[rows], start=x[rows])
            own = codes.of(given[rows].cpu().double().numpy())
            codes.write(found, rows, part.worst(codes, own, codes.of(found[rows]), most))
        of_categories = torch.as_tensor(self.detector.features.of_categories(mask), device=x.device)
        return torch.where(self._by_row(of_categories), torch.as_tensor(found).to(x), x)

    def worst(
        self, codes: Codes, own: NDArray[np.int64], begun: NDArray[np.int64], most: int
    ) -> NDArray[np.int64]:
        """Return the number of the category (N,) that Eq. (18) is greatest for, `own` excepted."""
        best, greatest = begun, self.errors(self.start).objective
        values = self.start.cpu().double().numpy().copy()
        every = np.arange(len(values))
        for number in range(1, min(most, len(codes.values) - 1) + 1):
            there = (begun + number) % len(codes.values)
            codes.write(values, every, there)
            objective = self.errors(torch.as_tensor(values).to(self.start)).objective
            better = (objective > greatest).cpu().numpy() & (there != own)
            best = np.where(better, there, best)
            greatest = torch.where(
                torch.as_tensor(better).to(objective.device), objective, greatest
            )
        return best

    def errors(self, x: torch.Tensor) -> _Errors:
        """Return the terms of Eq. (18), and its gradient."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            phi = (x - self.detector.reconstruct(x)).square()
            own = (phi * self.mask).flatten(1).sum(1)
            others = (phi * ~self.mask).flatten(1).sum(1)
            objective = (others - self.theta * own) / x.shape[1:].numel()
            (gradient,) = torch.autograd.grad(objective.sum(), x)
        return _Errors(own.detach(), others.detach(), objective.detach(), gradient)

    def _by_row(self, values: torch.Tensor) -> torch.Tensor:
        """Return one value a sample (N,) in the shape that samples take."""
        return values.reshape(-1, *(1,) * (self.mask.dim() - 1))


def _check_gradient(detector: Detector, x: torch.Tensor) -> None:
    """Raise SkipError where the model refuses gradients, or where x̂ varies and autograd does not
    know that it comes from x.
    """
    if detector.opaque:
        raise SkipError("adversarial: the model is a function, and has no gradients to follow")
    x_hat = detector.reconstruct(x[:CHECKED])
    try:
        known = _is_known(detector, x[:CHECKED])
    except RequestError:
        raise
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        reason = str(error).split("\n")[0]
        raise SkipError(f"adversarial: the model refuses gradients ({reason})") from error
    if not known and not torch.equal(x_hat, x_hat[:1].expand_as(x_hat)):
        raise SkipError(
            "adversarial: x̂ does not hang on x for autograd (a forward pass under no_grad, "
            "detach, or numpy?)"
        )


def _is_known(detector: Detector, x: torch.Tensor) -> bool:
    """Whether autograd knows that x̂ comes from x."""
    with torch.enable_grad():
        point = x.clone().requires_grad_()
        x_hat = detector.reconstruct(point)
        if not x_hat.requires_grad:
            return False
        return torch.autograd.grad(x_hat.sum(), point, allow_unused=True)[0] is not None


def _limits(
    start: torch.Tensor, low: torch.Tensor, high: torch.Tensor, epsilon: float | None, bounded: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the least and the greatest allowed value; without limits they are infinite."""
    least, most = torch.full_like(start, -torch.inf), torch.full_like(start, torch.inf)
    if epsilon is not None:
        least, most = start - epsilon * (high - low), start + epsilon * (high - low)
    if bounded:
        least, most = torch.maximum(least, low), torch.minimum(most, high)
    return least, most
