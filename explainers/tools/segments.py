"""Segments: which columns of a sample a method that masks or replaces values treats as one.

The columns of a table are segments of their own, or those of one feature are one
(`Features.groups`). Pixels are too many to ask for one by one: an image falls into superpixels or
patches, and each pixel takes an equal share of what its segment is given, so that sums stay what
they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge

from aexbench.errors import SkipError
from aexbench.extras import optional
from aexbench.features import Features
from aexbench.rows import Rows

SegmentKind = Literal["slic", "patches"]
COMPACTNESS = (
    0.1,
    1.0,
    10.0,
)  # of SLIC on values in [0, 1]: more gives rounder segments, and does not merge noise


def is_image(x: torch.Tensor) -> bool:
    """Whether samples are images (N, C, H, W)."""
    return x.dim() == 4


def require_images(samples: Rows | torch.Tensor, floor: str) -> None:
    """Raise SkipError unless samples are images (N, C, H, W), which alone this floor is for."""
    if len(samples.shape) != 4:
        raise SkipError(f"{floor} is a floor for images (N, C, H, W): these samples are none")


@dataclass(frozen=True)
class Segments:
    """How samples are divided: two parameters of every explainer that masks or replaces values.

    Parameters
    ----------
    segments
        Of images: `slic`, the superpixels of each image (Achanta et al. 2012), or `patches`, one
        grid for all.
    count
        About how many segments an image has.

    Examples
    --------
    >>> Segments().numbers(torch.rand(2, 3), Features(groups=(0, 0, 1)))
    tensor([[0, 0, 1],
            [0, 0, 1]])
    """

    segments: SegmentKind = "slic"
    count: Annotated[int, Ge(1)] = 50

    def numbers(self, x: torch.Tensor, features: Features) -> torch.Tensor:
        """Return for each column of each sample (N, …) the number of its segment, an int64 tensor
        of the shape of x.

        The channels of images (N, C, H, W) share their segments; the groups of `features` are those
        of anything else.
        """
        if not is_image(x):
            columns = torch.arange(x.shape[1:].numel())
            groups = columns if features.groups is None else torch.as_tensor(features.groups)
            return groups.view(1, *x.shape[1:]).expand(x.shape).to(x.device)
        if self.segments == "patches":
            return _grid(x.shape[2], x.shape[3], self.count).expand(x.shape).to(x.device)
        found = [_superpixels(image, features, self.count) for image in x.double().cpu().numpy()]
        return torch.as_tensor(np.stack(found), device=x.device)[:, None].expand(x.shape)

    def about(self, x: torch.Tensor, features: Features) -> int:
        """Return about how many segments a sample of x (N, …) has."""
        return self.count if is_image(x) else features.count(tuple(x.shape[1:]))


@dataclass(frozen=True)
class Players(Segments):
    """Segments that form coalitions: an image has two at least."""

    count: Annotated[int, Ge(2)] = 50


def spread(values: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """Return the values (N, P) of segments as columns (N, …): each takes an equal share of its
    segment's.

    Examples
    --------
    >>> spread(torch.tensor([[4.0, 1.0]]), torch.tensor([[0, 0, 1]]))
    tensor([[2., 2., 1.]])
    """
    flat = numbers.flatten(1)
    sizes = torch.zeros_like(values).scatter_add_(
        1, flat, torch.ones_like(flat, dtype=values.dtype)
    )
    return (values / sizes.clamp_min(1)).gather(1, flat).view(numbers.shape)


def _grid(height: int, width: int, count: int) -> torch.Tensor:
    """Return the numbers (height, width) of about `count` patches that are as square as can be."""
    side = max(1.0, (height * width / count) ** 0.5)
    rows, columns = (max(1, round(length / side)) for length in (height, width))
    row, column = torch.arange(height) * rows // height, torch.arange(width) * columns // width
    return torch.add(row[:, None] * columns, column)


def _superpixels(image: np.ndarray, features: Features, count: int) -> np.ndarray:
    """Return the SLIC segments (H, W) of an image (C, H, W), numbered from 0; the same image has
    always the same.

    Where an image has so little to follow that they run together, they are made rounder, until half
    of `count` stay.
    """
    slic = optional("skimage.segmentation").slic
    low, high = features.bounds(image.shape)
    scaled = np.clip((image - low) / (high - low), 0.0, 1.0)
    for compactness in COMPACTNESS:
        found = slic(
            scaled,
            n_segments=count,
            compactness=compactness,
            start_label=0,
            channel_axis=0,
            convert2lab=False,
        )
        names, numbers = np.unique(found, return_inverse=True)
        if 2 * len(names) >= count:
            break
    return numbers.reshape(found.shape).astype(np.int64)
