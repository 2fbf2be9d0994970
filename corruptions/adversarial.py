"""Adversarial corruption: the feature's value is optimised until the other features look
responsible.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
import torch
from annotated_types import Ge, Gt

from aexbench import Detector, Proposal
from aexbench.corruptions import register


@register("adversarial", threshold=0.3, version=1)
def adversarial(
    detector: Detector,
    x: torch.Tensor,
    mask: torch.Tensor,
    rng: np.random.Generator,
    *,
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

    Parameters
    ----------
    steps, theta, alpha, every
        Updates, θ, α and k. The paper gives no values.
    epsilon
        If given, the value stays within ε of its random start (the clip of Eq. 17). The paper
        leaves it out.
    bounded
        Keep the value between the feature's low and high. The paper does not.

    Returns
    -------
    Proposal
        The samples; and per sample `objective_start` and `objective` (Eq. 18), `objective_rose` (or
        stayed), `others_rose`, `own_did_not_rise`: whether the paper's two aims were met, from the
        start to the end.

    References
    ----------
    "Unlocking Layer-wise Relevance Propagation for Autoencoders", Appendix A, Eq. (18) to (20) (T =
    0.3).
    """
    shape = tuple(x.shape[1:])
    low, high = (
        torch.as_tensor(b.copy(), dtype=x.dtype, device=x.device)
        for b in detector.features.bounds(shape)
    )
    uniform = torch.as_tensor(rng.random(tuple(x.shape)), dtype=x.dtype, device=x.device)
    start = torch.where(mask, low + (high - low) * uniform, x)
    least, most = _limits(start, low, high, epsilon, bounded)
    x = start
    step = torch.full((len(x), *(1,) * len(shape)), alpha, dtype=x.dtype, device=x.device)
    first = before = now = _errors(detector, x, mask, theta)
    for update in range(1, steps + 1):
        moved = torch.minimum(torch.maximum(x + step * now.gradient.sign(), least), most)
        x = torch.where(mask, moved, x)
        now = _errors(detector, x, mask, theta)
        if update % every == 0:
            stuck = (now.own >= before.own) & (now.others <= before.others)
            step = torch.where(stuck.reshape(step.shape), step / 2, step)
            before = now
    return Proposal(
        x,
        {
            "objective_start": first.objective,
            "objective": now.objective,
            "objective_rose": now.objective >= first.objective,
            "others_rose": now.others > first.others,
            "own_did_not_rise": now.own <= first.own,
        },
    )


class _Errors(NamedTuple):
    """The terms of Eq. (18) per sample (B,), and its gradient with respect to x (B, …)."""

    own: torch.Tensor
    others: torch.Tensor
    objective: torch.Tensor
    gradient: torch.Tensor


def _errors(detector: Detector, x: torch.Tensor, mask: torch.Tensor, theta: float) -> _Errors:
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        phi = (x - detector.reconstruct(x)).square()
        own, others = (phi * mask).flatten(1).sum(1), (phi * ~mask).flatten(1).sum(1)
        objective = (others - theta * own) / x.shape[1:].numel()
        (gradient,) = torch.autograd.grad(objective.sum(), x)
    return _Errors(own.detach(), others.detach(), objective.detach(), gradient)


def _limits(
    start: torch.Tensor, low: torch.Tensor, high: torch.Tensor, epsilon: float | None, bounded: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the least and the greatest allowed value; without limits they are infinite."""
    least, most = torch.full_like(start, -torch.inf), torch.full_like(start, torch.inf)
    if epsilon is not None:
        least, most = start - epsilon, start + epsilon
    if bounded:
        least, most = torch.maximum(least, low), torch.minimum(most, high)
    return least, most
