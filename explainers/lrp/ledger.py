"""The ledger: where relevance goes, and how much of a map depends on the error at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from aexbench.explainers.lrp import random_layers
from aexbench.explainers.lrp.operations import Operation


@dataclass
class Layer:
    """One layer's book: relevance received from its outputs and handed on to its inputs, per sample
    (N,).

    `contraction` is the total variation between the relevance of the error and the same amount
    spread evenly, at the layer's inputs over that at its outputs: 1 keeps what distinguishes them,
    0 forgets it; not a number where they do not differ. `random` is what a layer of random weights
    keeps, see `random_layers.py`.
    """

    name: str
    rule: str
    received: torch.Tensor
    handed_on: torch.Tensor
    contraction: torch.Tensor
    random: torch.Tensor


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
        The rank correlation of the map with the one that spreads the error evenly over the outputs:
        near 1, the map hardly depends on which outputs are wrong. 0 of a contrast.
    layers
        From the output to the input.
    diagonal : (N,)
        The share of an output's relevance that reaches its own feature, over chance; 1 is chance.
    tied
        The same of a random network with one tied hidden layer of the same density.
    """

    error: torch.Tensor
    total: torch.Tensor
    correlation: torch.Tensor
    layers: list[Layer]
    diagonal: torch.Tensor
    tied: float

    @property
    def gap(self) -> torch.Tensor:
        """|Σ R − e| / e per sample (N,)."""
        return gap(self.total[:, None], self.error[:, None])

    def __str__(self) -> str:
        """Return a table of medians over samples."""
        if len(self.error) == 0:
            return "no samples"
        lines = [
            f"{'layer':<40} {'rule':<10} {'handed on':>9} {'contraction':>11} {'at random':>9}"
        ]
        for layer in self.layers:
            kept = float((layer.handed_on / layer.received).nanmedian())
            lines.append(
                f"{layer.name[:40]:<40} {layer.rule:<10} {kept:>8.2%} "
                f"{float(layer.contraction.nanmedian()):>11.3f}{_number(layer.random)}"
            )
        worst, correlation = float(self.gap.max()), float(self.correlation.median())
        lines.append(
            f"largest gap to the error {worst:.1e}; rank correlation with the loss-ablated map "
            f"{correlation:.3f}"
        )
        tied = "" if math.isnan(self.tied) else f" (a random tied layer: {self.tied:.1f})"
        lines.append(
            "an output's relevance reaches its own feature "
            f"{float(self.diagonal.median()):.1f} times as often as chance{tied}"
        )
        return "\n".join(lines)


class Book:
    """Watches a backward pass, and keeps what each layer receives and hands on."""

    def __init__(self, count: int, names: Mapping[Operation, str]) -> None:
        self.count, self.names = count, names
        self.layers: list[Layer] = []

    def __call__(
        self, operation: Operation, received: torch.Tensor, handed_on: list[torch.Tensor]
    ) -> None:
        """Book one operation."""
        given, variation = (
            torch.stack([per_sample(share, self.count) for share in shares]).sum(0)
            for shares in (handed_on, [share.abs() for share in handed_on])
        )
        contraction = variation / per_sample(received.abs(), self.count)  # 0 / 0 is not a number
        rule = self.names.get(operation, operation.kind)
        taken = per_sample(received, self.count)
        random = random_layers.contraction(operation, rule, received, self.count)
        self.layers.append(Layer(operation.name, rule, taken, given, contraction, random))


def _number(values: torch.Tensor) -> str:
    """Return the median of a column that is empty where nothing is a number."""
    known = values[~values.isnan()]
    return f" {float(known.median()):>9.3f}" if len(known) else ""


def per_sample(values: torch.Tensor, count: int) -> torch.Tensor:
    """Return each sample's sum (count,) in float64; a layer may have merged samples
    and positions.
    """
    by_sample = values.flatten(1) if len(values) == count else values.reshape(count, -1)
    return by_sample.sum(1, dtype=torch.float64)


def gap(attributions: torch.Tensor, error: torch.Tensor) -> torch.Tensor:
    """Return |Σ R − e| / e (N,) from attributions and error maps (N, …)."""
    total, wanted = (per_sample(values, len(values)) for values in (attributions, error))
    return (total - wanted).abs() / wanted.clamp_min(torch.finfo(torch.float64).tiny)
