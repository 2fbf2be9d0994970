"""Who plays: the segments of a sample that are not like the whole background. Samples are put
together where their players agree.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict

import torch

from aexbench.explainers.tools.units import Units


def bounds(background: torch.Tensor) -> torch.Tensor:
    """Return the least and the greatest value (2, …) of each column of rows (B, …)."""
    return torch.stack(background.aminmax(dim=0))


def varying(
    x: torch.Tensor, numbers: torch.Tensor, bounds: torch.Tensor, units: Units
) -> torch.Tensor:
    """Return which segments (N, P) of samples, numbered (N, …), differ from any row of a
    background within these bounds: shap's tolerance, 1e-8 + 1e-5 |b|, in units of the features'
    ranges. What is near both bounds is near all that lies between.
    """
    scaled, differs = units.scaled(x), torch.zeros_like(x, dtype=torch.bool)
    for at in units.scaled(bounds):
        differs |= ~((scaled - at).abs() <= 1e-8 + 1e-5 * at.abs())  # what is no number differs
    count = int(numbers.max()) + 1 if len(x) else 1
    columns = torch.zeros(len(x), count, device=x.device)
    flat = differs.flatten(1).to(columns.dtype)
    return columns.scatter_add_(1, numbers.flatten(1), flat) > 0


def alike(numbers: torch.Tensor, varying: torch.Tensor) -> list[torch.Tensor]:
    """Return the rows of samples that have the same segments (N, …), and the same varying ones (N,
    P) among them.
    """
    shared = numbers.stride(0) == 0 or len(numbers) == 1  # one row of numbers stands for all
    keys = [
        b"" if shared else hashlib.blake2b(row.cpu().numpy().tobytes()).digest() for row in numbers
    ]
    groups: dict[tuple[bytes, bytes], list[int]] = defaultdict(list)
    for index, (key, taking_part) in enumerate(zip(keys, varying.cpu().numpy(), strict=True)):
        groups[key, taking_part.tobytes()].append(index)
    return [torch.tensor(rows, device=varying.device) for rows in groups.values()]
