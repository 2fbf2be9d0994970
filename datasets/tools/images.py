"""One image at a time: found in a folder, read as grey values, prepared as the paper prepares them;
masks likewise.

Images are a stranger's files: only a few formats are opened, the size is checked before a pixel is
decoded, and whatever is wrong becomes one line that names the file.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aexbench.errors import RequestError, plain

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
FORMATS = (
    "BMP",
    "JPEG",
    "PNG",
    "TIFF",
    "WEBP",
)  # Pillow knows more, some of which run other programs
MOST_PIXELS = 2**26  # of one image, 8192 × 8192: a small file may unpack to any size


def wrong(path: Path, what: str) -> RequestError:
    """Return the error that names a file or folder and says in one line what is wrong with it."""
    return RequestError(plain(f"{path}: {what}"))


def entries(folder: Path) -> list[Path]:
    """Return what lies in a folder, by name; RequestError if it cannot be looked into."""
    try:
        return sorted(folder.iterdir(), key=lambda path: path.name)
    except FileNotFoundError:
        raise RequestError(plain(f"there is no folder {folder}")) from None
    except OSError as error:
        raise wrong(folder, f"cannot be read as a folder: {error.strerror}") from None


def is_image(path: Path) -> bool:
    """Whether a path is an image by its name; links count as what they lead to, hidden files as
    none.
    """
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def read(path: Path) -> NDArray[np.float32]:
    """Return an image (H, W) as grey values in [0, 1], turned upright where its camera has noted
    that.

    Colours become the luma of ITU-R BT.601, 16 bits keep their precision, what is transparent is
    laid on black, and of several frames the first counts.

    Raises
    ------
    RequestError
        If it cannot be decoded, has more than `MOST_PIXELS` pixels, or values without a fixed range
        (32 bits).
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own limit, damaged metadata
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise ValueError(
                        f"{image.width} × {image.height} pixels are more than {MOST_PIXELS}"
                    )
                return _grey(ImageOps.exif_transpose(image))
    except MemoryError:
        raise
    except UnidentifiedImageError:
        raise wrong(
            path, f"cannot be read as an image: it is none of {', '.join(FORMATS)}, or damaged"
        ) from None
    except Exception as error:  # damaged files make Pillow's readers fail in many ways
        raise wrong(
            path, f"cannot be read as an image: {str(error) or type(error).__name__}"
        ) from None


def _grey(image: Any) -> NDArray[np.float32]:
    from PIL import Image

    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.float32) / np.float32(65535)
    if image.mode in ("I", "F"):
        raise ValueError("its pixels have 32 bits: save it with 8 or 16")
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image.convert("RGBA"))
    return np.asarray(image.convert("L")).astype(np.float32) / np.float32(255)


def prepare(image: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Return grey values (H, W) under a Gaussian window of 3 × 3 pixels with σ = 0.5, at size ×
    size pixels.

    Edges are mirrored. A pixel becomes the weighted mean of all that it covers: nothing is skipped
    in shrinking. Other forms than squares are squeezed.
    """
    from PIL import Image
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(image, sigma=0.5, radius=1, mode="mirror")
    resized = Image.fromarray(smooth).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(np.clip(np.asarray(resized), 0, 1), dtype=np.float32)


def shrink_mask(mask: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    """Return the damaged pixels (H, W) at size × size pixels; no damage is lost, however small.

    A pixel is damaged if a connected damage fills at least half as much of it as it fills of its
    fullest pixel. Of a damage that fills whole pixels these are the pixels that it fills at least
    half; with that alone, a scratch or a speck that is thinner than a pixel would vanish.

    >>> mask = [[1, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    >>> shrink_mask(np.array(mask, dtype=bool), 2)
    array([[ True, False],
           [False, False]])
    >>> mask = [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]
    >>> shrink_mask(np.array(mask, dtype=bool), 2)
    array([[False, False],
           [False,  True]])
    """
    from scipy.ndimage import label

    for axis, length in enumerate(mask.shape):
        mask = mask.repeat(-(-size // length), axis=axis)  # every new pixel covers at least one
    rows, columns = ((2 * np.arange(length) + 1) * size // (2 * length) for length in mask.shape)
    pixels = rows[:, None] * size + columns
    damage = label(mask, structure=np.ones((3, 3)))[0].astype(np.int64)
    filled, counts = np.unique((damage * size**2 + pixels)[mask], return_counts=True)
    number, pixel = np.divmod(filled, size**2)
    share = counts / np.bincount(pixels.ravel())[pixel]
    fullest = np.zeros(number.max(initial=0) + 1)
    np.maximum.at(fullest, number, share)
    result = np.zeros(size**2, dtype=bool)
    result[pixel[share >= fullest[number] / 2]] = True
    return result.reshape(size, size)
