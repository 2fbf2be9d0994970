"""Bicubic upsampling: fixed weights of which some are negative.

With A = P − Q, P and Q never negative, A x is the average P x + Q (−x) of x and −x: its parts share
like those of any other average, by its own sign.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from aexbench.explainers.lrp import averages

Upsampling = Callable[[torch.Tensor], torch.Tensor]


def share(
    upsampling: Upsampling,
    x: torch.Tensor,
    relevance: torch.Tensor,
    exists: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the relevance of x (N, C, H, W) from that of what it is upsampled to; `exists` is 0
    where an input is a constant that was inserted, and takes none.
    """
    rows, columns = _weights(upsampling, x, 2), _weights(upsampling, x, 3)

    def average(signs: torch.Tensor) -> torch.Tensor:
        same, opposite = signs.unbind(2)
        return _product(rows, same, columns) + _product(rows, opposite, -columns)

    both = None if exists is None else torch.stack([exists, exists], 2)
    return averages.share(average, torch.stack([x, -x], 2), relevance, exists=both).sum(2)


def _product(rows: torch.Tensor, x: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Return what products of weights of one sign make of x."""
    rising = rows.clamp_min(0) @ x @ columns.clamp_min(0).mT
    return rising + rows.clamp_max(0) @ x @ columns.clamp_max(0).mT


def _weights(upsampling: Upsampling, x: torch.Tensor, axis: int) -> torch.Tensor:
    """Return the weights along an axis (out, in): those of the images that are 1 in one row, or one
    column. The weights of the other axis sum to 1.
    """
    size = x.shape[axis]
    images = torch.zeros((size, 1, *x.shape[2:]), dtype=x.dtype, device=x.device)
    images.movedim(axis, 1)[torch.arange(size), torch.arange(size)] = 1
    made = upsampling(images)[:, 0]
    return (made[:, :, 0] if axis == 2 else made[:, 0]).mT
