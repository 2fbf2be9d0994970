"""Rules of LRP: how a layer's output relevance R_k is shared among its inputs i.

A rule names contributions z_ik, written as sums of input parts times weight parts, and shares

    R_i = Σ_k R_k z_ik / Σ_h z_hk .

Biases take part in none: relevance given to a bias is lost.

**Fallback.** The reconstruction error does not scale with activations, so an output can have
relevance and no contribution at all. The rules whose contributions are never negative therefore
count every input as active by at least an infinitesimal δ, and every weight as positive by at least
δ times its square (relative to the layer's largest):

    z_ik = max(x_i, δ) (w_ik⁺ + δ ŵ_ik²) + min(x_i, 0) w_ik⁻ .

Where there are contributions, δ is far below rounding. Where there are none, what is left shares by
the positive weights of the inactive inputs and by x_i ŵ_ik² of the active ones: nothing is lost,
nothing divides by zero, and there is nothing to test for at run time. The other rules share by
squared weights where their denominator is zero. ε alone does not conserve: it absorbs the share ε /
(|z| + ε) of an output, on purpose.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property

import torch

from aexbench.explainers.lrp.maps import Dense, LinearMap, delta

Part = tuple[torch.Tensor, torch.Tensor]
Exists = torch.Tensor | None


class Rule(ABC):
    """Shares the relevance of one layer's outputs among its inputs; what depends on the weights
    alone is made once.
    """

    def __init__(self, layer: LinearMap) -> None:
        self.layer = layer
        self._norms: dict[object, tuple[torch.Tensor, torch.Tensor | None]] = {}
        self._shares: dict[bool, torch.Tensor] = {}

    @abstractmethod
    def propagate(
        self, x: torch.Tensor, relevance: torch.Tensor, exists: Exists = None
    ) -> torch.Tensor:
        """Return the inputs' relevance, of the shape of x, from the outputs'.

        `exists` is 0 where an input is a constant that was put in by padding or unpooling, and
        takes none.
        """

    def by_step(self, x: torch.Tensor) -> Callable[[int, torch.Tensor], torch.Tensor]:
        """Return how the relevance of step t goes to x[:, t], of x (N, T, in): what x alone decides
        may be made for all steps at once.
        """
        steps = x.unbind(1)
        return lambda step, relevance: self.propagate(steps[step], relevance)

    def share(
        self, x: torch.Tensor, relevance: torch.Tensor, parts: list[Part], exists: Exists = None
    ) -> torch.Tensor:
        """Return `R_i = Σ_k R_k z_ik / Σ_h z_hk` for contributions that are never negative and
        never all zero.
        """
        if exists is not None:
            parts = [(part * exists, weight) for part, weight in parts]
        z = self._sum(parts)
        s = torch.div(
            relevance, z, out=z
        )  # in the memory of z: at ten thousand rows a new page costs more than a sum
        whole = exists is None and isinstance(self.layer, Dense)  # every output has inputs
        uncovered = None if whole else self._norm(x, self.ones, exists)[1]
        if uncovered is None:
            return self._hand_on(x, s, parts)
        return self._hand_on(x, s.masked_fill(uncovered, 0), parts) + spread(
            relevance * uncovered, x
        )

    def share_signed(
        self,
        x: torch.Tensor,
        relevance: torch.Tensor,
        parts: list[Part],
        epsilon: float = 0.0,
        exists: Exists = None,
    ) -> torch.Tensor:
        """Return `R_i = Σ_k R_k z_ik / (Σ_h z_hk + ε sign)`, by squared weights where Σ_h z_hk is
        zero.
        """
        if exists is not None:
            parts = [(part * exists, weight) for part, weight in parts]
        z = self._sum(parts)
        unreached = z.abs() <= 1e6 * torch.finfo(z.dtype).tiny  # R / z could overflow
        z = z + torch.where(z < 0, -epsilon, epsilon)
        shared = self._hand_on(x, (relevance / z).masked_fill_(unreached, 0), parts)
        left = relevance * unreached
        return (
            shared + self.share_by_weights(x, left, self.squares, exists)
            if bool(left.any())
            else shared
        )

    def share_by_weights(
        self, x: torch.Tensor, relevance: torch.Tensor, weight: torch.Tensor, exists: Exists = None
    ) -> torch.Tensor:
        """Return `R_i = Σ_k R_k v_ik / Σ_h v_hk` for weights v ≥ 0; x gives its shape alone, and
        padding takes none.
        """
        norm, uncovered = self._norm(x, weight, exists)
        if exists is not None:
            shared = self.layer.adjoint(relevance / norm, weight, x) * exists
        elif isinstance(self.layer, Dense):  # one norm per output: divided into the weights once
            shared = self.layer.adjoint(relevance, self._divided(weight, norm), x)
        else:
            shared = self.layer.adjoint(relevance / norm, weight, x)
        if uncovered is None:
            return shared
        left = relevance * uncovered
        return shared + (
            spread(left, x)
            if weight is self.ones
            else self.share_by_weights(x, left, self.ones, exists)
        )

    @cached_property
    def plain(self) -> torch.Tensor:
        """W, prepared."""
        return self.layer.prepared(self.layer.weight)

    @cached_property
    def relative(self) -> torch.Tensor:
        """W relative to its largest element: shares do not depend on the scale of the weights."""
        weight = self.layer.weight
        return weight / self.layer.largest.clamp_min(torch.finfo(weight.dtype).tiny)

    @cached_property
    def squares(self) -> torch.Tensor:
        """ŵ², prepared."""
        return self.layer.prepared(self.relative.square())

    @cached_property
    def ones(self) -> torch.Tensor:
        """Every connection alike, prepared."""
        return self.layer.prepared(torch.ones_like(self.layer.weight))

    @cached_property
    def positive(self) -> torch.Tensor:
        """W⁺ + δ ŵ², relative and prepared; an output whose weights are (nearly) all zero counts
        its inputs alike.
        """
        return self._never_zero(self.relative)

    def _never_zero(self, weight: torch.Tensor) -> torch.Tensor:
        least = torch.finfo(weight.dtype).tiny ** 0.125
        squares = weight.square().clamp_min(least)
        return self.layer.prepared(weight.clamp_min(0) + delta(weight) * squares)

    @cached_property
    def negative(self) -> torch.Tensor:
        """W⁻, relative and prepared."""
        return self.layer.prepared(self.relative.clamp_max(0))

    def _sum(self, parts: list[Part]) -> torch.Tensor:
        z = self.layer.apply(*parts[0])
        for part in parts[1:]:
            z += self.layer.apply(*part)
        return z

    def _hand_on(self, x: torch.Tensor, s: torch.Tensor, parts: list[Part]) -> torch.Tensor:
        """Return Σ part ⊙ (wᵀ s) over the parts."""
        shared = self.layer.adjoint(s, parts[0][1], x).mul_(parts[0][0])
        for part, weight in parts[1:]:
            shared.addcmul_(self.layer.adjoint(s, weight, x), part)
        return shared

    def _divided(self, weight: torch.Tensor, norm: torch.Tensor) -> torch.Tensor:
        """Return v_ik / Σ_h v_hk (out, in) of a dense layer; kept."""
        key = weight is self.ones
        if key not in self._shares:
            self._shares[key] = weight / norm.reshape(-1, weight.shape[0])[0, :, None]
        return self._shares[key]

    def _norm(
        self, x: torch.Tensor, weight: torch.Tensor, exists: Exists = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return Σ_h v_hk, infinite where it is zero, and where that is; kept for whole inputs of
        one shape.
        """
        if exists is not None:
            return _positive(self.layer.apply(exists, weight))
        key = (weight is self.ones, x.shape[1:])
        if key not in self._norms:
            ones = torch.ones((1, *x.shape[1:]), dtype=x.dtype, device=x.device)
            self._norms[key] = _positive(self.layer.apply(ones, weight))
        return self._norms[key]


