"""Textures: a stone tile with its edges, and a woven carpet, each with its kinds of damage; see
objects.py.
"""

from __future__ import annotations

import numpy as np

from aexbench.datasets.defects import damage as mark
from aexbench.datasets.defects.drawing import (
    Drawing,
    Field,
    Picture,
    Random,
    around,
    blend,
    blob,
    box,
    cover,
    lit,
    noise,
    polar,
    shadow,
    stroke,
    tinted,
    turned,
)

TILE = 214.0  # its width and height in pixels
STRAND = 10.0  # width of a carpet's strand


def tile(scene: Random, damage: str, marks: Random) -> Drawing:
    """Draw a whole stone tile on a dark table: a broken edge, a crack, a scratch, or a stain."""
    u, v = turned(scene.normal(0, 1.2, 2), scene.normal(0, 0.01))
    whole = box(u, v, TILE, TILE, 5)
    marble = 0.02 * noise(scene, 4) + 0.015 * noise(scene, 20) + 0.015 * noise(scene, 60)
    specks = 0.12 * cover(2.0 - noise(scene, 90), 0.6) + 0.07 * cover(1.9 - noise(scene, 60), 0.6)
    face = tinted(1 + marble - specks, (0.70, 0.67, 0.62))
    slope = np.where(np.abs(u) > np.abs(v), np.sign(u), np.sign(v))
    face = face - 0.16 * slope * cover(-whole - 4, 2.0)
    table = tinted(1 + 0.05 * noise(scene, 60), (0.20, 0.21, 0.23))
    rest = whole
    if damage == "broken_edge":
        face, rest = _broken_edge(face, whole, u, v, marks)
    elif damage != "good":
        face = _hurt_tile(face, damage, marks)
    covered = cover(rest)
    picture = blend(table, 0.7 * shadow(covered, (4, 5), 3.0), (0.03, 0.03, 0.04))
    return Drawing(lit(scene, blend(picture, covered, face)), whole < 0)


def _broken_edge(
    face: Picture, whole: Field, u: Field, v: Field, marks: Random
) -> tuple[Picture, Field]:
    """Break a piece off an edge or a corner: part of it is gone, and the rest shows its rough
    inside.
    """
    along, side = marks.uniform(-105, 105), marks.integers(4)
    at = [(along, -107), (107, along), (along, 107), (-107, along)][side]
    x, y = u - np.float32(at[0]), v - np.float32(at[1])
    radius = marks.uniform(16, 30)
    gone = np.hypot(x, y) - radius * (1 + 0.3 * around(marks, np.arctan2(y, x), 15))
    rough = 1 + 0.07 * noise(marks, 70) + 0.08 * noise(marks, 24)
    inside = gone - marks.uniform(4, 9) * (1 + 0.6 * around(marks, np.arctan2(y, x), 21))
    return blend(face, cover(inside), tinted(rough, (0.86, 0.82, 0.75))), np.maximum(whole, -gone)


def _hurt_tile(face: Picture, damage: str, marks: Random) -> Picture:
    """Crack, scratch or stain the tile's face."""
    at, angle = marks.uniform(-60, 60, 2), marks.uniform(-np.pi, np.pi)
    if damage == "crack":
        length = marks.uniform(90, 170)
        start = at * 0.6 - polar(length / 2, angle)
        line = mark.crack(marks, start, angle, length, marks.uniform(1.5, 2.6))
        return blend(face, cover(line), (0.14, 0.13, 0.12))
    if damage == "scratch":
        for _ in range(marks.integers(1, 4)):
            line = mark.slit(
                at, angle, marks.uniform(50, 120), marks.uniform(0.8, 1.5), marks.uniform(-2, 2)
            )
            face = blend(face, 0.9 * cover(line), (0.97, 0.96, 0.94))
            at, angle = at + marks.normal(0, 9, 2), angle + marks.normal(0, 0.15)
        return face
    spot = (
        blob(marks, at, marks.uniform(16, 34), 0.18, 14)
        + 2.5 * noise(marks, 24)
        + 2 * noise(marks, 50)
    )
    edge = np.exp(-(((spot + 2) / 3) ** 2))
    return blend(face, cover(spot, 2.0) * (0.55 + 0.2 * edge), (0.36, 0.22, 0.10))


def carpet(scene: Random, damage: str, marks: Random) -> Drawing:
    """Draw a woven carpet: a hole, a cut, a stain, or a loose thread on it."""
    u, v = turned(scene.uniform(-2, 2, 2), scene.normal(0, 0.008))
    u, v = u + 0.9 * noise(scene, 7), v + 0.9 * noise(scene, 7)
    picture = _weave(scene, u, v)
    if damage != "good":
        picture = _hurt_carpet(picture, damage, marks)
    return Drawing(lit(scene, picture, slope=0.03), np.ones(u.shape, dtype=bool))


def _weave(scene: Random, u: Field, v: Field) -> Picture:
    """Return strands that pass over and under each other: round, lit from above, hairy."""
    column, row = np.floor(u / STRAND), np.floor(v / STRAND)
    across, down = u / STRAND - column - 0.5, v / STRAND - row - 0.5
    over = (column + row) % 2 == 0  # the strand across lies on top
    short, long = np.where(over, down, across), np.where(over, across, down)
    height = np.sqrt(np.clip(1 - (1.9 * short) ** 2, 0, 1)) * (1 - 1.1 * long**2)
    hairs = np.where(over, noise(scene, 60, 128), noise(scene, 128, 60))
    grey = (
        0.14 + 0.30 * height + np.where(over, 0.03, -0.02) + 0.035 * hairs + 0.01 * noise(scene, 5)
    )
    return tinted(grey, (1.0, 0.97, 0.92))


def _hurt_carpet(picture: Picture, damage: str, marks: Random) -> Picture:
    """Hurt the carpet somewhere, not too near its edges."""
    at, angle = marks.uniform(-75, 75, 2), marks.uniform(-np.pi, np.pi)
    if damage == "hole":
        hole = blob(marks, at, marks.uniform(11, 22), 0.2, 24)
        frayed = tinted(0.58 + 0.1 * noise(marks, 128), (1.0, 0.97, 0.92))
        picture = blend(picture, 0.7 * cover(np.abs(hole) - 2.0, 2.0), frayed)
        return blend(picture, cover(hole + 1.5), (0.045, 0.045, 0.045))
    if damage == "cut":
        slit = mark.slit(
            at, angle, marks.uniform(60, 110), marks.uniform(3.5, 6.5), marks.uniform(-8, 8)
        )
        slit = slit + 0.8 * noise(marks, 90)
        picture = blend(picture, 0.7 * cover(np.abs(slit) - 1.5, 1.5), (0.62, 0.60, 0.56))
        return blend(picture, cover(slit + 1.0), (0.05, 0.05, 0.05))
    if damage == "stain":
        spot = blob(marks, at, marks.uniform(16, 32), 0.25, 9) + 3 * noise(marks, 30)
        colour = [(0.55, 0.05, 0.05), (0.06, 0.12, 0.42), (0.98, 0.88, 0.50)][marks.integers(3)]
        return blend(picture, 0.75 * cover(spot, 5.0), colour)
    thread = stroke(
        mark.walk(marks, at, angle, marks.uniform(60, 130), wild=0.4, step=7.0),
        marks.uniform(1.2, 2.0),
    )
    picture = blend(picture, 0.6 * shadow(cover(thread), (2, 3), 1.2), (0.02, 0.02, 0.02))
    return blend(picture, cover(thread), (0.88, 0.85, 0.78))
