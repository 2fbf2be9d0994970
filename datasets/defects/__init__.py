"""Made images of damaged objects and textures: what MVTec AD shows, drawn by code, for where it is
not at hand.
"""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge

from aexbench import Dataset
from aexbench.datasets import register
from aexbench.datasets.defects.layout import drawn
from aexbench.datasets.defects.samples import CATEGORIES
from aexbench.datasets.tools.augmentation import Corners
from aexbench.datasets.tools.image_layout import Preparation, from_layout


@register("defects", version=1, images=True, licence="MIT")
def defects(
    *,
    category: Literal["bottle", "hazelnut", "transistor", "tile", "carpet"] = "bottle",
    images: Annotated[int, Ge(2)] = 200,
    per_damage: Annotated[int, Ge(1)] = 20,
    corners: Corners | None = None,
    how: Preparation = Preparation(train_samples=1_000, validation_samples=100),
) -> Dataset:
    """Objects and textures drawn by code, with damage and masks that are exact to the pixel, in
    MVTec AD's layout.

    A stand-in for `mvtec` that needs no download: the images are drawn once, 256 × 256 in colour,
    and kept in the user's cache folder; from there on they take the same way. A mask holds the
    pixels that differ visibly (by 6 of 255 or more) from the same drawing without the damage, and
    of a misplaced part all pixels, where it is and where it should be: it is symptom and cause, as
    nothing else has been changed.

    Parameters
    ----------
    category
        `bottle` (broken_large, broken_small, contamination), `hazelnut` (crack, cut, hole, print),
        `transistor` (bent_lead, cut_lead, damaged_case, misplaced), `tile` (broken_edge, crack,
        scratch, stain) or `carpet` (cut, hole, stain, thread).
    images
        How many undamaged images to draw for training and validation, about 30 ms each.
    per_damage
        How many to draw for the test, of each kind of damage and of undamaged ones.
    size
        Height and width of the samples in pixels; the default autoencoder wants 128.
    train_samples, validation_samples
        How many samples to make from the images, of 4·size² bytes each.
    rotation
        The greatest angle of a random rotation in degrees, either way.
    corners
        What fills the corners of a rotated image, as for `mvtec`; what suits the category where it
        is left out.
    flips
        Whether half of the samples are mirrored left to right, and half of them upside down.
    autoencoder
        The autoencoder to train, a name with brackets.
    seed
        Of the drawings, the split and the augmentation.

    References
    ----------
    The layout and the kinds of damage follow Bergmann et al. 2019, "MVTec AD — A Comprehensive
    Real-World Dataset for Unsupervised Anomaly Detection", CVPR. No part of it is contained; the
    drawings bear this project's licence.
    """
    folder = drawn(category, images, per_damage, how.seed)
    return from_layout(folder, how, corners or CATEGORIES[category].corners, "both")