class ZPlus(Rule):
    """z⁺: `z = x⁺ W⁺ + x⁻ W⁻`, positive contributions alone (Montavon et al. 2017, Sec. 4.2; x of
    either sign).

    `signed=False` promises that x is never negative: the second part is left out. `floored=True`
    promises that it is at least δ: a captured ReLU returns nothing less.
    """

    def __init__(self, layer: LinearMap, signed: bool = True, floored: bool = False) -> None:
        super().__init__(layer)
        self.signed, self.floored = signed, floored

    def propagate(
        self, x: torch.Tensor, relevance: torch.Tensor, exists: Exists = None
    ) -> torch.Tensor:
        """Return x⁺ (W⁺ᵀ s) + x⁻ (W⁻ᵀ s) with s = R / z."""
        return self.share(x, relevance, self._parts(x), exists)

    def by_step(self, x: torch.Tensor) -> Callable[[int, torch.Tensor], torch.Tensor]:
        """Return `propagate` of each step of x (N, T, in), of a dense layer."""
        parts = self._parts(x)
        z, weights = self._sum(parts).unbind(1), [weight for _, weight in parts]
        steps = zip(*(part.unbind(1) for part, _ in parts), strict=True)
        of_step = [[*zip(signed, weights, strict=True)] for signed in steps]
        return lambda t, relevance: self._hand_on(of_step[t][0][0], relevance / z[t], of_step[t])

    def _parts(self, x: torch.Tensor) -> list[Part]:
        parts = [(x if self.floored else x.clamp_min(delta(x)), self.positive)]
        if self.signed:
            parts.append((x.clamp_max(0), self.negative))
        return parts


