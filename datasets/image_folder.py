"""Images of your own: a folder of normal ones, and of anomalous ones where you have some."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from aexbench import Dataset
from aexbench.datasets import register
from aexbench.datasets.tools.augmentation import Corners
from aexbench.datasets.tools.image_layout import (
    Labelled,
    Preparation,
    from_images,
    from_layout,
    images,
    labelled,
    say_left_out,
)
from aexbench.datasets.tools.images import entries, is_image, wrong

TEST = 0.2  # of the normal images, where no folder says which are for the test
PARTS = ("normal", "anomalous", "masks")


def _files(*, path: Path, **_: Any) -> dict[str, Path]:
    """Return the images and masks of a folder."""
    return {file.relative_to(path).as_posix(): file for file in path.rglob("*") if is_image(file)}


@register("image-folder", version=2, images=True, licence="your own data", reads=_files)
def image_folder(
    *,
    path: Path,
    corners: Corners = "edge",
    how: Preparation = Preparation(),
) -> Dataset:
    """Your own images (PNG, JPEG, BMP, TIFF, WebP; of any size), made grey, smoothed and
    resized as `mvtec` does.

    The folder holds one of these:

    - `train/good`, `test/good`, `test/DAMAGE`, `ground_truth/DAMAGE`: the layout of MVTec AD
    - `normal` and, if you have any, `anomalous` and `masks`
    - normal images, nothing else

    In the last two a fifth of the normal images, drawn at random, is for the test, with all
    anomalous ones. The mask of `anomalous/NAME.jpg` is `masks/NAME_mask.png` (or another of these
    formats): of the image's size, and anything but black where it is damaged, in any colour and
    depth; what is transparent is black. Masks mark symptoms: what looks damaged. Masks that look
    wrong (soft edges, more than half of the image, turned otherwise) are warned of, greys of
    several depths too, and masks that lie beside images are no images.

    Parameters
    ----------
    path
        The folder.
    size
        Height and width of the samples in pixels; the default autoencoder wants 128.
    train_samples, validation_samples
        How many samples to make by rotation and flips, of 4·size² bytes each; fewer are the first
        of more.
    rotation
        The greatest angle of a random rotation in degrees, either way; 180 for what may lie in any
        direction.
    corners
        What fills the corners of a rotated image: `edge` continues its outermost pixels, which
        suits an object before plain ground; `mirror` continues it as mirrored at its edge, which
        suits a texture.
    flips
        Whether half of the samples are mirrored left to right, and half of them upside down.
        Without rotation and flips each image is one sample.
    autoencoder
        The autoencoder to train, a name with brackets.
    seed
        Of the split and of the augmentation.

    Raises
    ------
    RequestError
        If folders, images or masks are missing, cannot be read or do not fit: it names the file.
    """
    if (path / "train").is_dir():
        return from_layout(path, how, corners)
    normal, anomalous = _listed(path)
    if len(normal) < 3:
        raise wrong(
            normal[0].parent,
            f"{len(normal)} normal images: at least 3 are needed, 1 for each split",
        )
    order = np.random.default_rng(how.seed).permutation(len(normal))
    held = max(1, round(TEST * len(normal)))
    test = [Labelled(normal[i]) for i in np.sort(order[:held])]
    rest = [normal[i] for i in np.sort(order[held:])]
    return from_images(rest, test + anomalous, how, corners)


def _listed(path: Path) -> tuple[list[Path], list[Labelled]]:
    """Return the normal images, and the anomalous ones with their masks."""
    parted = any((path / name).is_dir() for name in PARTS)
    others = [one for one in entries(path) if one.name not in PARTS] if parted else []
    normal = images(path / PARTS[0] if parted else path, others)
    anomalous: list[Labelled] = []
    if (path / "anomalous").is_dir():
        masks = path / "masks" if (path / "masks").is_dir() else None
        anomalous = labelled(images(path / "anomalous", others), "anomalous", masks, others)
    elif (path / "masks").exists():
        raise wrong(path / "masks", "masks, and there is no folder anomalous beside them")
    say_left_out(path, others)
    return normal, anomalous
