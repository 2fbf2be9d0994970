"""Baselines: what a normal value would be, for methods that compare a sample with one.

They come from the training split alone (the `background` that the engine gives to explainers).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike

from aexbench.contracts import Array
from aexbench.detector import Detector

BaselineName = Literal["mean", "zeros", "nearest", "reconstruction"]
Baseline = Callable[[torch.Tensor], torch.Tensor]
ROWS, IMAGES = 755, 5  # that stand for a background: the paper's number for tables
BLOCK = 16_384  # rows of a background that are read at once: it may be a memory map
PAIRS = 2**22  # distances that are kept at once: 32 MiB


def baseline(name: BaselineName, detector: Detector, background: ArrayLike) -> Baseline:
    """Return a function from samples (N, …) to their baselines, of the same shape, type and device.

    Parameters
    ----------
    name
        `mean`: of the background. `zeros`. `nearest`: the sample of the background with the least Euclidean distance.
        `reconstruction`: what the detector makes of the sample, x̂.
    detector
        For `reconstruction`.
    background : (B, …)
        Normal samples, the training split.

    Examples
    --------
    >>> normal = np.array([[0.0, 0.0], [1.0, 3.0]])
    >>> baseline("nearest", Detector(torch.nn.Identity()), normal)(torch.tensor([[1.0, 1.9]]))
    tensor([[1., 3.]])
    """
    if name == "mean":
        mean = torch.as_tensor(np.mean(np.asarray(background), axis=0, dtype=np.float64))
        return lambda x: mean.to(x).expand_as(x)
    if name == "zeros":
        return torch.zeros_like
    if name == "reconstruction":
        return lambda x: detector.reconstruct(x.detach())
    normal = background if isinstance(background, np.ndarray) else np.asarray(background)
    return lambda x: nearest(x, normal)


def nearest(x: torch.Tensor, background: Array) -> torch.Tensor:
    """Return for each sample (N, …) the nearest of the background (B, …), which is read in blocks."""
    samples = x.detach().double().cpu().flatten(1)
    best, rows = torch.full((len(x),), torch.inf, dtype=torch.float64), torch.zeros(len(x), dtype=torch.int64)
    for start in range(0, len(background), BLOCK):
        block = torch.as_tensor(np.asarray(background[start : start + BLOCK], dtype=np.float64)).flatten(1)
        for part in torch.arange(len(x)).split(PAIRS // BLOCK):
            distance, row = torch.cdist(samples[part], block, compute_mode="use_mm_for_euclid_dist").min(dim=1)
            rows[part] = torch.where(distance < best[part], row + start, rows[part])
            best[part] = torch.minimum(distance, best[part])
    return torch.as_tensor(np.asarray(background[rows.numpy()])).to(x)


def sample(background: ArrayLike, count: int, seed: int = 0) -> Array:
    """Return `count` random samples of the background (B, …) without repetition, in their order; all if it has fewer.

    Examples
    --------
    >>> sample(np.arange(10.0)[:, None], 3, seed=0).shape
    (3, 1)
    """
    rows = background if isinstance(background, np.ndarray) else np.asarray(background)
    if count >= len(rows):
        return np.asarray(rows)
    chosen = np.random.default_rng(seed).choice(len(rows), size=count, replace=False)
    return np.asarray(rows[np.sort(chosen)])


def representatives(detector: Detector, background: ArrayLike, rows: int | None = None, seed: int = 0) -> torch.Tensor:
    """Return a seeded sample of the background on the detector's device, of its type.

    `rows` is 755 for tables and 5 for images where it is left out: methods that put every one of them in the place of
    what is missing ask the detector that many rows for each of their questions.
    """
    normal = background if isinstance(background, np.ndarray) else np.asarray(background)
    default = IMAGES if normal.ndim == 4 else ROWS
    chosen = sample(normal, default if rows is None else rows, seed)
    return torch.as_tensor(chosen).to(detector.device, detector.dtype)
