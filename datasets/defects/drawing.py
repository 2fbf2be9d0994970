"""Drawing on numpy: shapes as distances with smooth edges, random fields, shading. The pixel is the
unit of length.

A distance is negative inside a shape; `cover` turns it into how much of each pixel the shape
covers. The origin is the centre of the picture, x grows to the right and y downwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

Field = NDArray[np.floating[Any]]  # (SIZE, SIZE): a distance, a share in [0, 1], a coordinate
Picture = NDArray[np.floating[Any]]  # (3, SIZE, SIZE): red, green, blue in [0, 1]
Random = np.random.Generator
Point = NDArray[np.float64]  # (2,): x and y
Path = NDArray[np.float64]  # (n, 2)

SIZE = 256
TURN = 4096  # steps of a full turn, in tables over the angle
_AXIS = np.arange(SIZE, dtype=np.float32) - np.float32((SIZE - 1) / 2)
X, Y = np.meshgrid(_AXIS, _AXIS)


class Drawing(NamedTuple):
    """A picture, and the pixels of the object in it."""

    picture: Picture
    part: NDArray[np.bool_]


def cover(distance: Field, soft: float = 1.0) -> Field:
    """Return the share of each pixel that a shape covers; its edge is `soft` pixels wide."""
    return np.asarray(np.clip(0.5 - distance / np.float32(soft), 0, 1))


def tinted(grey: Field, colour: Sequence[float]) -> Picture:
    """Return a picture whose brightness varies and whose tint does not."""
    return grey.astype(np.float32) * np.array(colour, dtype=np.float32)[:, None, None]


def blend(picture: Picture, share: Field, over: Picture | Sequence[float]) -> Picture:
    """Return the picture with another one, or a colour, laid over it where `share` is above 0."""
    top = over if isinstance(over, np.ndarray) else np.array(over, dtype=np.float32)[:, None, None]
    return picture + share * (top - picture)


def polar(length: float, angle: float) -> Point:
    """Return the vector of a length in a direction (radians)."""
    return length * np.array([np.cos(angle), np.sin(angle)])


def turned(centre: Point, angle: float = 0.0) -> tuple[Field, Field]:
    """Return each pixel's coordinates in a frame with another centre, turned by `angle` radians."""
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    x, y = X - np.float32(centre[0]), Y - np.float32(centre[1])
    return cos * x + sin * y, cos * y - sin * x


def box(u: Field, v: Field, width: float, height: float, corner: float) -> Field:
    """Return the distance to a rectangle around the origin with round corners, in coordinates u and
    v.
    """
    across, down = (
        np.abs(u) - np.float32(width / 2 - corner),
        np.abs(v) - np.float32(height / 2 - corner),
    )
    outside = np.hypot(np.maximum(across, 0), np.maximum(down, 0))
    return np.asarray(outside + np.minimum(np.maximum(across, down), 0) - np.float32(corner))


def stroke(
    points: Path | Sequence[Sequence[float]], halves: ArrayLike, u: Field = X, v: Field = Y
) -> Field:
    """Return the distance to a line through points; `halves` are its half widths there, or one for
    all.
    """
    path = np.asarray(points, dtype=np.float32)
    half = np.broadcast_to(np.asarray(halves, dtype=np.float32), len(path))
    distance = np.full((SIZE, SIZE), np.inf, dtype=np.float32)
    for (x0, y0), (x1, y1), w0, w1 in zip(path, path[1:], half, half[1:], strict=False):
        dx, dy = x1 - x0, y1 - y0
        along = np.clip(
            ((u - x0) * dx + (v - y0) * dy) / max(dx * dx + dy * dy, np.float32(1e-6)), 0, 1
        )
        reach = np.hypot(u - x0 - along * dx, v - y0 - along * dy)
        distance = np.minimum(distance, reach - (w0 + along * (w1 - w0)))
    return distance


def blob(rng: Random, centre: Point, radius: float, rough: float, corners: int) -> Field:
    """Return the distance to a patch around a point, whose radius varies by the share `rough`; few
    corners: jagged.
    """
    x, y = turned(centre)
    return np.asarray(
        np.hypot(x, y) - np.float32(radius) * (1 + rough * around(rng, np.arctan2(y, x), corners))
    )


def around(rng: Random, angle: Field, knots: int) -> Field:
    """Return noise in [-1, 1] that depends on the angle (radians) alone, linear between unevenly
    spaced knots.
    """
    at = (np.arange(knots) + rng.uniform(0.1, 0.9, knots)) * (2 * np.pi / knots)
    fine = np.linspace(-np.pi, np.pi, TURN + 1)
    values = np.interp(fine, at, rng.uniform(-1, 1, knots), period=2 * np.pi).astype(np.float32)
    return looked_up(values, (angle + np.float32(np.pi)) * np.float32(TURN / (2 * np.pi)))


def looked_up(table: NDArray[np.float32], place: Field) -> Field:
    """Return the entries of a table at the places given, rounded, and its last one
    beyond its end.
    """
    return table[np.clip(np.rint(place), 0, len(table) - 1).astype(np.int32)]


def noise(rng: Random, cells: int, cells_down: int | None = None) -> Field:
    """Return a smooth random field of unit spread, made of so many cells across and down."""
    across, down = _splines(cells), _splines(cells_down or cells)
    grid = rng.standard_normal((down.shape[1], across.shape[1]), dtype=np.float32)
    return np.asarray(down @ grid @ across.T)


@lru_cache(maxsize=64)
def _splines(cells: int) -> Field:
    """Return the weights (SIZE, cells + 3) of cubic splines along one axis, such that unit noise
    keeps its spread.
    """
    at = (np.arange(SIZE)[:, None] + 0.5) * cells / SIZE - np.arange(-1, cells + 2)
    near = np.abs(at)
    weights = np.where(
        near < 1, 2 / 3 - near**2 + near**3 / 2, np.where(near < 2, (2 - near) ** 3 / 6, 0)
    )
    return np.asarray(weights / np.sqrt((weights**2).sum(axis=1, keepdims=True)), dtype=np.float32)


def shadow(share: Field, shift: tuple[int, int], soft: float) -> Field:
    """Return the shadow of a shape: shifted right and down by some pixels, and blurred."""
    shifted = np.pad(share, ((shift[1], 0), (shift[0], 0)), mode="edge")[:SIZE, :SIZE]
    return np.asarray(ndimage.gaussian_filter(shifted, soft, mode="nearest"))


def lit(rng: Random, picture: Picture, gain: float = 0.02, slope: float = 0.015) -> Picture:
    """Return the picture in light whose strength and fall over the picture vary a little."""
    strength, across, down = 1 + gain * rng.normal(), slope * rng.normal(), slope * rng.normal()
    return np.asarray(
        picture * (strength + (across * X + down * Y) * (2 / SIZE)).astype(np.float32)
    )
