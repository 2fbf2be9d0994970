"""One image at a time: found in a folder, read as grey values, prepared as the paper prepares them;
masks likewise.

Images are a stranger's files: only a few formats are opened, the size is checked before a pixel is
decoded, and whatever is wrong becomes one line that names the file.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

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
COLOURS = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr"}  # by RGB
TURNED = range(2, 9)  # what EXIF notes of an image whose pixels are not upright
QUARTER = range(5, 9)  # of these: height and width change places
FAINT = 1 / 16  # of a mask's brightest: what is not black, but nearly so
TONES = 0.95  # of a mask's pixels: the others are slopes between black and white
FEW = 2  # levels on the slopes of a mask from which on its edges are soft
# What a mask that lies beside its image is called: 000_mask.png, 000-gt0.tif, mask000.png,
# 000 (mask).png; the word is one of its own, as in amask.png it is not.
MASK_WORD = r"(?:masks?|gts?|ground[_-]?truth|labels?|seg(?:mentation)?|anno(?:tations?)?|defects?)"
LETTER = r"[^\W\d_]"
NUMBER = r"(?:[_. (-]*\d+\)?)?"  # of several masks of one image
MASK_NAME = re.compile(
    rf"(?P<of>\W*\w.*?)(?P<end>[_. ([-]*(?<!{LETTER}){MASK_WORD}[])]?{NUMBER})"
    rf"|(?P<start>[([]?{MASK_WORD}(?!{LETTER})[_. )\]-]*)(?P<from>.+)",
    re.IGNORECASE,
)
# Of a channel of 16 bits Pillow keeps one byte, and these unpack the other.
OTHER_BYTE = {
    "16B": "16L",
    "16L": "16B",
    "16N": "16B" if sys.byteorder == "little" else "16L",
}
Read = TypeVar("Read")


class Picture(NamedTuple):
    """An image as grey values, and how it is in its file.

    Attributes
    ----------
    grey : (H, W)
        In [0, 1], upright.
    orientation
        As EXIF counts: 1 where the pixels are upright in the file too.
    deep
        Whether its file has 16 bits a channel.
    """

    grey: NDArray[np.float32]
    orientation: int
    deep: bool

    def two_tone(self) -> bool:
        """Whether nearly all of it is black or as bright as its brightest, as masks are."""
        top = float(self.grey.max())
        black, bright = self.grey <= FAINT * top, self.grey >= (1 - FAINT) * top
        both = bool(black.any() and bright.any() and top > 0)
        return both and float((black | bright).mean()) >= TONES


class Mask(NamedTuple):
    """A mask as it is in its file.

    Attributes
    ----------
    marked : (H, W)
        Where it is not black.
    levels : (H, W)
        How far from black a pixel is, in the file's own units: its greatest channel.
    orientation
        As EXIF counts: 1 where the pixels are upright in the file too.
    """

    marked: NDArray[np.bool_]
    levels: NDArray[np.float32]
    orientation: int

    def nearly_black(self) -> float:
        """Return the share of the marked pixels that are nearly black, as JPEG leaves the ground:
        it need not be black anywhere.
        """
        return float(np.mean(self.levels[self.marked] <= FAINT * self.levels.max()))

    def drawn_elsewhere(self, orientation: int) -> bool:
        """Whether it may not lie on an image of this orientation and of its shape: only one of the
        two was turned, and their shapes would agree without that too.
        """
        height, width = self.marked.shape
        quarters = {orientation in QUARTER, self.orientation in QUARTER}
        return orientation != self.orientation and (height == width or len(quarters) == 1)

    def soft(self) -> int:
        """Return how many different levels lie on slopes between two others and nowhere else, as
        JPEG or smooth resizing leave them; 0 where the levels are areas, such as kinds of damage.
        """
        from scipy.ndimage import maximum_filter, minimum_filter

        low, high = minimum_filter(self.levels, 3), maximum_filter(self.levels, 3)
        slope = self.levels[self.marked & (low < self.levels) & (self.levels < high)]
        areas = self.levels[low == high]
        return len(np.setdiff1d(slope, areas))


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


def masks_among(paths: Sequence[Path]) -> set[Path]:
    """Return which images of a folder are masks of others in it, by name: 000_mask.png beside
    000.png.

    Once one name says so, all names of its form are masks, that of a missing image too.

    >>> found = masks_among([Path("a.jpg"), Path("a_mask.png"), Path("b_mask.png")])
    >>> sorted(path.name for path in found)
    ['a_mask.png', 'b_mask.png']
    >>> masks_among([Path("with_mask.png"), Path("without_mask.png")])
    set()
    """
    stems = {path.stem.lower() for path in paths}
    named = {path: found for path in paths if (found := MASK_NAME.fullmatch(path.stem))}
    forms = {_form(found) for found in named.values() if _image_of(found) in stems}
    return {path for path, found in named.items() if _form(found) in forms}


def _form(name: re.Match[str]) -> tuple[str, str]:
    """Return how a mask's name differs from its image's, whatever the mask's own number."""
    return (name["start"] or "").lower(), re.sub(r"\d+", "0", (name["end"] or "").lower())


