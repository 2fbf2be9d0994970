"""Where labels of points stand, so that they hide neither points nor each other."""

from __future__ import annotations

from collections.abc import Sequence

SIZE = 7.0  # of half a point, in pixels
HIGH, WIDE = 12.0, 6.5  # of a character
SIDES = ((1, -1), (-1, -1), (1, 1), (-1, 1), (1, 0), (-1, 0), (0, -1), (0, 1))
FAR = (1.0, 1.8, 2.6)  # how many points' sizes a label may be off

Box = tuple[float, float, float, float]  # left, top, right, bottom


def placed(
    points: Sequence[tuple[float, float]], texts: Sequence[str]
) -> list[tuple[float, float]]:
    """Return the middle of each text, beside its point: the first place of those tried that hides
    the least. All are in pixels, downwards.

    >>> placed([(0.0, 0.0), (100.0, 0.0)], ["1", "2"])
    [(10.25, -10.0), (110.25, -10.0)]
    """
    taken = [_box(point, SIZE, SIZE) for point in points]
    found = []
    for point, text in zip(points, texts, strict=True):
        half = WIDE * len(text) / 2
        places = [_place(point, half, side, far) for far in FAR for side in SIDES]
        best = min(places, key=lambda p: sum(_shared(_box(p, half, HIGH / 2), b) for b in taken))
        taken.append(_box(best, half, HIGH / 2))
        found.append(best)
    return found


def _place(
    point: tuple[float, float], half: float, side: tuple[int, int], far: float
) -> tuple[float, float]:
    across, down = side
    x = point[0] + across * (SIZE * far + half)
    return x, point[1] + down * (SIZE * far + HIGH / 4)


def _box(middle: tuple[float, float], half: float, high: float) -> Box:
    x, y = middle
    return x - half, y - high, x + half, y + high


def _shared(one: Box, other: Box) -> float:
    """Return the area that two boxes have in common."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(wide, 0.0) * max(high, 0.0)
