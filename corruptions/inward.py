"""Inward corruption: an unusual value becomes a usual one, in the wrong place."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from aexbench import Detector
from aexbench.corruptions import register
from aexbench.features import Codes
from aexbench.rows import Array

USUAL = 0.67  # spreads from the mean: about half of the values of a normal distribution


@register("inward", threshold=0.3, version=1)
def inward(
    detector: Detector,
    x: torch.Tensor,
    mask: torch.Tensor,
    rng: np.random.Generator,
    *,
    clean: Array,
) -> torch.Tensor:
    """Move a value that lies more than 0.67 spreads from its column's mean to a uniform one within
    0.67 spreads.

    A category is usual if it is one of the most frequent that make up half of the clean samples;
    any other becomes one of these, each as likely. A value that is usual already stays, and its
    draw does not count. An explainer that takes what is far from the mean for the cause finds none
    of these.

    Parameters
    ----------
    clean
        The samples that mean and spread come from; given by the engine.
    """
    drawn = rng.random(tuple(x.shape))
    mean, spread = (
        torch.as_tensor(statistic(clean, axis=0, dtype=np.float64), device=x.device)
        for statistic in (np.mean, np.std)
    )
    uniform = torch.as_tensor(2 * drawn - 1, device=x.device)
    unusual = (x - mean).abs() > USUAL * spread
    moved = torch.where(mask & unusual, (mean + USUAL * spread * uniform).to(x.dtype), x)
    return _with_categories(detector, x, moved, mask, drawn, clean)


def _with_categories(
    detector: Detector,
    x: torch.Tensor,
    moved: torch.Tensor,
    mask: torch.Tensor,
    drawn: NDArray[np.float64],
    clean: Array,
) -> torch.Tensor:
    """Return moved samples, in which what is a category comes from x with usual categories."""
    held, values = mask.cpu().numpy(), x.cpu().double().numpy().copy()
    for codes in detector.features.touched(held, clean):
        rows = codes.rows(held)
        own, usual = codes.of(values[rows]), _usual(codes)
        there = usual[(codes.first(drawn)[rows] * len(usual)).astype(np.int64)]
        codes.write(values, rows, there, keep=np.isin(own, usual))
    of_categories = torch.as_tensor(detector.features.of_categories(held), device=x.device)
    inside = mask & of_categories.view(-1, *[1] * (x.dim() - 1))
    return torch.where(inside, torch.as_tensor(values, dtype=x.dtype, device=x.device), moved)


def _usual(codes: Codes) -> NDArray[np.int64]:
    """Return the numbers of the most frequent categories that make up half of what is known."""
    order = codes.by_frequency()
    before = np.cumsum(codes.counts[order]) - codes.counts[order]
    return np.asarray(order[before < codes.counts.sum() / 2])
