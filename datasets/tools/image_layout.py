"""From folders of images to a Dataset: read, prepared, split and augmented as the paper does (4.2).

The layout of MVTec AD, for the data set itself and for whatever is written like it:

    category/train/good/000.png                  normal, for training and validation
    category/test/good/000.png                   normal, for the test
    category/test/DAMAGE/000.png                 anomalous: one folder per kind of damage
    category/ground_truth/DAMAGE/000_mask.png    its mask, damaged where it is not black

A mask has its image's size, and the images of a category have one, any; `images.SUFFIXES` lists the
formats. `from_layout(category, Preparation(size=128))` returns the Dataset of a category's folder.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from aexbench.contracts import Dataset
from aexbench.datasets.tools.augmentation import Corners, augment
from aexbench.datasets.tools.images import (
    SUFFIXES,
    entries,
    is_image,
    prepare,
    read,
    shrink_mask,
    wrong,
)
from aexbench.errors import plain
from aexbench.features import Features

VALIDATION = 0.1  # of the normal images that are not for the test
GOOD = "good"
SHOWN = 5  # of the names that a warning lists


class Labelled(NamedTuple):
    """An image of the test split: its file, `good` or the kind of its damage, and the mask of the
    damage.
    """

    path: Path
    kind: str = GOOD
    mask: Path | None = None


@dataclass(frozen=True)
class Preparation:
    """How samples are made of images, and what is trained on them: parameters of each of their data
    sets.

    Parameters
    ----------
    size
        Height and width of the samples, in pixels.
    train_samples, validation_samples
        How many samples to make from the images of each split.
    rotation
        The greatest angle in degrees, either way.
    flips
        Whether to flip.
    autoencoder
        The data set's default autoencoder.
    seed
        Of the split and of the augmentation.
    """

    size: Annotated[int, Ge(8)] = 128
    train_samples: Annotated[int, Ge(1)] = 10_000
    validation_samples: Annotated[int, Ge(1)] = 1_000
    rotation: Annotated[float, Ge(0), Le(180)] = 10.0
    flips: bool = True
    autoencoder: str = "conv"
    seed: Annotated[int, Ge(0)] = 0


def from_layout(category: Path, how: Preparation, corners: Corners = "edge") -> Dataset:
    """Return the Dataset of a folder in MVTec's layout: images (N, 1, size, size) in [0, 1], masks
    as truth.

    Files and folders that are neither images nor masks are left out, with one warning. Links are
    followed, wherever they lead.

    Parameters
    ----------
    category
        The folder that holds `train`, `test` and `ground_truth`.
    how
        Size, number, rotation and so on of the samples.
    corners
        What fills the corners of those that are rotated (`augmentation.rotate`): it depends on what
        the images show.

    Raises
    ------
    RequestError
        If folders, images or masks are missing, cannot be read or do not fit: it names the file.
    """
    others = [path for path in entries(category / "train") if path.name != GOOD]
    normal = images(category / "train" / GOOD, others)
    test: list[Labelled] = []
    for folder in _kinds(category / "test", others):
        masks = None if folder.name == GOOD else category / "ground_truth" / folder.name
        test += labelled(images(folder, others), folder.name, masks, others)
    for folder in (
        entries(category / "ground_truth") if (category / "ground_truth").exists() else []
    ):
        if (
            folder.is_dir()
            and any(map(is_image, entries(folder)))
            and folder.name not in {one.kind for one in test}
        ):
            raise wrong(
                folder,
                f"masks of a damage of which there is no folder {category / 'test' / folder.name}",
            )
    say_left_out(category, others)
    return from_images(normal, test, how, corners)


def _kinds(test: Path, others: list[Path]) -> list[Path]:
    """Return the folders of the test split; what else lies there is added to `others`."""
    kinds = [
        path for path in entries(test) if path.is_dir() and not path.name.startswith((".", "__"))
    ]
    others += [path for path in entries(test) if path not in kinds]
    if not kinds:
        raise wrong(test, f"holds no folder of images such as {GOOD}")
    return kinds


def images(folder: Path, others: list[Path]) -> list[Path]:
    """Return the images of a folder, by name, at least one; what else lies there is added to
    `others`.
    """
    inside = entries(folder)
    found = [path for path in inside if is_image(path)]
    others += [path for path in inside if path not in found]
    if not found:
        raise wrong(folder, f"holds no image ({' '.join(sorted(SUFFIXES))})")
    return found


def labelled(
    paths: Sequence[Path], kind: str, masks: Path | None, others: list[Path]
) -> list[Labelled]:
    """Return images of one kind with their masks, NAME_mask.png for NAME.png, none missing and none
    left over.
    """
    if masks is None:
        return [Labelled(path, kind) for path in paths]
    result = [Labelled(path, kind, masks / f"{path.stem}_mask.png") for path in paths]
    first: dict[str, Path] = {}
    for path in paths:
        if first.setdefault(path.stem, path) != path:
            raise wrong(
                path,
                f"it and {first[path.stem].name} would share one mask: rename one, and give it "
                "its own",
            )
    for one in result:
        if one.mask is not None and not one.mask.is_file():
            raise wrong(one.mask, f"the mask of {one.path} is missing")
    known = {one.mask for one in result}
    for path in entries(masks):
        if is_image(path) and path not in known:
            raise wrong(path, f"a mask, and {paths[0].parent} has no image of its name")
    others += [path for path in entries(masks) if path not in known]
    return result


def say_left_out(folder: Path, others: Sequence[Path]) -> None:
    """Warn in one line of what lies in a data set's folders and is no part of it."""
    if others:
        names = ", ".join(str(path.relative_to(folder)) for path in others[:SHOWN])
        more = ", …" if len(others) > SHOWN else ""
        warnings.warn(
            plain(f"{folder}: left out {len(others)} that are no images of it: {names}{more}"),
            stacklevel=3,
        )


