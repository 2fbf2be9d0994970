"""From folders of images to a Dataset: read, prepared, split and augmented as the paper does (4.2).

The layout of MVTec AD, for the data set itself and for whatever is written like it:

    category/train/good/000.png                  normal, for training and validation
    category/test/good/000.png                   normal, for the test
    category/test/DAMAGE/000.png                 anomalous: one folder per kind of damage
    category/ground_truth/DAMAGE/000_mask.png    its mask, damaged where it is not black

A mask has its image's size; the images may differ in theirs, as all are resized. `images.SUFFIXES`
lists the formats, of masks too. A mask that lies beside its image is no image.
`from_layout(category, Preparation(size=128))` returns the Dataset of a category's folder.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from aexbench.contracts import Dataset, TruthKind
from aexbench.datasets.tools.augmentation import Corners, augment
from aexbench.datasets.tools.images import (
    FEW,
    MASK_NAME,
    SUFFIXES,
    Mask,
    Picture,
    entries,
    is_image,
    masks_among,
    prepare,
    read,
    read_mask,
    shrink_mask,
    wrong,
)
from aexbench.errors import plain
from aexbench.features import Features

VALIDATION = 0.1  # of the normal images that are not for the test
GOOD = "good"
SHOWN = 5  # of the names that a warning lists
Shape = tuple[int, ...]
RANGE = 65535  # of 16 bits
FEWER = 2**14  # cameras have 10, 12 or 14 bits, and files 8 or 16
MOST = 0.5  # of an image: a mask that marks more is likely to be inverted


class Origin(NamedTuple):
    """What an image was before it was prepared: its height and width, its orientation as EXIF
    counts, whether its file has 16 bits a channel, the brightest grey, and whether it is black and
    white alone.
    """

    shape: Shape
    orientation: int
    deep: bool
    brightest: float
    two_tone: bool

    @classmethod
    def of(cls, picture: Picture) -> Origin:
        """Return the origin of an image that has been read."""
        brightest = float(picture.grey.max())
        shape, two_tone = picture.grey.shape, picture.two_tone()
        return cls(shape, picture.orientation, picture.deep, brightest, two_tone)


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


def from_layout(
    category: Path,
    how: Preparation,
    corners: Corners = "edge",
    truth_kind: TruthKind = "symptom",
) -> Dataset:
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
    truth_kind
        What masks mark: what looks damaged, unless they are drawn by code that knows.

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
    return from_images(normal, test, how, corners, truth_kind)


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
    """Return the images of a folder, by name, at least one; what else lies there, masks of them
    too, is added to `others`.
    """
    inside = entries(folder)
    found = [path for path in inside if is_image(path)]
    masks = masks_among(found)
    found = [path for path in found if path not in masks]
    others += [path for path in inside if path not in found]
    if not found:
        raise wrong(folder, f"holds no image ({' '.join(sorted(SUFFIXES))})")
    return found


def labelled(
    paths: Sequence[Path], kind: str, masks: Path | None, others: list[Path]
) -> list[Labelled]:
    """Return images of one kind with their masks, NAME_mask.png (or another format) for NAME.png,
    none missing and none left over.
    """
    if masks is None:
        return [Labelled(path, kind) for path in paths]
    first: dict[str, Path] = {}
    for path in paths:
        if first.setdefault(path.stem, path) != path:
            raise wrong(
                path,
                f"it and {first[path.stem].name} would share one mask: rename one, and give it "
                "its own",
            )
    there = _by_stem(masks) if masks.exists() else {}
    result = []
    for path in paths:
        mask = there.get(f"{path.stem}_mask")
        if mask is None:
            raise wrong(masks / f"{path.stem}_mask.png", f"the mask of {path} is missing")
        result.append(Labelled(path, kind, mask))
    known = {one.mask for one in result}
    for path in there.values():
        if path not in known:
            raise wrong(path, f"a mask, and {paths[0].parent} has no image of its name")
    others += [path for path in entries(masks) if path not in known]
    return result


def _by_stem(masks: Path) -> dict[str, Path]:
    """Return the images of a folder of masks by their names without the format."""
    found: dict[str, Path] = {}
    for path in filter(is_image, entries(masks)):
        if found.setdefault(path.stem, path) != path:
            raise wrong(path, f"it and {found[path.stem].name} are masks of one image: keep one")
    return found


def say_left_out(folder: Path, others: Sequence[Path]) -> None:
    """Warn in one line of what lies in a data set's folders and is no part of it."""
    if others:
        names = ", ".join(str(path.relative_to(folder)) for path in others[:SHOWN])
        more = ", …" if len(others) > SHOWN else ""
        masks = any(is_image(path) and MASK_NAME.fullmatch(path.stem) for path in others)
        hint = "; masks are read from a folder of their own" if masks else ""
        warnings.warn(
            plain(
                f"{folder}: left out {len(others)} that are no images of it: {names}{more}{hint}"
            ),
            stacklevel=3,
        )


