"""MVTec AD: photographs of objects and textures, with masks of the damage. Any category, in its
layout.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aexbench import Dataset, RequestError
from aexbench.datasets import register
from aexbench.datasets.tools.augmentation import Corners
from aexbench.datasets.tools.image_layout import Preparation, from_layout
from aexbench.datasets.tools.images import is_image
from aexbench.errors import AbsentError, unknown
from aexbench.fetching import local_data
from aexbench.fetching.downloads import Download

NAMES = (
    "mvtec_anomaly_detection",
    "mvtec_ad",
)  # the official archive's folder, and what many call it


CATEGORIES = (
    *("bottle", "cable", "capsule", "carpet", "grid", "hazelnut", "leather", "metal_nut", "pill"),
    *("screw", "tile", "toothbrush", "transistor", "wood", "zipper"),
)
# The publishers' archive of all 15 categories; size and checksum are those that public projects
# record which have fetched it.
DOWNLOAD = Download(
    url="https://www.mydrive.ch/shares/150996/b52ecdcbf521176e9db9c731f2304b27/download/420938113-1629960298/"
    "mvtec_anomaly_detection.tar.xz",
    sha256="cf4313b13603bec67abb49ca959488f7eedce2a9f7795ec54446c649ac98cd3d",
    size=5_264_982_680,
    unpacked=7_000_000_000,
    folders=NAMES,
    contains="bottle",
    page="https://www.mvtec.com/company/research/datasets/mvtec-ad",
)


def _files(*, category: str, root: Path | None, **_: Any) -> dict[str, Path]:
    """Return the images and masks of a category."""
    place = _place(root, category)
    return {path.relative_to(place).as_posix(): path for path in place.rglob("*") if is_image(path)}


@register(
    "mvtec", version=1, images=True, licence="CC BY-NC-SA 4.0", download=DOWNLOAD, reads=_files
)
def mvtec(
    *,
    category: str = "bottle",
    root: Path | None = None,
    corners: Corners = "edge",
    how: Preparation = Preparation(),
) -> Dataset:
    """MVTec AD, one category: grey photographs of normal and damaged specimens, with masks of the
    damage.

    Each image becomes grey, passes a Gaussian window (3 × 3 pixels, σ = 0.5) and is resized, as in
    the paper. A tenth of the training images is for validation; rotations and flips then make more
    samples of each part. The test split is every test image as it is; the kind of damage is the
    kind of anomaly. Masks mark symptoms: what looks damaged. A pixel is true where the mask covers
    at least half of it; of damage thinner than a pixel, the pixels that it touches most
    (`aexbench.datasets.tools.images.shrink_mask`).

    Parameters
    ----------
    category
        Such as `hazelnut` or `transistor`.
    root
        The folder `mvtec_anomaly_detection` as it is published, the one that it lies in, or the
        category's own; `AEXBENCH_DATA` may name any of these.
    size
        Height and width in pixels; the default autoencoder wants 128.
    train_samples, validation_samples
        How many samples to make, of 4·size² bytes each; fewer are the first of more.
    rotation
        The greatest angle of a random rotation in degrees, either way. The paper names none. A few
        degrees leave an object its pose, whose change may be the damage (a misplaced transistor);
        180 suits what lies in any direction (bottle, hazelnut, screw) and most textures.
    corners
        What fills the corners of a rotated image: `edge` continues its outermost pixels, which
        suits an object before plain ground; `mirror` continues it as mirrored at its edge, which
        suits a texture.
    flips
        Whether half of the samples are mirrored left to right, and half of them upside down.
    autoencoder
        The autoencoder to train, a name with brackets.
    seed
        Of the split and of the augmentation.

    Raises
    ------
    RequestError
        If folders, images or masks are missing, cannot be read or do not fit: it names the file.

    References
    ----------
    Bergmann et al. 2019, "MVTec AD — A Comprehensive Real-World Dataset for Unsupervised Anomaly
    Detection", CVPR; CC BY-NC-SA 4.0. The preprocessing is that of section 4.2 of "Unlocking
    Layer-wise Relevance Propagation for Autoencoders".
    """
    return from_layout(_place(root, category), how, corners)


def _place(root: Path | None, category: str) -> Path:
    """Return the folder of a category; RequestError says which there are, AbsentError how one of
    the publishers' is fetched.
    """
    starts = local_data.places() if root is None else [root]
    for start in starts:
        if start.absolute().name == category and (start / "train").is_dir():
            return start
    home = local_data.find(starts, NAMES, f"{category}/train")
    if home is not None:
        return home / category
    homes = [home for start in starts for home in (start, *(start / name for name in NAMES))]
    here = {
        path.parent.absolute().name
        for home in homes
        for path in (*home.glob("*/train"), *home.glob("train"))
    }
    if here:
        said = f"{starts[0]}: {unknown('category', category, here)}"
        if category not in CATEGORIES:
            raise RequestError(said)
        raise AbsentError(f"{said}; where this folder is away, aexbench data get mvtec fetches all")
    return local_data.folder(root, NAMES[0], f"{category}/train", "mvtec")  # says what to do
