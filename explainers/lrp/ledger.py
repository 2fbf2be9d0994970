"""The ledger: where relevance goes, and how much of a map depends on the error at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch


@dataclass
class Layer:
    """One layer's book: relevance received from its outputs and handed on to its inputs, per sample (N,).

    `contraction` is the total variation between the relevance of the error and the same amount spread evenly, at the
    layer's inputs over that at its outputs: 1 keeps what distinguishes them, 0 forgets it.
    """

    name: str
    rule: str
    received: torch.Tensor
    handed_on: torch.Tensor
    contraction: torch.Tensor


@dataclass(frozen=True)
class Ledger:
    """Where the relevance of samples goes.

    Attributes
    ----------
    error : (N,)
        e(x, x̂): what was to be handed out.
    total : (N,)
        The sum of the attributions.
    correlation : (N,)
        The rank correlation of the map with the one that spreads the error evenly over the outputs: near 1, the map
        hardly depends on which outputs are wrong.
    layers
        From the output to the input.
    """

    error: torch.Tensor
    total: torch.Tensor
    correlation: torch.Tensor
    layers: list[Layer]

    @property
    def gap(self) -> torch.Tensor:
        """|Σ R − e| / e per sample (N,)."""
        return (self.total - self.error).abs() / self.error.clamp_min(torch.finfo(self.error.dtype).tiny)

    def __str__(self) -> str:
        """Return a table of medians over samples."""
        if len(self.error) == 0:
            return "no samples"
        lines = [f"{'layer':<40} {'rule':<10} {'handed on':>9} {'contraction':>11}"]
        for layer in self.layers:
            kept = float((layer.handed_on / layer.received).nanmedian())
            lines.append(
                f"{layer.name[:40]:<40} {layer.rule:<10} {kept:>8.2%} {float(layer.contraction.nanmedian()):>11.3f}"
            )
        worst, correlation = float(self.gap.max()), float(self.correlation.median())
        lines.append(
            f"largest gap to the error {worst:.1e}; rank correlation with the loss-ablated map {correlation:.3f}"
        )
        return "\n".join(lines)


def rank_correlation(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return Spearman's rank correlation per sample (N,), ties at their mean rank; 0 if one is constant, 1 if both."""
    from scipy.stats import rankdata

    ranks = [rankdata(m.flatten(1).double().cpu().numpy(), axis=1) for m in (one, other)]
    a, b = (r - r.mean(axis=1, keepdims=True) for r in ranks)
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    constant = ((a == 0).all(axis=1) & (b == 0).all(axis=1)).astype(np.float64)
    correlation = np.divide((a * b).sum(axis=1), scale, out=constant, where=scale > 0)
    return torch.as_tensor(correlation)
