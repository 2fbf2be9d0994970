"""Every rule of layer-wise relevance propagation for one affine layer, in matrix form.

Slow and obvious: the layer becomes its matrix A (outputs k, inputs i), a rule becomes a matrix of
shares whose rows sum to one, and the relevance of the inputs is that matrix, transposed, times the
relevance of the outputs.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

Layer = Callable[[Tensor], Tensor]


def share(
    layer: Layer,
    x: Tensor,
    relevance: Tensor,
    rule: str,
    *,
    low: float | Tensor = 0.0,
    high: float | Tensor = 1.0,
    epsilon: float = 1e-6,
    gamma: float = 0.25,
    alpha: float = 2.0,
) -> Tensor:
    """Relevance of the input (1, ...) of an affine layer, float64, from the relevance of its output
    (1, ...).
    """
    if isinstance(layer, nn.Module):
        layer = copy.deepcopy(layer).double().eval()
    x = x.detach().double()
    a = matrix(layer, x)
    c = a * x.flatten()  # c[k, i] = a[k, i] x[i], by broadcasting over the rows

    if rule == "z-plus":
        shares, empty = normalised(c.clamp(min=0))
    elif rule == "w2":
        shares, empty = normalised(a**2)
    elif rule == "flat":
        if not isinstance(layer, nn.Module):
            raise TypeError(
                "the flat rule needs a module: its structure is read off with all weights set to "
                "one"
            )
        shares, empty = normalised(structure(layer, x))
    elif rule == "z-box":
        bottom = torch.minimum(torch.as_tensor(low, dtype=x.dtype).expand_as(x), x).flatten()
        top = torch.maximum(torch.as_tensor(high, dtype=x.dtype).expand_as(x), x).flatten()
        shares, empty = normalised(c - a.clamp(min=0) * bottom - a.clamp(max=0) * top)
    elif rule == "epsilon":
        z = c.sum(1, keepdim=True)
        shares, empty = divided(c, z + epsilon * torch.where(z >= 0, 1.0, -1.0))
    elif rule == "gamma":
        rising = c.sum(1, keepdim=True) > 0
        shares, empty = normalised(c + gamma * torch.where(rising, c.clamp(min=0), c.clamp(max=0)))
    elif rule == "sign":
        rising = c.sum(1, keepdim=True) >= 0
        shares, empty = normalised(torch.where(rising, c.clamp(min=0), c.clamp(max=0)))
    elif rule == "alpha-beta":
        shares, empty = alpha_beta(c, alpha)
    else:
        raise ValueError(f"unknown rule {rule!r}")

    left = fallback(layer, x, a)
    if rule in ("z-plus", "z-box"):
        first, nothing = normalised(
            leading(a, (x.flatten() if rule == "z-plus" else x.flatten() - bottom))
        )
        left = torch.where(nothing, left, first)
    shares = torch.where(empty, left, shares)
    return (shares.T @ relevance.detach().double().flatten()).reshape(x.shape)


def matrix(layer: Layer, x: Tensor) -> Tensor:
    """Matrix (out, in) of an affine layer: its Jacobian at zero, which no bias enters."""
    jacobian: Tensor = torch.autograd.functional.jacobian(layer, torch.zeros_like(x))  # type: ignore[no-untyped-call]
    return jacobian.detach().reshape(-1, x.numel())


def structure(layer: nn.Module, x: Tensor) -> Tensor:
    """Matrix (out, in) of the same layer with all weights set to one: which input reaches which
    output, how often.
    """
    layer = copy.deepcopy(layer)
    with torch.no_grad():
        for module in layer.modules():
            weight = getattr(module, "weight", None)
            if isinstance(weight, Tensor):
                weight.fill_(1.0)
    return matrix(layer, x)


def divided(parts: Tensor, denominator: Tensor) -> tuple[Tensor, Tensor]:
    """Parts (out, in) over their denominator (out, 1), zero where that is zero, and the mask (out,
    1) of such rows.
    """
    empty = denominator == 0
    return torch.where(empty, 0.0, parts / torch.where(empty, 1.0, denominator)), empty


def normalised(parts: Tensor) -> tuple[Tensor, Tensor]:
    """Each row of parts (out, in) over its sum, and the mask (out, 1) of rows whose sum is exactly
    zero.
    """
    return divided(parts, parts.sum(1, keepdim=True))


def alpha_beta(c: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """Shares alpha C+ / sum C+ - (alpha - 1) C- / sum C-; a row of one sign hands on everything by
    that sign.
    """
    positive, no_positive = normalised(c.clamp(min=0))
    negative, no_negative = normalised(c.clamp(max=0))
    both = alpha * positive - (alpha - 1) * negative
    return torch.where(
        no_positive, negative, torch.where(no_negative, positive, both)
    ), no_positive & no_negative


def leading(a: Tensor, x: Tensor) -> Tensor:
    """What is left of max(x, d) (a+ + d a^2 / max|a|) where nothing else contributes, to first
    order in a small d.
    """
    return torch.where(x > 0, x * a**2 / a.abs().max(), a.clamp(min=0))


def fallback(layer: Layer, x: Tensor, a: Tensor) -> Tensor:
    """Shares (out, in) by squared weights; equal over the connected inputs where a row is all zero
    (none: lost).
    """
    squares, all_zero = normalised(a**2)
    connected = structure(layer, x) != 0 if isinstance(layer, nn.Module) else torch.ones_like(a)
    equal, _ = normalised(connected.to(a.dtype))
    return torch.where(all_zero, equal, squares)