class ZBox(Rule):
    """z-box: `z = x W − l W⁺ − h W⁻`, for inputs in the box [l, h] (Montavon et al. 2017, Sec.
    4.1).

    It is computed as (x − l) W⁺ + (x − h) W⁻, whose terms are never negative: nothing cancels. A
    sample outside the box widens its own.
    """

    def __init__(self, layer: LinearMap, low: torch.Tensor, high: torch.Tensor) -> None:
        super().__init__(layer)
        self.low, self.high = low, high

    def propagate(
        self, x: torch.Tensor, relevance: torch.Tensor, exists: Exists = None
    ) -> torch.Tensor:
        """Return (x − l) (W⁺ᵀ s) + (x − h) (W⁻ᵀ s) with s = R / z."""
        above, below = (x - self.low).clamp_min_(delta(x)), (x - self.high).clamp_max_(0)
        return self.share(x, relevance, [(above, self.positive), (below, self.negative)], exists)


class Sign(Rule):
    """sign: contributions that have the sign of z = x W (γ → ∞ of the γ rule, Montavon et al. 2019,
    Sec. 10.2.3); the most relevant input of a unit at −1 is one that pulls it down.
    """

    def __init__(self, layer: LinearMap) -> None:
        super().__init__(layer)
        self.falling = self._never_zero(-self.relative)
        self.rising = layer.prepared((-self.relative).clamp_max(0))

    def propagate(
        self, x: torch.Tensor, relevance: torch.Tensor, exists: Exists = None
    ) -> torch.Tensor:
        """Return the shares of outputs with z ≥ 0 by z⁺, and of the others by z⁻, added."""
        z = self.layer.apply(x if exists is None else x * exists, self.plain)
        plus, minus = x.clamp_min(delta(x)), x.clamp_max(0)
        up = [(plus, self.positive), (minus, self.negative)]
        down = [(plus, self.falling), (minus, self.rising)]
        shared = self.share(x, relevance * (z >= 0), up, exists)
        return shared + self.share(x, relevance * (z < 0), down, exists)


class SquaredWeights(Rule):
    """w²: `R_i = Σ_k R_k w_ik² / Σ_h w_hk²`, whatever the input (Montavon et al.
    2017, Sec. 4.1).
    """

    def propagate(
        self, x: torch.Tensor, relevance: torch.Tensor, exists: Exists = None
    ) -> torch.Tensor:
        """Return Σ_k R_k w_ik² / Σ_h w_hk²."""
        return self.share_by_weights(x, relevance, self.squares, exists)


class Flat(Rule):
    """flat: `R_i = Σ_k R_k / n_k`, one share for each of an output's n_k inputs (Lapuschkin et al.
    2019).
    """

    def propagate(
        self, x: torch.Tensor, relevance: torch.Tensor, exists: Exists = None
    ) -> torch.Tensor:
        """Return Σ_k R_k / n_k."""
        return self.share_by_weights(x, relevance, self.ones, exists)


