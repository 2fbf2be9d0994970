"""Exact Shapley values of small games: every coalition with every row of the background."""

from __future__ import annotations

import torch

from aexbench.explainers.shapley.coalitions import Design
from aexbench.explainers.shapley.games import Games
from aexbench.explainers.shapley.values import Worth


def cost(games: Games) -> int:
    """Return the forward rows a sample: (2^P − 2) B."""
    return ((1 << games.players) - 2) * len(games.background.rows)


def enumerated(games: Games) -> tuple[torch.Tensor, torch.Tensor]:
    """Return Shapley values (n, P) of all coalitions, and their standard errors: none."""
    design = Design.drawn(games.players, 1 << games.players, seed=0, middle="paired")
    parts = (design.coalitions, design.by_value, design.by_total)
    coalitions, by_value, by_total = (
        torch.as_tensor(part, device=games.x.device) for part in parts
    )
    worth = Worth(games.detector, games.background.rows).of_coalitions(
        games.x, torch.nn.functional.pad(coalitions, (0, 1)), games.column
    )
    gained = worth[..., 0] - games.background.errors.mean()
    values = gained @ by_value.T + games.gain.mean(dim=1, keepdim=True) * by_total
    return values, torch.zeros_like(values)
