"""Marks that several kinds of objects can bear: cracks, slits, scratches, splinters, printed
letters.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aexbench.datasets.defects.drawing import (
    SIZE,
    Field,
    Path,
    Picture,
    Point,
    Random,
    X,
    Y,
    cover,
    stroke,
    tinted,
    turned,
)

# Letters of straight strokes, on a grid 2 wide and 4 high.
LETTERS = {
    "A": (((0, 4), (1, 0), (2, 4)), ((0.5, 2.6), (1.5, 2.6))),
    "E": (((2, 0), (0, 0), (0, 4), (2, 4)), ((0, 2), (1.6, 2))),
    "H": (((0, 0), (0, 4)), ((2, 0), (2, 4)), ((0, 2), (2, 2))),
    "K": (((0, 0), (0, 4)), ((2, 0), (0, 2), (2, 4))),
    "N": (((0, 4), (0, 0), (2, 4), (2, 0)),),
    "T": (((0, 0), (2, 0)), ((1, 0), (1, 4))),
    "X": (((0, 0), (2, 4)), ((2, 0), (0, 4))),
    "Z": (((0, 0), (2, 0), (0, 4), (2, 4)),),
    "4": (((1.5, 4), (1.5, 0), (0, 2.7), (2, 2.7)),),
    "7": (((0, 0), (2, 0), (0.7, 4)),),
}


def walk(
    rng: Random, start: Point, heading: float, length: float, wild: float, step: float = 5.0
) -> Path:
    """Return the points of a path that keeps its heading (radians) but for random turns of spread
    `wild`.
    """
    count = max(int(length / step), 2)
    angles = heading + wild * rng.normal(size=count)
    steps = (
        step
        * rng.uniform(0.6, 1.4, count)[:, None]
        * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    )
    return np.concatenate([np.zeros((1, 2)), steps.cumsum(axis=0)]) + start


def crack(rng: Random, start: Point, heading: float, length: float, half: float) -> Field:
    """Return the distance to a crack: a jagged line, widest in the middle (half width `half`), with
    branches.
    """
    path = walk(rng, start, heading, length, wild=0.55)
    distance = stroke(path, half * np.sin(np.linspace(0.25, np.pi - 0.1, len(path))) ** 0.7)
    for _ in range(rng.integers(1, 3)):
        at = path[rng.integers(len(path) // 4, len(path) - 1)]
        turn = rng.choice([-1, 1]) * rng.uniform(0.5, 1.1)
        branch = walk(rng, at, heading + turn, length * rng.uniform(0.2, 0.4), wild=0.4)
        distance = np.minimum(distance, stroke(branch, half * np.linspace(0.7, 0.15, len(branch))))
    return distance


def slit(centre: Point, angle: float, length: float, half: float, bow: float) -> Field:
    """Return the distance to a clean cut with pointed ends, `bow` pixels off the straight line in
    its middle.
    """
    at = np.linspace(-1, 1, 9)
    along, aside = at * length / 2, bow * (1 - at**2)
    points = np.stack(
        [
            np.cos(angle) * along - np.sin(angle) * aside,
            np.sin(angle) * along + np.cos(angle) * aside,
        ],
        1,
    )
    return stroke(points + centre, half * (1 - np.abs(at) ** 1.5) + 0.2)


def letters(text: str, centre: Point, angle: float, height: float, half: float) -> Field:
    """Return the distance to a printed text; `half` is the half width of its strokes."""
    u, v = turned(centre, angle)
    unit = height / 4
    distance = np.full((SIZE, SIZE), np.inf, dtype=np.float32)
    for place, letter in enumerate(text):
        left = (place * 3 - (len(text) * 3 - 1) / 2) * unit
        for line in LETTERS[letter]:
            points = [(left + x * unit, (y - 2) * unit) for x, y in line]
            distance = np.minimum(distance, stroke(points, half, u, v))
    return distance


def glass(
    rng: Random, centre: Point, spread: float, count: int, where: NDArray[np.bool_]
) -> Picture:
    """Return a picture of broken glass: flat splinters, most of them dark, light along some seams,
    a few mirroring.

    The splinters are the Voronoi cells of random points; they are drawn where asked for, and black
    elsewhere.
    """
    x, y = (centre[:, None] + rng.normal(0, spread, (2, count))).astype(np.float32)
    shade, tilt = (
        rng.uniform(0, 1, count).astype(np.float32),
        rng.normal(0, 0.1, (2, count)).astype(np.float32),
    )
    across, down = X[where, None] - x, Y[where, None] - y
    far = np.hypot(across, down * np.float32(1.3))
    order = np.argpartition(far, 1, axis=-1)[:, :2]
    piece = order[:, 0]
    seam = cover(np.diff(np.take_along_axis(far, order, axis=-1), axis=-1)[:, 0] - 1, 1.5)
    slope = np.tanh(np.take_along_axis(across * tilt[0] + down * tilt[1], order, axis=-1)[:, 0])
    grey = np.zeros_like(X)
    dark = 0.06 + 0.08 * shade[piece] ** 2 + 0.03 * slope + 0.35 * seam * (shade[piece] > 0.4)
    grey[where] = np.where(shade[piece] > 0.8, 0.55 + 0.28 * slope, dark)
    return tinted(grey, (1.0, 1.0, 1.05))