def from_images(
    normal: Sequence[Path],
    test: Sequence[Labelled],
    how: Preparation,
    corners: Corners,
    truth_kind: TruthKind = "symptom",
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
    order = np.random.default_rng(how.seed).permutation(len(normal))
    held = max(1, round(VALIDATION * len(normal)))
    normal = [normal[i] for i in order]
    learnt, origins = _load(normal, how.size)
    parts = [(learnt[held:], how.train_samples), (learnt[:held], how.validation_samples)]
    turned = partial(augment, rotation=how.rotation, corners=corners, flips=how.flips)
    train, validation = (
        turned(part, count, seed=[how.seed, number]) for number, (part, count) in enumerate(parts)
    )
    anomalous = np.array([one.kind != GOOD for one in test])
    shown, shown_origins = _load([one.path for one in test], how.size)
    _say_depths(origins + shown_origins)
    _say_like_masks([*normal, *(one.path for one in test)], origins + shown_origins)
    return Dataset(
        train,
        validation,
        shown,
        Features(),
        anomalous if anomalous.any() else None,
        _truth(test, shown_origins, how.size) if anomalous.any() else None,
        how.autoencoder,
        test_units=np.arange(len(test)),
        test_kinds=np.array([one.kind for one in test]),
        test_truth_kind=truth_kind,
    )


def _load(paths: Sequence[Path], size: int) -> tuple[NDArray[np.float32], list[Origin]]:
    """Return images (N, 1, size, size), and what each was before."""
    result = np.empty((len(paths), 1, size, size), dtype=np.float32)
    origins: list[Origin] = []
    for place, path in zip(result[:, 0], paths, strict=True):
        picture = read(path)
        origins.append(Origin.of(picture))
        place[:] = prepare(picture.grey, size)
    return result, origins


def _say_depths(origins: Sequence[Origin]) -> None:
    """Warn in one line where the greys of images may not be on one scale."""
    deep = [one for one in origins if one.deep]
    brightest = round(RANGE * max((one.brightest for one in deep), default=1.0))
    doubts = []
    if 0 < len(deep) < len(origins):
        doubts.append(f"{len(deep)} of {len(origins)} images have 16 bits a channel, the others 8")
    if brightest < FEWER:
        doubts.append(
            f"the brightest grey of {len(deep)} images with 16 bits a channel is {brightest} of "
            f"{RANGE}, as where a camera has fewer bits: 12 of them, multiplied by 16, would be 16"
        )
    if doubts:
        _warn(f"{'; '.join(doubts)}; black to white must be a file's full range in all images")


def _say_like_masks(paths: Sequence[Path], origins: Sequence[Origin]) -> None:
    """Warn in one line of images in black and white alone whose names go on from those of others
    beside them.
    """
    drawn = [path for path, origin in zip(paths, origins, strict=True) if origin.two_tone]
    others = {(path.parent, path.stem.lower()) for path in set(paths) - set(drawn)}
    found = [path for path in drawn if any((path.parent, one) in others for one in _within(path))]
    if found:
        _warn(
            f"{len(found)} images are black and white alone, and are called like others beside "
            f"them, the first is {found[0]}: if they are masks, put them where masks are read from"
        )


def _within(path: Path) -> list[str]:
    """Return what a name begins or ends with, before or after more than a number."""
    stem = path.stem.lower()
    halves = [(stem[:at], stem[at:]) for at in range(1, len(stem))]
    return [one for pair in halves for one, rest in (pair, pair[::-1]) if not rest.isdigit()]


def _truth(
    test: Sequence[Labelled], origins: Sequence[Origin], size: int
) -> NDArray[np.bool_] | None:
    """Return the damaged pixels (N, 1, size, size), or None where an anomalous image
    has no mask.
    """
    if any(one.kind != GOOD and one.mask is None for one in test):
        return None
    truth = np.zeros((len(test), 1, size, size), dtype=bool)
    doubts = Doubts()
    for place, one, origin in zip(truth[:, 0], test, origins, strict=True):
        if one.mask is not None:
            mask = _fitting(one.mask, origin.shape)
            doubts.note(one.mask, mask, origin.orientation)
            place[:] = shrink_mask(mask.marked, size)
    doubts.say()
    return truth


def _fitting(path: Path, shape: Shape) -> Mask:
    """Return a mask; RequestError if it has not the shape of its image."""
    mask = read_mask(path)
    if mask.marked.shape != shape:
        (height, width), (h, w) = mask.marked.shape, shape
        raise wrong(
            path, f"{width} × {height} pixels, not {w} × {h} as its image: bring both to one size"
        )
    return mask


@dataclass
class Doubts:
    """What looks wrong about masks, each with the first that does so: it is said, and nothing is
    changed.
    """

    black: list[Path] = field(default_factory=list)
    soft: list[Path] = field(default_factory=list)
    first_soft: Mask | None = None
    large: list[tuple[Path, float, float]] = field(default_factory=list)
    turned: list[Path] = field(default_factory=list)

    def note(self, path: Path, mask: Mask, orientation: int) -> None:
        """Look at a mask of an image that EXIF says to be of this orientation."""
        share = float(mask.marked.mean())
        if not share:
            self.black.append(path)
        if share > MOST:
            self.large.append((path, share, mask.nearly_black()))
        if mask.drawn_elsewhere(orientation):
            self.turned.append(path)
        if mask.soft() >= FEW:
            self.soft.append(path)
            self.first_soft = self.first_soft or mask

    def say(self) -> None:
        """Warn in one line of each kind."""
        if self.black:
            _warn(f"{len(self.black)} masks mark nothing, the first is {self.black[0]}")
        if self.first_soft is not None:
            levels = self.first_soft.levels[self.first_soft.marked]
            _warn(
                f"{len(self.soft)} masks have soft edges, as JPEG or smooth resizing leave them: "
                f"every pixel that is not black counts as damaged; the first is {self.soft[0]}, "
                f"with {levels.size} such pixels of {len(np.unique(levels))} values, "
                f"{np.sum(levels < levels.max() / 2)} of them below half of its brightest"
            )
        if self.large:
            path, share, faint = self.large[0]
            ground = "most of that is nearly black, as JPEG leaves it: save masks as PNG."
            why = ground if faint > MOST else "inverted?"
            _warn(
                f"{len(self.large)} masks mark more than half of their image, the first is {path} "
                f"({share:.0%}): {why} Damage is what is not black"
            )
        if self.turned:
            _warn(
                f"{len(self.turned)} masks have another EXIF orientation than their images, the "
                f"first is {self.turned[0]}: damage is misplaced where a mask was drawn before its "
                "image was turned upright; save both upright, without that tag"
            )


def _warn(text: str) -> None:
    warnings.warn(plain(text), stacklevel=6)
