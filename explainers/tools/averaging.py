"""Gradients averaged over points drawn at random, with noise of our own: captum draws for a whole
batch from torch's global state, so that a sample's answer would change with its batch.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from aexbench import Detector
from aexbench.detector import in_chunks
from aexbench.explainers.tools import seeding
from aexbench.explainers.tools.gradients import require_gradient

Points = Callable[
    [torch.Tensor], tuple[torch.Tensor, torch.Tensor | float]
]  # of draws by their numbers, in order
Draw = Callable[[torch.Tensor, list[np.random.Generator]], Points]


def averaged(
    detector: Detector, x: torch.Tensor, nsamples: int, seed: int, draw: Draw
) -> torch.Tensor:
    """Return the mean of weighted gradients (N, …) over the points (N, nsamples, …) and weights
    that `draw` leads to.

    What fits in a chunk is taken at once: samples with all of their draws, or some draws of one
    sample. SkipError where x̂ does not hang on x for autograd.
    """
    require_gradient(detector, x)
    rows = detector.chunk_rows(x)

    def average(part: torch.Tensor) -> torch.Tensor:
        generators = seeding.generators(part, seed, detector.features)
        points = draw(part, generators)
        total = torch.zeros_like(part, dtype=torch.promote_types(part.dtype, torch.float32))

        def add(draws: torch.Tensor) -> torch.Tensor:
            with seeding.rewound(generators):
                at, weights = points(draws)
                gradients = detector.error_gradient(at.flatten(0, 1)).view_as(at)
                total.add_((gradients * weights).sum(dim=1, dtype=total.dtype))
            return draws[:0]

        in_chunks(add, torch.arange(nsamples), max(1, rows // len(part)))
        return (total / nsamples).to(part.dtype)

    return in_chunks(average, x, max(1, rows // nsamples))
