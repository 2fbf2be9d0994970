"""Objects: a bottle seen from above, a hazelnut, a transistor on a perforated board, each with its
kinds of damage.

A function here draws one picture. `scene` decides how the undamaged object looks, `marks` how its
damage does: with the same `scene`, the damaged and the undamaged picture differ in the damage
alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aexbench.datasets.defects import damage as mark
from aexbench.datasets.defects.drawing import (
    Drawing,
    Field,
    Picture,
    Point,
    Random,
    around,
    blend,
    blob,
    box,
    cover,
    lit,
    looked_up,
    noise,
    polar,
    shadow,
    stroke,
    tinted,
    turned,
)

# Radius in pixels, then red, green, blue: the rings of a bottle from its dark inside to the white
# table.
_RINGS = np.array(
    [
        (0, 0.17, 0.16, 0.22),
        (20, 0.13, 0.13, 0.18),
        (56, 0.12, 0.12, 0.16),
        (58, 0.30, 0.24, 0.22),
        (60, 0.13, 0.15, 0.18),
        (66, 0.24, 0.27, 0.30),
        (69, 0.15, 0.18, 0.20),
        (75, 0.28, 0.31, 0.33),
        (81, 0.20, 0.22, 0.24),
        (86, 0.20, 0.20, 0.22),
        (88, 0.38, 0.28, 0.24),
        (90, 0.22, 0.22, 0.25),
        (95, 0.36, 0.37, 0.41),
        (99, 0.20, 0.20, 0.25),
        (104, 0.28, 0.28, 0.33),
        (109, 0.16, 0.16, 0.20),
        (112, 0.33, 0.34, 0.38),
        (114, 0.70, 0.71, 0.73),
        (116, 0.94, 0.94, 0.94),
        (200, 0.95, 0.95, 0.95),
    ]
)
RINGS = np.stack(
    [np.interp(np.arange(1600) / 8, _RINGS[:, 0], _RINGS[:, i]) for i in (1, 2, 3)]
).astype(np.float32)
LIGHTS = ((88.0, (1.0, 0.66, 0.42)), (66.0, (0.62, 0.66, 0.70)), (95.0, (0.80, 0.81, 0.84)))


def bottle(scene: Random, damage: str, marks: Random) -> Drawing:
    """Draw a dark bottle from above: broken glass at its mouth, or something alien inside."""
    centre, size = scene.normal(0, 1.2, 2), scene.normal(1, 0.006)
    x, y = turned(centre)
    angle = np.arctan2(y, x)
    radius = np.hypot(x, y) / np.float32(size) + 0.35 * around(scene, angle, 16)
    picture: Picture = np.stack([looked_up(profile, 8 * radius) for profile in RINGS])
    for ring, colour in LIGHTS:
        picture = blend(picture, _arcs(scene, angle, radius - np.float32(ring)), colour)
    wall = np.clip((radius - 58) / 4, 0, 1) * np.clip((112 - radius) / 4, 0, 1)
    picture = picture * (1 + 0.04 * wall * (noise(scene, 40) + noise(scene, 110)))
    if damage == "contamination":
        picture = _contaminated(picture, centre, cover(radius - 55, 3.0), marks)
    elif damage != "good":
        picture = _broken(picture, centre, angle, radius, damage == "broken_large", marks)
    return Drawing(lit(scene, picture), radius < 115)


def _arcs(scene: Random, angle: Field, off: Field) -> Field:
    """Return light that lies along a ring in arcs, most of it where the two lamps are."""
    lamps = [np.cos(angle - np.float32(scene.normal(at, 0.1))) for at in (-2.2, 0.6)]
    strength = np.clip(0.9 * np.maximum(*lamps) ** 3 + 0.35 * around(scene, angle, 50), 0, 0.9)
    return np.asarray(strength * np.exp(-((off / np.float32(1.1)) ** 2)))


def _broken(
    picture: Picture, centre: Point, angle: Field, radius: Field, large: bool, marks: Random
) -> Picture:
    """Break a piece out of the mouth: a long arc of it, or a chip."""
    at, half = (
        marks.uniform(-np.pi, np.pi),
        marks.uniform(0.7, 1.5) if large else marks.uniform(0.08, 0.2),
    )
    middle = marks.uniform(71, 75) if large else marks.uniform(70, 86)
    depth = marks.uniform(12, 15) if large else marks.uniform(6, 10)
    off = np.abs(np.angle(np.exp(1j * (angle - at)))).astype(np.float32)
    jagged = 4.0 if large else 3.0
    ends = (off - np.float32(half)) * 80 + jagged * np.interp(
        radius, np.arange(50, 110, 4), marks.normal(size=15)
    )
    sides = (
        np.abs(radius - np.float32(middle)) - np.float32(depth) + jagged * around(marks, angle, 70)
    )
    hit = centre + polar(middle, at)
    share = cover(np.maximum(ends, sides).astype(np.float32))
    spread, count = (60, 110) if large else (13, 20)
    return blend(picture, share, mark.glass(marks, hit, spread, count, share > 0))


def _contaminated(picture: Picture, centre: Point, inside: Field, marks: Random) -> Picture:
    """Lay a scrap, or a drop, into the dark inside of the bottle."""
    at = centre + polar(marks.uniform(5, 32), marks.uniform(-np.pi, np.pi))
    if marks.random() < 0.6:
        scrap = blob(marks, at, marks.uniform(15, 28), 0.35, 7)
        grey = marks.uniform(0.25, 0.4) + 0.03 * noise(marks, 60) + 0.03 * noise(marks, 8)
        return blend(picture, 0.9 * cover(scrap) * inside, tinted(grey, (1.0, 0.98, 0.94)))
    size = marks.uniform(9, 17)
    drop = blob(marks, at, size, 0.06, 9)
    picture = blend(picture, 0.8 * cover(drop) * inside, (0.27, 0.27, 0.31))
    edge = np.exp(-(((drop + 2) / 1.5) ** 2)).astype(np.float32)
    return blend(picture, 0.6 * edge * inside, (0.55, 0.55, 0.6))


def hazelnut(scene: Random, damage: str, marks: Random) -> Drawing:
    """Draw a hazelnut on a dark table: a crack, a hole, printed letters, or a cut."""
    centre, angle = scene.normal(0, 3, 2), scene.uniform(-np.pi, np.pi)
    long, wide = scene.normal(92, 3), scene.normal(80, 3)
    u, v = turned(centre, angle)
    along = u / np.float32(long)
    across = v / (np.float32(wide) * (1 - 0.1 * along - 0.12 * np.clip(along, 0, 2) ** 3))
    rho = np.sqrt(along**2 + across**2)
    up = np.sqrt(np.clip(1 - rho**2, 0, 1))
    nut = (rho - 1) * np.float32((long + wide) / 2)
    picture = _shell(scene, along, across, up)
    if damage != "good":
        picture = _hurt_nut(picture, damage, centre, angle, marks)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    normal_x, normal_y = cos * along - sin * across, sin * along + cos * across
    bright = 0.42 + 0.62 * np.clip(0.85 * up - 0.3 * normal_x - 0.42 * normal_y, 0, 1)
    gloss = 0.13 * np.clip(1 - np.hypot(normal_x + 0.28, normal_y + 0.38) / 0.45, 0, 1) ** 2
    picture = picture * bright + gloss
    table = tinted(1 + 0.1 * noise(scene, 50), (0.085, 0.08, 0.085))
    covered = cover(nut.astype(np.float32), 1.5)
    table = blend(table, 0.7 * shadow(covered, (5, 6), 5.0), (0.02, 0.02, 0.02))
    return Drawing(lit(scene, blend(table, covered, picture), slope=0.03), nut < 0)


def _shell(scene: Random, along: Field, across: Field, up: Field) -> Picture:
    """Return the nut's skin: streaks from end to end, the pale rough scar at one end, the dark tip
    at the other.
    """
    longitude = np.arctan2(across, up + np.float32(0.05)) + 0.08 * noise(scene, 6)
    streaks = 0.6 * around(scene, longitude, 90) + 0.6 * around(scene, longitude, 24)
    tone = (
        1
        + 0.09 * streaks
        + 0.04 * noise(scene, 9)
        + 0.025 * noise(scene, 90)
        + scene.normal(0, 0.025)
    )
    skin = tinted(tone, (0.70, 0.44, 0.24))
    skin = blend(
        skin,
        0.5 * cover((along + 0.86 + 0.02 * noise(scene, 20)).astype(np.float32), 0.2),
        (0.3, 0.18, 0.1),
    )
    rim = along - 0.60 - 0.12 * across**2 + 0.015 * noise(scene, 30)
    rough = 1 + 0.09 * noise(scene, 70) + 0.05 * noise(scene, 25)
    scar = tinted(rough, (0.80, 0.66, 0.50))
    return blend(skin, cover(-rim.astype(np.float32), 0.03), scar)


def _hurt_nut(picture: Picture, damage: str, centre: Point, angle: float, marks: Random) -> Picture:
    """Hurt the skin somewhere near its middle."""
    lengthwise = angle + marks.normal(0, 0.35)
    at = centre + polar(marks.uniform(5, 40), marks.uniform(-np.pi, np.pi))
    if damage == "hole":
        hole = blob(marks, at, marks.uniform(5, 9), 0.12, 9)
        picture = blend(picture, 0.8 * cover(hole - 2.5, 2.0), (0.88, 0.72, 0.52))
        return blend(picture, cover(hole), (0.07, 0.045, 0.03))
    if damage == "print":
        text = "".join(marks.choice(list(mark.LETTERS), marks.integers(2, 4)))
        ink = mark.letters(
            text,
            at * 0.6,
            marks.uniform(-np.pi, np.pi),
            marks.uniform(28, 40),
            marks.uniform(1.8, 2.6),
        )
        faded = np.clip(0.9 + 0.12 * noise(marks, 40), 0.6, 1)
        return blend(picture, cover(ink) * faded, (0.95, 0.93, 0.86))
    if damage == "cut":
        slit = mark.slit(
            at * 0.6,
            marks.uniform(-np.pi, np.pi),
            marks.uniform(45, 90),
            marks.uniform(2.5, 4.5),
            3.0,
        )
        picture = blend(picture, cover(slit - 1.0), (0.95, 0.86, 0.68))
        return blend(picture, cover(slit + 1.6), (0.35, 0.22, 0.13))
    length = marks.uniform(70, 120)
    start = at * 0.5 - polar(length / 2, lengthwise)
    line = mark.crack(marks, start, lengthwise, length, marks.uniform(2.2, 4.0))
    picture = blend(picture, 0.6 * cover(line - 1.8, 2.0), (0.86, 0.64, 0.42))
    return blend(picture, cover(line), (0.09, 0.05, 0.03))


PITCH = 26.0  # of the board's holes, in pixels
BODY_DOWN = -42.0  # where the body's middle is, from that of the board
LEADS = np.array([[(side * 20, -10), (side * 23, 14), (side * PITCH, 78)] for side in (-1, 0, 1)])
LEAD = 4.2  # half the width of a lead


def transistor(scene: Random, damage: str, marks: Random) -> Drawing:
    """Draw a transistor with three leads on a board: a lead bent or cut, the case broken, or all of
    it out of place.
    """
    board = _board(scene)
    centre, angle = scene.normal(0, 1.2, 2), scene.normal(0, 0.012)
    if damage == "misplaced":
        centre = centre + polar(marks.uniform(24, 46), marks.uniform(-np.pi, np.pi))
        angle = angle + marks.choice([-1, 1]) * marks.uniform(0.3, 1.6)
    u, v = turned(centre, angle)
    body = box(u, v - np.float32(BODY_DOWN), 96, 76, 9)
    bite = _bite(u, v, marks) if damage == "damaged_case" else np.full_like(u, np.inf)
    body = np.maximum(body, -(bite + 7))
    leads = np.min([stroke(path, LEAD, u, v) for path in _leads(damage, marks)], axis=0)
    part = np.minimum(body, leads)
    picture = blend(board, 0.55 * shadow(cover(part), (4, 5), 3.0), (0.05, 0.04, 0.03))
    metal = 0.34 + scene.normal(0.55, 0.02) * np.clip(1 - (leads / LEAD + 1) ** 2, 0, 1)
    picture = blend(picture, cover(leads), tinted(metal, (0.95, 0.96, 1.0)))
    picture = blend(picture, cover(body), _case(scene, v, body))
    rough = 0.40 + 0.06 * noise(marks, 60) + 0.05 * noise(marks, 16)
    picture = blend(picture, cover(bite) * cover(body), tinted(rough, (1.0, 0.98, 0.95)))
    return Drawing(lit(scene, picture), part < 0)


def _leads(damage: str, marks: Random) -> NDArray[np.float64]:
    """Return the three leads' points (3, 3, 2) from body to board; one is bent aside, or cut off,
    where asked for.
    """
    leads, which = LEADS.copy(), marks.integers(3)
    if damage == "bent_lead":
        side = marks.choice([-1, 1]) if which == 1 else which - 1
        leads[which, 1:, 0] += side * marks.uniform(4, 8), side * marks.uniform(18, 34)
        leads[which, 2, 1] -= marks.uniform(0, 18)
    if damage == "cut_lead":
        leads[which, 2] = leads[which, 1] + marks.uniform(0.02, 0.5) * (
            leads[which, 2] - leads[which, 1]
        )
    return leads


def _bite(u: Field, v: Field, marks: Random) -> Field:
    """Return the distance to a piece that has broken off the upper rim of the case."""
    x = u - np.float32(marks.choice([-1, 1]) * marks.uniform(10, 48))
    y = v - np.float32(BODY_DOWN - marks.uniform(35, 41))
    jagged = 1 + 0.3 * around(marks, np.arctan2(y, x), 11)
    return np.asarray(np.hypot(x, y) - marks.uniform(15, 24) * jagged)


def _case(scene: Random, v: Field, body: Field) -> Picture:
    """Return the black plastic of the case: bevelled, its upper part flat."""
    rise = (v - np.float32(BODY_DOWN)) / np.float32(38)
    bevel = np.exp(-(((body + 3) / 2.5) ** 2))
    grey = (
        0.17
        + scene.normal(0, 0.008)
        - 0.03 * rise
        + 0.012 * noise(scene, 80)
        + bevel * (0.07 - 0.10 * rise)
    )
    grey = grey + 0.06 * cover((rise + 0.55).astype(np.float32), 0.05)
    return tinted(grey, (1.0, 1.0, 1.03))


def _board(scene: Random) -> Picture:
    """Return the perforated board: rows of copper pads with dark holes."""
    u, v = turned(scene.normal(0, 1.0, 2), scene.normal(0, 0.006))
    fibre = 0.025 * noise(scene, 14) + 0.025 * noise(scene, 120, 20) + 0.02 * noise(scene, 20, 120)
    picture = tinted(1 + fibre, (0.56, 0.44, 0.27))
    step = np.float32(PITCH)
    pad = np.hypot(u - step * np.round(u / step), v - step * np.round(v / step))
    shine = 1 + 0.1 * noise(scene, 30)
    picture = blend(picture, cover(pad - 8.2), tinted(shine, (0.80, 0.61, 0.42)))
    return blend(picture, cover(pad - 4.2), (0.12, 0.09, 0.07))
