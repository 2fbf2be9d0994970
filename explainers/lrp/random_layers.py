"""What layers of random weights do to relevance, to be read beside what a network's layers do.

A weight's share of its output's relevance is (1 + ξ) / n of n inputs, with ξ of mean 0 and variance
v: π − 1 by z⁺, for normal weights and equal inputs, 2 by w². Of a difference d in relevance, which
sums to 0 and has nothing to do with the weights, √(v/n) is left of its Euclidean length. Of its
total variation, which ledgers count, √(2v/π) ‖d‖₂ / ‖d‖₁ is left, whatever the inputs: √(v/n) if d
is like normal numbers at n outputs, more if few outputs hold it. The first layer that an error
meets keeps more, as an error hangs together with the weights it comes from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from aexbench import Features
from aexbench.explainers.lrp.maps import Dense
from aexbench.explainers.lrp.operations import Operation

VARIANCE = {"z-plus": math.pi - 1, "w2": 2.0}


def contraction(
    operation: Operation, rule: str, difference: torch.Tensor, count: int
) -> torch.Tensor:
    """Return what a dense layer of random weights would keep of a difference (N, n) at its outputs,
    in total variation (N,); not a number for other layers and rules.
    """
    known = rule in VARIANCE and isinstance(operation.layer, Dense)
    if not known or difference.dim() != 2 or len(difference) != count:
        return torch.full((count,), math.nan, dtype=torch.float64, device=difference.device)
    values = difference.double()
    length = torch.linalg.vector_norm(values, dim=1)
    kept: torch.Tensor = math.sqrt(2 * VARIANCE[rule] / math.pi) * length / values.abs().sum(1)
    return kept


def tied_diagonal(rules: Mapping[Operation, str], features: Features) -> float:
    """Return T's diagonal over chance for one hidden layer of random weights that are as sparse and
    whose decoder is its encoder's transpose, by w² and z⁺; not a number for other networks.

    A unit that reads n inputs hands 2 / (n + 1) of what it has from output k to input k; that is
    nearly 2 / (ρM) of M inputs and a density ρ. Of a feature of K columns the other K − 1 are met
    by chance.
    """
    layers = [operation.layer for operation in rules]
    if list(rules.values()) != ["w2", "z-plus"] or not isinstance(layers[0], Dense):
        return math.nan
    read, size = inputs_read(layers[0].weight)
    inputs = layers[0].weight.shape[1]
    columns = inputs / features.count((inputs,))
    over = float((size * 2 * inputs / (read + 1)).sum() / size.sum())
    return (over + columns - 1) / columns


def inputs_read(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how many inputs each unit reads (n,), and the squares of its weights (n, M), summed:
    by these it counts, as units that training has put out have weights that are small and many.

    The number is 3 (Σ w²)² / Σ w⁴ − 2: as many as are not 0, where these are normal.
    """
    squares = weight.double().square()
    size = squares.sum(1)
    alive = size > 0
    fourth = squares.square().sum(1)[alive]
    return 3 * size[alive].square() / fourth - 2, size[alive]
