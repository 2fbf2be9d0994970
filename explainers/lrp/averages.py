"""Averages: pooling, bilinear upsampling, means, attention's weights on its values.

Their weights A are fixed and never negative, so that x⁺ alone counts for averages above 0, x⁻ for
those below, and both for 0.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from aexbench.explainers.lrp.maps import delta
from aexbench.explainers.lrp.rules import spread

Average = Callable[[torch.Tensor], torch.Tensor]


def share(
    average: Average,
    x: torch.Tensor,
    relevance: torch.Tensor,
    signed: bool = True,
    exists: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return x⁺ (Aᵀ s) with s = R / (A x⁺), and alike for averages below 0.

    Parameters
    ----------
    average
        The operation as a function of x (N, …).
    x, relevance
        What is averaged, and the relevance of the averages.
    signed
        False promises that x is never negative.
    exists
        0 where an input is a constant that was inserted, and takes none.
    """
    above = _Part(average, x, exists)
    if not signed:
        return above.share(relevance)
    below = _Part(average, -x, exists)
    rises = ((above.z - below.z).sign_() + 1) / 2
    return above.share(relevance * rises) + below.share(relevance * (1 - rises))


class _Part:
    """x⁺, of which every input counts by at least δ; A x⁺, and its adjoint by autograd."""

    def __init__(self, average: Average, x: torch.Tensor, exists: torch.Tensor | None) -> None:
        x = x.clamp_min(delta(x))
        self.x = (x if exists is None else x * exists).detach().requires_grad_()
        with torch.enable_grad():
            self.averages = average(self.x)
        self.z = self.averages.detach()

    def share(self, relevance: torch.Tensor) -> torch.Tensor:
        """Return x⁺ (Aᵀ s); what no input can take goes to all of its sample, evenly."""
        empty = self.z <= torch.finfo(self.z.dtype).tiny
        s = (relevance / self.z).masked_fill_(empty, 0)
        shared: torch.Tensor = torch.autograd.grad(self.averages, self.x, s)[0] * self.x.detach()
        return shared + spread(relevance * empty, shared) if bool(empty.any()) else shared
