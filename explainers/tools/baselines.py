"""Baselines: what a normal value would be, for methods that compare a sample with one.

They come from the training split alone (the `background` that the engine gives to explainers).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike

from aexbench.detector import Detector
from aexbench.errors import RequestError
from aexbench.explainers.tools.units import Units
from aexbench.rows import Rows, as_rows, moments, sample

BaselineName = Literal["mean", "zeros", "nearest", "reconstruction"]
Baseline = Callable[[torch.Tensor], torch.Tensor]
ROWS, IMAGES = 755, 5  # that stand for a background: the paper's number for tables
NEAREST_VALUES = (
    2**22
)  # of a background that are compared at once, and distances to them: 32 MiB each


def baseline(name: BaselineName, detector: Detector, background: ArrayLike) -> Baseline:
    """Return a function from samples (N, …) to their baselines, of the same shape, type and device.

    Parameters
    ----------
    name
        `mean`: of the background. `zeros`: the features' `low`, 0 unless they say otherwise.
        `nearest`: the sample of the background with the least Euclidean distance. `reconstruction`:
        what the detector makes of the sample, x̂.
    detector
        For `reconstruction`, and for its features.
    background : (B, …)
        Normal samples, the training split.

    Examples
    --------
    >>> normal = np.array([[0.0, 0.0], [1.0, 3.0]])
    >>> baseline("nearest", Detector(torch.nn.Identity()), normal)(torch.tensor([[1.0, 1.9]]))
    tensor([[1., 3.]])
    """
    normal = normal_rows(detector, background)
    if name == "mean":
        mean = torch.as_tensor(moments(normal)[0])
        return lambda x: mean.to(x).expand_as(x)
    if name == "zeros":
        low = torch.as_tensor(Units.of(detector.features, tuple(normal.shape[1:])).low)
        return lambda x: low.to(x).expand_as(x)
    if name == "reconstruction":
        return lambda x: detector.reconstruct(x.detach())
    return lambda x: nearest(x, normal)


def normal_rows(detector: Detector, background: ArrayLike) -> Rows:
    """Return the background as rows that the detector takes: all that explainers read of it comes
    through here.

    Raises
    ------
    RequestError
        If it is empty, has no columns, or other ones than the detector's features or its model
        take.
    """
    rows: Rows = as_rows(background)
    shape = tuple(rows.shape)
    if (
        len(shape) < 2
        or not shape[0]
        or not (np.issubdtype(rows.dtype, np.number) or rows.dtype == np.bool_)
    ):
        raise RequestError(
            f"a background is normal samples (B, …), one at least; this one is {rows.dtype} {shape}"
        )
    detector.features.check(shape[1:])
    try:
        detector.reconstruct(np.array(rows[:1]))
    except RequestError as error:
        raise RequestError(f"the background {shape} does not fit the detector: {error}") from error
    return rows


def nearest(x: torch.Tensor, background: Rows) -> torch.Tensor:
    """Return for each sample (N, …) the nearest of the background (B, …), which is
    read in blocks.
    """
    columns = x.shape[1:].numel()
    count = max(1, NEAREST_VALUES // columns)
    # Products of what lies far from zero would swallow the distances: both sides are taken from one
    # normal sample.
    centre = torch.as_tensor(np.array(background[:1], dtype=np.float64)).flatten(1)
    samples = x.double().cpu().flatten(1) - centre
    best, rows = (
        torch.full((len(x),), torch.inf, dtype=torch.float64),
        torch.zeros(len(x), dtype=torch.int64),
    )
    for start in range(0, len(background), count):
        block = (
            torch.as_tensor(np.array(background[start : start + count], dtype=np.float64)).flatten(
                1
            )
            - centre
        )
        for part in torch.arange(len(x)).split(max(1, NEAREST_VALUES // len(block))):
            distance, row = torch.cdist(
                samples[part], block, compute_mode="use_mm_for_euclid_dist"
            ).min(dim=1)
            rows[part] = torch.where(distance < best[part], row + start, rows[part])
            best[part] = torch.minimum(distance, best[part])
    return torch.as_tensor(np.asarray(background[rows.numpy()])).to(x)


def representatives(
    detector: Detector, background: ArrayLike, rows: int | None = None, seed: int = 0
) -> torch.Tensor:
    """Return a seeded sample of the background on the detector's device, of its type.

    `rows` is 755 for tables and 5 for images where it is left out: methods that put every one of
    them in the place of what is missing ask the detector that many rows for each of their
    questions.
    """
    normal = normal_rows(detector, background)
    default = IMAGES if len(normal.shape) == 4 else ROWS
    chosen = sample(normal, default if rows is None else rows, seed)
    return torch.as_tensor(chosen).to(detector.device, detector.dtype)
