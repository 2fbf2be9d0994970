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


def density(weight: torch.Tensor) -> float:
    """Return the share of its inputs that a unit reads, the mean over units (n, M).

    It is 3 (Σ w²)² / (M Σ w⁴) of M weights: 1 for normal ones, ρ if all but a share ρ are 0.
    """
    squares = weight.double().square()
    alive = squares[squares.sum(1) > 0]
    read = 3 * alive.sum(1).square() / (alive.shape[1] * alive.square().sum(1))
    return float(read.mean())


def tied_diagonal(rules: Mapping[Operation, str], features: Features) -> float:
    """Return T's diagonal over chance for one hidden layer of random weights of this density whose
    decoder is its encoder's transpose, by w² and z⁺; not a number for other networks.

    T_kk is 2 / (ρ M) then, 2 / ρ over chance. Of a feature of K columns the other K − 1 are met by
    chance.
    """
    layers = [operation.layer for operation in rules]
    if list(rules.values()) != ["w2", "z-plus"] or not isinstance(layers[0], Dense):
        return math.nan
    weight = layers[0].weight
    columns = weight.shape[1] / features.count((weight.shape[1],))
    return (2 / density(weight) + columns - 1) / columns
