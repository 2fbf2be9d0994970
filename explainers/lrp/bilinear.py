"""Products of two matrices that depend on the sample: A B = Σₖ aᵢₖ bₖⱼ.

Contributions aᵢₖ bₖⱼ of the sign of their sum count. A factor that is held (attention's weights)
takes nothing, the other one all; of two signals each takes half (Achtibat et al. 2024, Prop. 3.2).
"""

from __future__ import annotations

import torch

Parts = tuple[torch.Tensor, torch.Tensor]


def share(
    a: torch.Tensor, b: torch.Tensor, relevance: torch.Tensor, to_a: bool, to_b: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the relevance of A (…, I, K) and B (…, K, J), of their shapes, from that of A B."""
    rises = (a @ b) >= 0
    up = _by_parts(_split(a), _split(b), relevance * rises)
    falls = tuple(reversed(_split(b)))
    down = _by_parts(_split(a), (falls[0], falls[1]), relevance * ~rises)
    weight = 0.5 if to_a and to_b else 1.0
    own, other = (weight * (x + y) for x, y in zip(up, down, strict=True))
    return own.sum_to_size(a.shape), other.sum_to_size(b.shape)


def _split(x: torch.Tensor) -> Parts:
    return x.clamp_min(0), x.clamp_max(0)


def _by_parts(a: Parts, b: Parts, relevance: torch.Tensor) -> Parts:
    """Share by a⁺ b⁺ + a⁻ b⁻ in the order given, and evenly where that is 0 everywhere."""
    z = a[0] @ b[0] + a[1] @ b[1]
    reached = z.abs() > 1e6 * torch.finfo(z.dtype).tiny
    s = torch.where(reached, relevance / z, 0.0)
    left = torch.where(reached, 0.0, relevance) / a[0].shape[-1]
    own = [x * (s @ y.mT) for x, y in zip(a, b, strict=True)]
    other = [y * (x.mT @ s) for x, y in zip(a, b, strict=True)]
    even_a = left.sum(-1, keepdim=True).expand_as(own[0])
    even_b = left.sum(-2, keepdim=True).expand_as(other[0])
    return own[0] + own[1] + even_a, other[0] + other[1] + even_b
