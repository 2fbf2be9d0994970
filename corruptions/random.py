"""Random corruption: the feature takes a regular value that is not its own."""

from __future__ import annotations

import numpy as np
import torch

from aexbench import Detector
from aexbench.corruptions import register
from aexbench.rows import Array


@register("random", threshold=0.5, version=1)
def random(
    detector: Detector,
    x: torch.Tensor,
    mask: torch.Tensor,
    rng: np.random.Generator,
    *,
    clean: Array | None = None,
) -> torch.Tensor:
    """Set one feature to a uniform value between its low and high: 0 and 1, unless the data set
    says otherwise.

    A feature that is a category becomes another one: of one-hot columns any of the others, each as
    likely; of a hashed or embedded one another of the clean samples', as often as it occurs there.

    Parameters
    ----------
    clean
        The samples that hashed and embedded categories come from; given by the engine.

    References
    ----------
    "Unlocking Layer-wise Relevance Propagation for Autoencoders", Sec. 4.1 (T = 0.5).
    """
    uniform = rng.random(tuple(x.shape))
    values = detector.features.redrawn(x.cpu().double(), mask.cpu().numpy(), uniform, clean)
    return torch.where(mask, torch.as_tensor(values, dtype=x.dtype, device=x.device), x)
