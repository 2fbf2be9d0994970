"""Twins of a network, their Shapley values and the regression of pairs, by definition, slowly."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np

Array = np.ndarray
Function = Callable[[Array], float]  # of one row


def enumerated(value: Function, x: Array, background: Array, groups: tuple[int, ...]) -> Array:
    """Shapley values (P,) of the mean over rows b of value(x_S, b_S̄): all 2^P coalitions of
    groups of columns.
    """
    players, column = max(groups) + 1, np.array(groups)
    worth = {}
    for part in itertools.product([False, True], repeat=players):
        inside = np.array(part)[column]
        worth[part] = np.mean([value(np.where(inside, x, b)) for b in background])
    phi = np.zeros(players)
    for i, part in itertools.product(range(players), worth):
        if not part[i]:
            size, joined = sum(part), tuple(p or j == i for j, p in enumerate(part))
            weight = math.factorial(size) * math.factorial(players - size - 1)
            phi[i] += weight / math.factorial(players) * (worth[joined] - worth[part])
    return phi


def ridge(z: Array, y: Array, penalty: float) -> Array:
    """(ZᵀZ + λ R D)⁻¹ ZᵀY of R rows, where D has no entry for the first regressor."""
    diagonal = np.eye(z.shape[1])
    diagonal[0, 0] = 0.0
    return np.linalg.solve(z.T @ z + penalty * len(z) * diagonal, z.T @ y)


def pair_regression(taking_part: Array, y: Array) -> tuple[Array, Array]:
    """β that minimises Σ_k w_k (y_k − (s_k − s̄_k)·β)² with Σ β = 0, and what each pair adds to its
    error by HC3, (K, P): the bordered system of the textbook, w_k = p_|S| (P − 1).
    """
    count, players = taking_part.shape
    sizes = np.arange(1, players)
    total = sum(1 / (z * (players - z)) for z in sizes)
    rows, weights = [], []
    for part in taking_part:
        sign = np.where(part, 1.0, -1.0)
        z = int(part.sum())
        rows.append(sign - sign.mean())
        weights.append((players - 1) / (z * (players - z)) / total)
    away, weight = np.array(rows), np.array(weights)
    bordered = np.ones((players + 1, players + 1))
    bordered[:players, :players] = away.T @ np.diag(weight) @ away
    bordered[players, players] = 0.0
    inverse = np.linalg.inv(bordered)[:players, :players]
    beta = inverse @ away.T @ (weight * y)
    scores = np.zeros((count, players))
    for k in range(count):
        leverage = weight[k] * away[k] @ inverse @ away[k]
        left = y[k] - away[k] @ beta
        scores[k] = inverse @ away[k] * weight[k] * left / (1 - leverage)
    return beta, scores
