"""More samples out of few images: random rotations and flips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aexbench.errors import RequestError

Corners = Literal["edge", "mirror"]
MODES = {"edge": "nearest", "mirror": "reflect"}  # as SciPy calls them


def augment(
    images: NDArray[np.float32],
    count: int,
    *,
    rotation: float,
    corners: Corners,
    flips: bool,
    seed: int | Sequence[int],
) -> NDArray[np.float32]:
    """Return `count` images (count, 1, H, W), each rotated and flipped at random; the images take
    turns.

    What becomes of an image depends on its number and the seed alone: fewer samples are the first
    of more. Without rotation and flips nothing would vary: each image comes once, or the first
    `count` of them.

    Parameters
    ----------
    images : (N, 1, H, W)
        Grey images, at least one.
    rotation
        The greatest angle in degrees, either way; all angles are equally likely.
    corners
        What fills the corners of a rotated image, see `rotate`.
    flips
        Whether half of them are mirrored left to right, and half of them upside down.

    Raises
    ------
    RequestError
        If the images are not of this shape, such as with channels that come last.
    """
    if images.ndim != 4 or images.shape[1] != 1:
        raise RequestError(
            f"images of shape {images.shape}: (N, 1, height, width) is needed, grey, with the "
            "channel before height and width"
        )
    if not rotation and not flips:
        return images[:count]
    result = np.empty((count, *images.shape[1:]), dtype=np.float32)
    for number, (angle, across, down) in enumerate(np.random.default_rng(seed).random((count, 3))):
        image = images[number % len(images), 0]
        turned = rotate(image, rotation * (2 * angle - 1), corners) if rotation else image
        turned = turned[:, ::-1] if flips and across < 0.5 else turned
        result[number, 0] = turned[::-1] if flips and down < 0.5 else turned
    return result


def rotate(
    image: NDArray[np.float32], angle: float, corners: Corners = "edge"
) -> NDArray[np.float32]:
    """Return an image (H, W) rotated about its centre by `angle` degrees, interpolated linearly.

    The corners come from beyond the image. `edge` continues its outermost pixels: the ground before
    which an object stands. `mirror` continues it as mirrored at its edge: a texture. (Mirrored,
    parts of a bottle fill the corners of an image that is rotated far; continued, a texture has
    streaks there.)
    """
    from scipy.ndimage import affine_transform

    sine, cosine = np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))
    turn = np.array([[cosine, sine], [-sine, cosine]])
    centre = (np.array(image.shape) - 1) / 2
    turned: NDArray[np.float32] = affine_transform(
        image, turn, centre - turn @ centre, order=1, mode=MODES[corners]
    )
    return turned