class Epsilon(Rule):
    """ε: `R_i = Σ_k R_k x_i w_ik / (z_k + ε sign(z_k))`, z = x W (Bach et al. 2015, Eq. 58); ε
    absorbs relevance.
    """

    def __init__(self, layer: LinearMap, epsilon: float = 1e-6) -> None:
        super().__init__(layer)
        self.epsilon = epsilon

    def propagate(
        self, x: torch.Tensor, relevance: torch.Tensor, exists: Exists = None
    ) -> torch.Tensor:
        """Return x (Wᵀ s) with s = R / (z + ε sign(z))."""
        return self.share_signed(x, relevance, [(x, self.plain)], self.epsilon, exists)


class Gamma(Rule):
    """γ: contributions that agree with the sign of z = x W count (1 + γ)-fold (Montavon et al.
    2019, Sec. 10.2.3).

    For z > 0 the weights are `W + γ W⁺` on x⁺ and `W + γ W⁻` on x⁻, for z < 0 the other way round:
    the denominator has at least the size of z, and inputs may have either sign.
    """

    def __init__(self, layer: LinearMap, gamma: float = 0.25) -> None:
        super().__init__(layer)
        weight = layer.weight
        self.up = layer.prepared(weight + gamma * weight.clamp_min(0))
        self.down = layer.prepared(weight + gamma * weight.clamp_max(0))

    def propagate(
        self, x: torch.Tensor, relevance: torch.Tensor, exists: Exists = None
    ) -> torch.Tensor:
        """Return the shares of outputs with z > 0 and of those with z ≤ 0, added."""
        above = self.layer.apply(x, self.plain) > 0
        plus, minus = x.clamp_min(0), x.clamp_max(0)
        agreeing, opposing = (
            [(plus, self.up), (minus, self.down)],
            [(plus, self.down), (minus, self.up)],
        )
        shared = self.share_signed(x, relevance * above, agreeing, exists=exists)
        return shared + self.share_signed(x, relevance * ~above, opposing, exists=exists)


class AlphaBeta(Rule):
    """αβ: `R_i = Σ_k R_k (α z⁺_ik / Σ z⁺ − β z⁻_ik / Σ z⁻)`, α − β = 1 (Bach et al. 2015, Eq. 60).

    An output with contributions of one sign alone hands on all its relevance by them.
    """

    def __init__(self, layer: LinearMap, alpha: float = 2.0) -> None:
        super().__init__(layer)
        self.alpha = alpha
        self.rising = layer.prepared(self.relative.clamp_min(0))

    def propagate(
        self, x: torch.Tensor, relevance: torch.Tensor, exists: Exists = None
    ) -> torch.Tensor:
        """Return α times the positive shares minus β times the negative ones."""
        plus, minus = x.clamp_min(0), x.clamp_max(0)
        raising, lowering = (
            [(plus, self.rising), (minus, self.negative)],
            [(plus, self.negative), (minus, self.rising)],
        )
        least = 1e6 * torch.finfo(x.dtype).tiny  # as in `share_signed`
        rises, falls = self._sum(raising) > least, self._sum(lowering) < -least
        by_raising = torch.where(falls, torch.where(rises, self.alpha, 0.0), 1.0)
        by_lowering = 1.0 - by_raising
        shared = self.share_signed(x, relevance * by_raising, raising, exists=exists)
        return shared + self.share_signed(x, relevance * by_lowering, lowering, exists=exists)


def _positive(norm: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return a norm with infinity in place of zeros, and where they are, if there are any."""
    zero = norm <= torch.finfo(norm.dtype).tiny
    return norm.masked_fill(zero, torch.inf), zero if bool(zero.any()) else None


def spread(relevance: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Give relevance that no input can take (an output without any) to all inputs of its sample,
    evenly.
    """
    whole = relevance.flatten(1).sum(1) / x.shape[1:].numel()
    return whole.reshape(-1, *(1,) * (x.dim() - 1)).expand_as(x)
