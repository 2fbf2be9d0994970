"""Adversarial corruption of one feature of one sample (Appendix A), one update after the other."""

from __future__ import annotations

from collections.abc import Callable

import torch

Reconstruct = Callable[[torch.Tensor], torch.Tensor]


def errors(reconstruct: Reconstruct, x: torch.Tensor) -> torch.Tensor:
    """Reconstruction error phi(x, i) = (x_i - x_hat_i)^2 of each feature, (M,)."""
    return (x - reconstruct(x[None, :])[0]) ** 2


def own_and_others(
    reconstruct: Reconstruct, x: torch.Tensor, c: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """phi(x, c), and the sum of phi(x, i) over all i other than c."""
    phi = errors(reconstruct, x)
    others = torch.zeros((), dtype=torch.float64)
    for i in range(len(x)):
        if i != c:
            others = others + phi[i]
    return phi[c], others


def objective(reconstruct: Reconstruct, x: torch.Tensor, c: int, theta: float) -> torch.Tensor:
    """r_adv(x, c) = 1/m [sum_{i != c} phi(x, i) - theta phi(x, c)] (Eq. 18)."""
    own, others = own_and_others(reconstruct, x, c)
    return (others - theta * own) / len(x)


def update(
    reconstruct: Reconstruct, x: torch.Tensor, c: int, theta: float, alpha: float
) -> torch.Tensor:
    """x_c + alpha sign(d r_adv / d x_c), all other features as they are (Eq. 20)."""
    x = x.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(objective(reconstruct, x, c, theta), x)
    moved = x.detach().clone()
    moved[c] = moved[c] + alpha * torch.sign(gradient[c])
    return moved


def optimise(
    reconstruct: Reconstruct,
    start: torch.Tensor,
    c: int,
    *,
    steps: int,
    theta: float,
    alpha: float,
    every: int,
) -> torch.Tensor:
    """Adversarial corruption of feature `c` (Eq. 18-20) with the step size updater of Appendix A.

    `start` (M,) is already randomly corrupted at `c` (Eq. 19 begins there); `reconstruct` maps (1,
    M) to (1, M) in float64. After every `every` updates, alpha halves if since the previous check
    (the first looks back to the start) phi(x, c) did not decrease and the sum of the others did not
    increase. Returns the last x, (M,) float64.
    """
    x = torch.as_tensor(start, dtype=torch.float64).detach().clone()
    with torch.no_grad():
        own_before, others_before = own_and_others(reconstruct, x, c)
    for step in range(1, steps + 1):
        x = update(reconstruct, x, c, theta, alpha)
        if step % every == 0:
            with torch.no_grad():
                own, others = own_and_others(reconstruct, x, c)
            if own >= own_before and others <= others_before:
                alpha = alpha / 2
            own_before, others_before = own, others
    return x