def from_images(
    normal: Sequence[Path], test: Sequence[Labelled], how: Preparation, corners: Corners
) -> Dataset:
    """Return the Dataset of listed images.

    A tenth of the normal images is for validation; each part is augmented by itself, so that no
    image is in both. The truth is left out where an anomalous image has no mask, the labels where
    none is anomalous.
    """
    if len(normal) < 2:
        raise wrong(
            normal[0].parent,
            f"{len(normal)} image to train from: at least 2 are needed, 1 for validation",
        )
    shape = read(normal[0]).shape
    order = np.random.default_rng(how.seed).permutation(len(normal))
    held = max(1, round(VALIDATION * len(normal)))
    parts = enumerate([(order[held:], how.train_samples), (order[:held], how.validation_samples)])
    train, validation = (
        augment(
            _load([normal[i] for i in rows], shape, how.size),
            count,
            rotation=how.rotation,
            corners=corners,
            flips=how.flips,
            seed=[how.seed, number],
        )
        for number, (rows, count) in parts
    )
    anomalous = np.array([one.kind != GOOD for one in test])
    return Dataset(
        train,
        validation,
        _load([one.path for one in test], shape, how.size),
        Features(),
        anomalous if anomalous.any() else None,
        _truth(test, shape, how.size) if anomalous.any() else None,
        how.autoencoder,
        test_units=np.arange(len(test)),
        test_kinds=np.array([one.kind for one in test]),
    )


def _load(paths: Sequence[Path], shape: tuple[int, ...], size: int) -> NDArray[np.float32]:
    """Return images (N, 1, size, size), all of one shape before."""
    result = np.empty((len(paths), 1, size, size), dtype=np.float32)
    for place, path in zip(result[:, 0], paths, strict=True):
        place[:] = prepare(_read(path, shape), size)
    return result


def _read(path: Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
    image = read(path)
    if image.shape != shape:
        (height, width), (h, w) = image.shape, shape
        raise wrong(
            path,
            f"{width} × {height} pixels, not {w} × {h} as the first image: bring all to one size",
        )
    return image


def _truth(test: Sequence[Labelled], shape: tuple[int, ...], size: int) -> NDArray[np.bool_] | None:
    """Return the damaged pixels (N, 1, size, size), or None where an anomalous image
    has no mask.
    """
    if any(one.kind != GOOD and one.mask is None for one in test):
        return None
    truth = np.zeros((len(test), 1, size, size), dtype=bool)
    for place, one in zip(truth[:, 0], test, strict=True):
        if one.mask is not None:
            place[:] = shrink_mask(_read(one.mask, shape) > 0, size)
    masked = np.array([one.mask is not None for one in test])
    black = [
        one.mask
        for one, marks in zip(test, truth.any(axis=(1, 2, 3)) | ~masked, strict=True)
        if not marks
    ]
    if black:
        warnings.warn(
            plain(f"{len(black)} masks mark nothing, the first is {black[0]}"), stacklevel=4
        )
    return truth
