"""Samples of each category: drawn with and without the damage, so that the mask is what the damage
has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aexbench.datasets.defects.drawing import SIZE, Drawing, Picture, Random
from aexbench.datasets.defects.objects import bottle, hazelnut, transistor
from aexbench.datasets.defects.textures import carpet, tile
from aexbench.datasets.tools.augmentation import Corners

VISIBLE = 6 / 255  # least change of red, green or blue that counts
NOISE = 2 / 255  # of the camera: its spread


class Category(NamedTuple):
    """What draws a category, its kinds of damage, and what continues its pictures where they are
    rotated.
    """

    draw: Callable[[Random, str, Random], Drawing]
    damages: tuple[str, ...]
    corners: Corners = "edge"


# Random states follow from the order: new categories, and new damages of one, go to the end.
CATEGORIES = {
    "bottle": Category(bottle, ("broken_large", "broken_small", "contamination")),
    "hazelnut": Category(hazelnut, ("crack", "cut", "hole", "print")),
    "transistor": Category(
        transistor, ("bent_lead", "cut_lead", "damaged_case", "misplaced"), "mirror"
    ),
    "tile": Category(tile, ("broken_edge", "crack", "scratch", "stain")),
    "carpet": Category(carpet, ("cut", "hole", "stain", "thread"), "mirror"),
}


class Sample(NamedTuple):
    """A photograph (SIZE, SIZE, 3), its twin without the damage, and the mask (SIZE, SIZE) of the
    damage.
    """

    image: NDArray[np.uint8]
    twin: NDArray[np.uint8]
    mask: NDArray[np.bool_]


def sample(category: str, split: str, number: int, seed: int = 0) -> Sample:
    """Draw a sample; the same arguments always give the same one, whatever else is drawn.

    The mask holds the pixels where red, green or blue differ by `VISIBLE` or more between two
    drawings from the same random state, with and without the damage. Elsewhere the sample is set to
    its twin: no other pixel differs. Where a part is misplaced, the mask also holds every pixel of
    the part, where it is and where it should be.

    Parameters
    ----------
    category
        One of `CATEGORIES`.
    split
        `train`, `good` (undamaged, for the test), or one of the category's damages.
    number
        Of the sample in its split, from 0.
    seed
        Of the data set.
    """
    draw, damages, _ = CATEGORIES[category]
    place = ("train", "good", *damages).index(split)
    states = np.random.SeedSequence([seed, list(CATEGORIES).index(category), place, number]).spawn(
        3
    )
    clean, part = draw(np.random.default_rng(states[0]), "good", np.random.default_rng(states[1]))
    noise = NOISE * np.random.default_rng(states[2]).standard_normal(clean.shape, dtype=np.float32)
    twin = _photograph(clean + noise)
    if split not in damages:
        return Sample(twin, twin, np.zeros((SIZE, SIZE), dtype=bool))
    damaged, moved = draw(np.random.default_rng(states[0]), split, np.random.default_rng(states[1]))
    mask = np.abs(np.clip(damaged, 0, 1) - np.clip(clean, 0, 1)).max(axis=0) >= VISIBLE
    image = np.where(mask[..., None], _photograph(damaged + noise), twin)
    return Sample(image, twin, mask | part | moved if split == "misplaced" else mask)


def _photograph(picture: Picture) -> NDArray[np.uint8]:
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
