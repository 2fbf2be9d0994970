"""Random: a floor. What is scored by knowing nothing."""

from __future__ import annotations

import hashlib
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge

from aexbench import Detector
from aexbench.explainers import register


@register("random", floor=True)
def random(detector: Detector, x: torch.Tensor, *, seed: Annotated[int, Ge(0)] = 0) -> torch.Tensor:
    """Return standard normal noise, seeded by each sample's content: the batch that it comes in does not matter."""
    rows = x.detach().cpu().contiguous().to(torch.float64).numpy()
    noise = np.stack([_generator(row.tobytes(), seed).standard_normal(row.shape) for row in rows])
    return torch.as_tensor(noise, dtype=x.dtype, device=x.device)


def _generator(content: bytes, seed: int) -> np.random.Generator:
    digest = hashlib.blake2b(content, digest_size=16).digest()
    return np.random.default_rng([seed, int.from_bytes(digest, "little")])
