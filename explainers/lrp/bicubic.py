"""Bicubic upsampling: fixed weights of which some are negative.

With A = P − Q, P and Q never negative, A x is the average P x + Q (−x) of x and −x: its parts share
like those of any other average, by its own sign.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from aexbench.explainers.lrp import averages

Upsampling = Callable[[torch.Tensor], torch.Tensor]


def share(upsampling: Upsampling, x: torch.Tensor, relevance: torch.Tensor) -> torch.Tensor:
    """Return the relevance of x (N, C, H, W) from that of what it is upsampled to."""
    signs = torch.stack([x, -x], 2)
    return averages.share(lambda both: _average(upsampling, both), signs, relevance).sum(2)


def _average(upsampling: Upsampling, signs: torch.Tensor) -> torch.Tensor:
    """Return P x + Q (−x) (N, C, H', W') for x and −x (N, C, 2, H, W)."""
    rows, columns = _weights(upsampling, signs, 3), _weights(upsampling, signs, 4)
    same, opposite = signs.unbind(2)
    return _product(rows, same, columns) + _product(rows, opposite, -columns)


def _product(rows: torch.Tensor, x: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Return what products of weights of one sign make of x."""
    rising = rows.clamp_min(0) @ x @ columns.clamp_min(0).mT
    return rising + rows.clamp_max(0) @ x @ columns.clamp_max(0).mT


def _weights(upsampling: Upsampling, signs: torch.Tensor, axis: int) -> torch.Tensor:
    """Return the weights along an axis (out, in): those of the images that are 1 in one row, or one
    column. The weights of the other axis sum to 1.
    """
    size = signs.shape[axis]
    images = torch.zeros((size, 1, *signs.shape[3:]), dtype=signs.dtype, device=signs.device)
    images.movedim(axis - 1, 1)[torch.arange(size), torch.arange(size)] = 1
    made = upsampling(images)[:, 0]
    return (made[:, :, 0] if axis == 3 else made[:, 0]).mT