def _image_of(name: re.Match[str]) -> str:
    return str(name["of"] or name["from"]).lower()


def read(path: Path) -> Picture:
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
    return _opened(path, _picture)


def read_mask(path: Path) -> Mask:
    """Return a mask (H, W), turned upright where its camera has noted that.

    A pixel is marked where any channel of its colour is not 0, however little, in any mode and
    depth: no luma is taken, nothing is rounded. What is fully transparent is not marked, whatever
    colour it hides; of several frames the first counts.

    Raises
    ------
    RequestError
        If it cannot be decoded, has more than `MOST_PIXELS` pixels, values that are no numbers or
        a mode in which nothing says what black is.
    """
    orientation, (colours, light) = _opened(
        path, lambda image: (_orientation(image), _channels(image))
    )
    if (low := _opened(path, _low_bytes)) is not None:
        colours = colours + low[0] / np.float32(256)
        light = light + low[1] / np.float32(256)
    levels = np.asarray(np.abs(colours).max(axis=-1) * light / np.float32(255), dtype=np.float32)
    return Mask(levels > 0, levels, orientation)


def _opened(path: Path, take: Callable[[Any], Read]) -> Read:
    """Return what `take` makes of an image's file; whatever is wrong is one line that names it."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own limit, damaged metadata
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise ValueError(
                        f"{image.width} × {image.height} pixels are more than {MOST_PIXELS}"
                    )
                return take(image)
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


def _upright(image: Any) -> Any:
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)


def _orientation(image: Any) -> int:
    """Return what EXIF notes: asked first, as Pillow turns some formats while it loads them."""
    from PIL.ExifTags import Base

    noted = image.getexif().get(Base.Orientation)
    return noted if noted in TURNED else 1


def _picture(image: Any) -> Picture:
    deep = image.mode.startswith("I;16") or any(
        _depth(tile[3]) in OTHER_BYTE for tile in image.tile
    )
    orientation = _orientation(image)
    return Picture(_grey(image), orientation, deep)


def _grey(image: Any) -> NDArray[np.float32]:
    from PIL import Image

    image = _upright(image)
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.float32) / np.float32(65535)
    if image.mode in ("I", "F"):
        raise ValueError("its pixels have 32 bits: save it with 8 or 16")
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image.convert("RGBA"))
    return np.asarray(image.convert("L")).astype(np.float32) / np.float32(255)


class Channels(NamedTuple):
    """The channels of a colour (H, W, C), 0 where it is black, and how much of each pixel shows
    (H, W), of 255.
    """

    colours: NDArray[np.float32]
    light: NDArray[np.float32]


def _channels(image: Any) -> Channels:
    """Return a mask's channels as they are: no rounding makes one of them 0."""
    image = _upright(image)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _deep(np.asarray(image), image.info.get("transparency"))
    if image.mode == "CMYK":  # of ink: black is where no light comes through
        ink = 255 - np.asarray(image).astype(np.float32)
        return Channels(ink[..., :3], ink[..., 3])
    if image.mode not in COLOURS:
        raise ValueError(f"a mask in colour mode {image.mode}: save it in grey or RGB")
    pixels = np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))
    light = pixels[..., 3] if image.has_transparency_data else np.full(pixels.shape[:2], 255)
    return Channels(pixels[..., :3].astype(np.float32), light.astype(np.float32))


def _deep(values: NDArray[Any], transparent: object) -> Channels:
    """Return the one channel of values with 16 or 32 bits; `transparent` is a value that is not
    seen.
    """
    if not np.isfinite(values).all():
        raise ValueError("a mask whose pixels are not all finite numbers")
    hidden = values == transparent if isinstance(transparent, int) else np.zeros_like(values, bool)
    light = np.where(hidden, 0, 255).astype(np.float32)
    return Channels(values.astype(np.float32)[..., None], light)


def _stored(options: Any) -> str:
    """Return the mode in which a tile of an image is stored, such as RGB;16B."""
    return str(options if isinstance(options, str) else next(iter(options or ()), None))


def _depth(options: Any) -> str:
    return _stored(options).rpartition(";")[2]


def _low_bytes(image: Any) -> Channels | None:
    """Return the other bytes of a colour image with 16 bits a channel, or None where it has not so
    many.

    Pillow reads such colours in 8 bits: what lies below a 256th of the range would be black.
    """
    if image.mode.startswith("I;16"):
        return None
    tiles = []
    for codec, extents, offset, options in image.tile:
        depth = _depth(options)
        if depth not in OTHER_BYTE:
            return None
        other = _stored(options).removesuffix(depth) + OTHER_BYTE[depth]
        tiles.append((codec, extents, offset, other, options))
    if not tiles:
        return None
    image.tile = [
        type(image.tile[0])(
            codec, extents, offset, other if isinstance(options, str) else (other, *options[1:])
        )
        for codec, extents, offset, other, options in tiles
    ]
    try:
        return _channels(image)
    except (OSError, ValueError):
        raise ValueError(
            f"a mask with 16 bits a channel in mode {image.mode}: save it in grey, or with 8 bits"
        ) from None


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
