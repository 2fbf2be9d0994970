"""Rules of LRP: how a layer's output relevance R_k is shared among its inputs i.

Most rules name contributions z_ik, written as sums of input parts times weight parts, and share

    R_i = Σ_k R_k z_ik / Σ_h z_hk .

Biases take part in none: relevance given to a bias is lost.

**Fallback.** The reconstruction error does not scale with activations, so an output can have relevance and no
contribution at all (Σ_h z_hk = 0). Its relevance is then shared by the squared weights, w_ik² / Σ_h w_hk², and equally
where all its weights are zero. Every rule but ε conserves; ε absorbs the share ε / (|z| + ε) of an output, on purpose.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

import torch

from aexbench.explainers.lrp.maps import LinearMap

Part = tuple[torch.Tensor, torch.Tensor]


class Rule(ABC):
    """Shares the relevance of one layer's outputs among its inputs; what depends on the weights alone is made once."""

    one_sign = False  # whether no contribution is ever negative

    def __init__(self, layer: LinearMap) -> None:
        self.layer = layer
        self._norms: dict[object, tuple[torch.Tensor, torch.Tensor | None]] = {}

    @abstractmethod
    def propagate(self, x: torch.Tensor, relevance: torch.Tensor) -> torch.Tensor:
        """Return the inputs' relevance, of the shape of x, from the outputs'."""

    def share(self, x: torch.Tensor, relevance: torch.Tensor, parts: list[Part], epsilon: float = 0.0) -> torch.Tensor:
        """Return `R_i = Σ_k R_k z_ik / (Σ_h z_hk + ε sign)`, with the fallback where Σ_h z_hk is zero."""
        z = self.layer.apply(*parts[0])
        for part in parts[1:]:
            z += self.layer.apply(*part)
        size = z if self.one_sign else z.abs()
        least = 1e6 * torch.finfo(z.dtype).tiny  # below, R / z could overflow
        if float(size.amin()) > least:  # the common case, found in one pass
            return self._hand_on(x, relevance / _stabilised(z, epsilon), parts)
        unreached = size <= least
        shared = self._hand_on(x, (relevance / _stabilised(z, epsilon)).masked_fill_(unreached, 0), parts)
        left = relevance * unreached
        return shared + self.fall_back(x, left) if bool(left.any()) else shared

    def fall_back(self, x: torch.Tensor, relevance: torch.Tensor) -> torch.Tensor:
        """Share by squared weights; equally where all weights of an output are zero."""
        return self.share_by_weights(x, relevance, self.squares)

    @cached_property
    def squares(self) -> torch.Tensor:
        """w², scaled so that the largest neither under- nor overflows."""
        weight = self.layer.weight
        return (weight / weight.abs().amax().clamp_min(torch.finfo(weight.dtype).tiny)).square()

    def share_by_weights(self, x: torch.Tensor, relevance: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Return `R_i = Σ_k R_k v_ik / Σ_h v_hk` for weights v ≥ 0; x gives its shape alone, and padding takes none."""
        norm, dead = self._norm(x, weight)
        shared = self.layer.adjoint(relevance / norm, weight, x)
        return shared if dead is None else shared + self.share_by_weights(x, relevance * dead, torch.ones_like(weight))

    def _norm(self, x: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return Σ_h v_hk, infinite where it is zero, and where w² has none; kept for inputs of one shape."""
        squared = weight is self.__dict__.get("squares")
        key = (squared, tuple(x.shape[1:]))
        if key not in self._norms:
            norm = self.layer.apply(torch.ones((1, *x.shape[1:]), dtype=x.dtype, device=x.device), weight)
            dead = norm <= torch.finfo(norm.dtype).tiny
            self._norms[key] = (norm.masked_fill(dead, torch.inf), dead if squared and bool(dead.any()) else None)
        return self._norms[key]

    def _hand_on(self, x: torch.Tensor, s: torch.Tensor, parts: list[Part]) -> torch.Tensor:
        shared = self.layer.adjoint(s, parts[0][1], x).mul_(parts[0][0])
        for part, weight in parts[1:]:
            shared.addcmul_(self.layer.adjoint(s, weight, x), part)
        return shared


class ZPlus(Rule):
    """z⁺: `z = x⁺ W⁺ + x⁻ W⁻`, positive contributions alone (Montavon et al. 2017, Sec. 4.2; x of either sign).

    `signed=False` promises that x is never negative: the second part is left out.
    """

    one_sign = True

    def __init__(self, layer: LinearMap, signed: bool = True) -> None:
        super().__init__(layer)
        self.positive, self.negative = signed_parts(layer.weight)
        self.signed = signed

    def propagate(self, x: torch.Tensor, relevance: torch.Tensor) -> torch.Tensor:
        """Return x⁺ (W⁺ᵀ s) + x⁻ (W⁻ᵀ s) with s = R / z."""
        if not self.signed:
            return self.share(x, relevance, [(x, self.positive)])
        return self.share(x, relevance, [(x.clamp_min(0), self.positive), (x.clamp_max(0), self.negative)])


class ZBox(Rule):
    """z-box: `z = x W − l W⁺ − h W⁻`, for inputs in the box [l, h] (Montavon et al. 2017, Sec. 4.1).

    It is computed as (x − l) W⁺ + (x − h) W⁻, whose terms are never negative: nothing cancels. A sample outside the
    box widens its own.
    """

    one_sign = True

    def __init__(self, layer: LinearMap, low: torch.Tensor, high: torch.Tensor) -> None:
        super().__init__(layer)
        self.positive, self.negative = signed_parts(layer.weight)
        self.low, self.high = low, high

    def propagate(self, x: torch.Tensor, relevance: torch.Tensor) -> torch.Tensor:
        """Return (x − l) (W⁺ᵀ s) + (x − h) (W⁻ᵀ s) with s = R / z."""
        above, below = (x - self.low).clamp_min_(0), (x - self.high).clamp_max_(0)
        return self.share(x, relevance, [(above, self.positive), (below, self.negative)])


class SquaredWeights(Rule):
    """w²: `R_i = Σ_k R_k w_ik² / Σ_h w_hk²`, whatever the input (Montavon et al. 2017, Sec. 4.1)."""

    def propagate(self, x: torch.Tensor, relevance: torch.Tensor) -> torch.Tensor:
        """Return Σ_k R_k w_ik² / Σ_h w_hk²."""
        return self.fall_back(x, relevance)


class Flat(Rule):
    """flat: `R_i = Σ_k R_k / n_k`, one share for each of an output's n_k inputs (Lapuschkin et al. 2019)."""

    def __init__(self, layer: LinearMap) -> None:
        super().__init__(layer)
        self.ones = torch.ones_like(layer.weight)

    def propagate(self, x: torch.Tensor, relevance: torch.Tensor) -> torch.Tensor:
        """Return Σ_k R_k / n_k."""
        return self.share_by_weights(x, relevance, self.ones)


class Epsilon(Rule):
    """ε: `R_i = Σ_k R_k x_i w_ik / (z_k + ε sign(z_k))`, z = x W (Bach et al. 2015, Eq. 58); ε absorbs relevance."""

    def __init__(self, layer: LinearMap, epsilon: float = 1e-6) -> None:
        super().__init__(layer)
        self.epsilon = epsilon

    def propagate(self, x: torch.Tensor, relevance: torch.Tensor) -> torch.Tensor:
        """Return x (Wᵀ s) with s = R / (z + ε sign(z))."""
        return self.share(x, relevance, [(x, self.layer.weight)], self.epsilon)


class Gamma(Rule):
    """γ: contributions that agree with the sign of z = x W count (1 + γ)-fold (Montavon et al. 2019, Sec. 10.2.3).

    For z > 0 the weights are `W + γ W⁺` on x⁺ and `W + γ W⁻` on x⁻, for z < 0 the other way round: the denominator has
    at least the size of z, and inputs may have either sign.
    """

    def __init__(self, layer: LinearMap, gamma: float = 0.25) -> None:
        super().__init__(layer)
        positive, negative = signed_parts(layer.weight)
        self.up, self.down = layer.weight + gamma * positive, layer.weight + gamma * negative

    def propagate(self, x: torch.Tensor, relevance: torch.Tensor) -> torch.Tensor:
        """Return the shares of outputs with z > 0 and of those with z ≤ 0, added."""
        above = self.layer.apply(x, self.layer.weight) > 0
        plus, minus = x.clamp_min(0), x.clamp_max(0)
        agreeing = self.share(x, relevance * above, [(plus, self.up), (minus, self.down)])
        return agreeing + self.share(x, relevance * ~above, [(plus, self.down), (minus, self.up)])


class AlphaBeta(Rule):
    """αβ: `R_i = Σ_k R_k (α z⁺_ik / Σ z⁺ − β z⁻_ik / Σ z⁻)`, α − β = 1 (Bach et al. 2015, Eq. 60).

    An output with contributions of one sign alone hands on all its relevance by them.
    """

    def __init__(self, layer: LinearMap, alpha: float = 2.0) -> None:
        super().__init__(layer)
        self.alpha = alpha
        self.positive, self.negative = signed_parts(layer.weight)

    def propagate(self, x: torch.Tensor, relevance: torch.Tensor) -> torch.Tensor:
        """Return α times the positive shares minus β times the negative ones."""
        plus, minus = x.clamp_min(0), x.clamp_max(0)
        raising = [(plus, self.positive), (minus, self.negative)]
        lowering = [(plus, self.negative), (minus, self.positive)]
        up, down = (self.layer.apply(*parts[0]) + self.layer.apply(*parts[1]) for parts in (raising, lowering))
        least = 1e6 * torch.finfo(x.dtype).tiny  # as in `share`
        rises, falls = up > least, down < -least
        by_raising = torch.where(falls, torch.where(rises, self.alpha, 0.0), 1.0)
        by_lowering = 1.0 - by_raising
        return self.share(x, relevance * by_raising, raising) + self.share(x, relevance * by_lowering, lowering)


class Average(Rule):
    """Pooling, bilinear upsampling, means: fixed weights that are never negative, so z⁺ counts x⁺ alone."""

    one_sign = True

    def propagate(self, x: torch.Tensor, relevance: torch.Tensor) -> torch.Tensor:
        """Return x⁺ (Aᵀ s) with s = R / (A x⁺)."""
        return self.share(x, relevance, [(x.clamp_min(0), self.layer.weight)])

    def fall_back(self, x: torch.Tensor, relevance: torch.Tensor) -> torch.Tensor:
        """Share by the fixed weights themselves."""
        return self.share_by_weights(x, relevance, self.layer.weight)


def signed_parts(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return W⁺ and W⁻."""
    return weight.clamp_min(0), weight.clamp_max(0)


def _stabilised(z: torch.Tensor, epsilon: float) -> torch.Tensor:
    return z + torch.where(z < 0, -epsilon, epsilon) if epsilon else z
