"""Reading, preparing and augmenting images, against slow twins and files that
somebody has damaged.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from itertools import product
from pathlib import Path

import numpy as np
import PIL
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from aexbench import RequestError
from aexbench.datasets.tools.augmentation import augment, rotate
from aexbench.datasets.tools.images import (
    FEW,
    is_image,
    masks_among,
    prepare,
    read,
    read_mask,
    shrink_mask,
)

GREY = np.random.default_rng(0).integers(0, 256, (9, 13), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (9, 13, 3), dtype=np.uint8)
LUMA = COLOUR @ np.array([0.299, 0.587, 0.114]) / 255
IMAGES = np.random.default_rng(2).random((3, 1, 10, 10)).astype(np.float32)


def with_alpha(alpha):
    return Image.fromarray(np.dstack([COLOUR, np.full(GREY.shape, alpha, dtype=np.uint8)]))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.fromarray(GREY), GREY / 255),
        (Image.fromarray(GREY > 99), GREY > 99),
        (Image.fromarray(COLOUR), LUMA),
        (with_alpha(255), LUMA),
        (with_alpha(51), LUMA / 5),
        (with_alpha(0), 0 * LUMA),
        (Image.fromarray(GREY).convert("P"), GREY / 255),
        (Image.fromarray(GREY).convert("LA"), GREY / 255),
        (Image.fromarray(GREY.astype(np.uint16) * 256 + 99), (GREY * 256.0 + 99) / 65535),
    ],
)
def test_every_kind_of_png_becomes_grey_in_0_to_1(tmp_path, image, expected):
    image.save(tmp_path / "a.png")
    grey = read(tmp_path / "a.png").grey
    assert grey.dtype == np.float32
    assert np.allclose(grey, expected, atol=1.1 / 255 if image.mode in ("RGB", "RGBA") else 1e-6)


@pytest.mark.parametrize("suffix", ["bmp", "jpg", "tif", "webp"])
def test_other_formats_are_read_too(tmp_path, suffix):
    Image.fromarray(np.full((8, 12, 3), 102, dtype=np.uint8)).save(tmp_path / f"a.{suffix}")
    assert np.allclose(read(tmp_path / f"a.{suffix}").grey, np.full((8, 12), 0.4), atol=0.01)


def test_an_image_that_the_camera_took_sideways_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    Image.fromarray(GREY).save(tmp_path / "a.png", exif=exif)
    assert np.allclose(read(tmp_path / "a.png").grey, np.rot90(GREY, -1) / 255)


def claiming(width, height):
    """Return a PNG of a few bytes that says it has so many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"0" * 9)), (b"IEND", b"")]
    parts = [
        struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "none of BMP"),
        (b"no image\x00at all", "none of BMP"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "none of BMP"),
        (claiming(9000, 9000), "9000 × 9000 pixels are more than"),
        (claiming(60000, 60000), "exceeds limit"),
        (claiming(50, 50), "truncated|broken|not enough"),
        (claiming(0, 0), "none of BMP"),
    ],
    ids=["empty", "text", "program", "large", "huge", "truncated", "no pixels"],
)
def test_damaged_and_hostile_files_are_one_line_that_names_them(tmp_path, content, message):
    (tmp_path / "bad\n\x1b[31m.png").write_bytes(content)
    with pytest.raises(RequestError, match=message) as caught:
        read(tmp_path / "bad\n\x1b[31m.png")
    assert "cannot be read as an image" in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp"])
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_truncated_files_are_an_error_in_every_format(tmp_path, suffix, share):
    Image.fromarray(COLOUR.repeat(9, axis=0).repeat(9, axis=1)).save(tmp_path / f"a.{suffix}")
    content = (tmp_path / f"a.{suffix}").read_bytes()
    (tmp_path / f"a.{suffix}").write_bytes(content[: int(share * len(content))])
    with pytest.raises(RequestError, match=f"a.{suffix}: cannot be read"):
        read(tmp_path / f"a.{suffix}")


def test_values_without_a_fixed_range_are_refused(tmp_path):
    Image.fromarray(GREY.astype(np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(RequestError, match="32 bits: save it with 8 or 16"):
        read(tmp_path / "a.tif")


MARKED = np.zeros((9, 13), dtype=bool)
MARKED[2:4, 3:9] = MARKED[6, 1] = True


def coloured(*colour: int) -> np.ndarray:
    """Return pixels of a colour where they are marked, black elsewhere."""
    return np.where(MARKED[..., None], colour, 0).astype(np.uint8)


def palette(*colours: int) -> Image.Image:
    image = Image.frombuffer("P", (13, 9), MARKED.astype(np.uint8).tobytes())
    image.putpalette(colours)
    return image


def clear(colour: tuple[int, ...], outside: tuple[int, ...]) -> Image.Image:
    return Image.fromarray(np.where(MARKED[..., None], colour, outside).astype(np.uint8))


def png(pixels: np.ndarray, kind: int) -> bytes:
    """Return a PNG of 16 bits a channel (H, W, C): Pillow writes none in colour."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    parts = [
        struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(MARKED),
        Image.fromarray(MARKED.astype(np.uint8)),
        Image.fromarray(MARKED * np.uint8(255)),
        Image.fromarray(MARKED.astype(np.uint16)),
        Image.fromarray(MARKED.astype(">u2")),
        Image.fromarray(MARKED.astype(np.int32)),
        Image.fromarray(-MARKED.astype(np.int32)),
        Image.fromarray(MARKED.astype(np.float32) * 1e-9),
        Image.fromarray(-MARKED.astype(np.float32)),
        *(Image.fromarray(coloured(*c)) for c in [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 4)]),
        palette(0, 0, 0, 0, 0, 1),
        palette(0, 0, 0, 128, 0, 0),
        clear((0, 0, 1, 255), (0, 0, 0, 255)),
        clear((0, 0, 1, 1), (255, 0, 0, 0)),  # what is transparent hides a colour
        clear((255, 255, 255, 255), (255, 255, 255, 0)),
        clear((1, 255), (255, 0)),
        Image.fromarray(coloured(1, 1, 1)).convert("CMYK"),
        Image.fromarray(coloured(0, 0, 2)).convert("CMYK"),
        Image.fromarray(coloured(9, 9, 9)).convert("YCbCr"),
    ],
    ids=lambda image: image.mode,
)
def test_a_mask_marks_what_is_not_black_in_any_mode_and_depth(tmp_path, image):
    if image.mode == "YCbCr" and int(PIL.__version__.partition(".")[0]) < 13:
        pytest.skip("Pillow before 13 cannot read the TIFF that it writes of YCbCr")
    image.save(tmp_path / "a.tif")
    assert np.array_equal(read_mask(tmp_path / "a.tif").marked, MARKED)
    if image.mode not in ("F", "CMYK", "YCbCr", "I", "I;16B"):
        image.save(tmp_path / "a.png")
        assert np.array_equal(read_mask(tmp_path / "a.png").marked, MARKED)


def test_ink_that_light_hardly_comes_through_is_not_black(tmp_path):
    ink = np.where(MARKED[..., None], [254, 255, 255, 254], [0, 0, 0, 255]).astype(np.uint8)
    Image.frombuffer("CMYK", (13, 9), ink.tobytes()).save(tmp_path / "a.tif")
    assert np.array_equal(read_mask(tmp_path / "a.tif").marked, MARKED)


@pytest.mark.parametrize("image", [Image.fromarray(GREY), palette(255, 255, 255, 0, 0, 9)])
def test_a_transparent_entry_of_a_palette_or_grey_is_not_marked(tmp_path, image):
    value = 0 if image.mode == "P" else 7
    image.save(tmp_path / "a.png", transparency=value)
    expected = MARKED if image.mode == "P" else (GREY != 7) & (GREY != 0)
    assert np.array_equal(read_mask(tmp_path / "a.png").marked, expected)
    Image.fromarray(GREY * np.uint16(256)).save(tmp_path / "a.png", transparency=7 * 256)
    assert np.array_equal(read_mask(tmp_path / "a.png").marked, (GREY != 7) & (GREY != 0))


@pytest.mark.parametrize("value", [1, 255, 256, 65535])
def test_colours_of_16_bits_a_channel_are_not_cut_to_8(tmp_path, value):
    pixels = np.zeros((*MARKED.shape, 3), dtype=np.uint16)
    pixels[MARKED, 2] = value
    (tmp_path / "a.png").write_bytes(png(pixels, 2))
    assert np.array_equal(read_mask(tmp_path / "a.png").marked, MARKED)
    hidden = np.dstack([pixels, np.where(MARKED, value, 0)])
    hidden[..., 0] = 65535  # everywhere, and transparent where it is not marked
    (tmp_path / "a.png").write_bytes(png(hidden, 6))
    assert np.array_equal(read_mask(tmp_path / "a.png").marked, MARKED)
    (tmp_path / "a.png").write_bytes(png(hidden[..., [2, 3]], 4))
    with pytest.raises(RequestError, match=r"a\.png: .*16 bits a channel .*: save it in grey"):
        read_mask(tmp_path / "a.png")


def test_masks_in_which_nothing_says_what_is_black_are_refused_by_name(tmp_path):
    lab = Image.frombuffer("LAB", (13, 9), bytes(13 * 9 * 3))
    for name, image in (
        ("lab.tif", lab),
        ("nan.tif", Image.fromarray(np.full((9, 13), np.nan, np.float32))),
    ):
        image.save(tmp_path / name)
        with pytest.raises(RequestError, match=rf"{name}: .*(colour mode LAB|finite numbers)"):
            read_mask(tmp_path / name)


def disc(side: int, value: int = 255) -> Image.Image:
    rows, columns = np.mgrid[:side, :side] - side / 2
    return Image.fromarray(np.where(rows**2 + columns**2 < side**2 / 9, value, 0).astype(np.uint8))


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def kinds(*values: int) -> Image.Image:
    """Return areas of several values that touch one another."""
    image = np.zeros((40, 40), dtype=np.uint8)
    for number, value in enumerate(values):
        image[6 * number : 6 * number + 8, 4:20] = value
    return Image.fromarray(image)


@pytest.mark.parametrize(
    "image",
    [
        jpeg(disc(40), 75),
        jpeg(disc(40), 95),
        jpeg(disc(40).convert("RGB"), 60),
        disc(80).resize((40, 40)),
        disc(20).resize((40, 40), Image.Resampling.BILINEAR),
        disc(20).resize((37, 37), Image.Resampling.BICUBIC),
        disc(40, 1).convert("F").resize((30, 30), Image.Resampling.LANCZOS),
        Image.merge("RGBA", [*[Image.new("L", (40, 40), 255)] * 3, disc(80).resize((40, 40))]),
    ],
)
def test_edges_that_jpeg_or_resizing_has_softened_are_seen(tmp_path, image):
    image.save(tmp_path / "a.tif")
    assert read_mask(tmp_path / "a.tif").soft() >= FEW


@pytest.mark.parametrize(
    "image",
    [
        disc(40),
        disc(40, 1),
        disc(40).resize((55, 55), Image.Resampling.NEAREST),
        kinds(1, 2, 3, 4, 5, 6),
        kinds(250, 40, 90, 160),
        palette(0, 0, 0, 128, 0, 0),
        Image.new("L", (9, 9)),
        Image.new("L", (9, 9), 255),
    ],
)
def test_sharp_masks_and_kinds_by_value_are_not_soft(tmp_path, image):
    image.save(tmp_path / "a.png")
    assert read_mask(tmp_path / "a.png").soft() < FEW


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
def test_the_orientation_in_a_file_is_known_and_1_where_it_is_none(tmp_path, suffix):
    exif = Image.Exif()
    for noted, known in ((1, 1), (3, 3), (8, 8), (0, 1), (9, 1)):
        exif[0x0112] = noted
        Image.fromarray(GREY).save(tmp_path / f"a.{suffix}", exif=exif)
        assert read(tmp_path / f"a.{suffix}").orientation == known
        assert read_mask(tmp_path / f"a.{suffix}").orientation == known
    Image.fromarray(GREY).save(tmp_path / f"a.{suffix}")
    assert read(tmp_path / f"a.{suffix}").orientation == 1


def test_files_with_16_bits_a_channel_are_known(tmp_path):
    (tmp_path / "colour.png").write_bytes(png(np.zeros((4, 4, 3), dtype=np.uint16), 2))
    Image.fromarray(GREY.astype(np.uint16)).save(tmp_path / "grey.png")
    Image.fromarray(GREY.astype(np.uint16)).save(tmp_path / "grey.tif")
    assert all(read(path).deep for path in tmp_path.iterdir())
    for name in ("a.png", "a.tif", "a.jpg", "a.bmp", "a.webp"):
        Image.fromarray(COLOUR).save(tmp_path / name)
        assert not read(tmp_path / name).deep


def test_masks_are_known_by_the_images_that_they_lie_beside():
    def found(*names):
        return {path.name for path in masks_among([Path(name) for name in names])}

    assert found("a.png", "a_mask.png", "b.jpg", "b_mask.png") == {"a_mask.png", "b_mask.png"}
    assert found("a.png", "a_mask.png", "c_mask.png") == {"a_mask.png", "c_mask.png"}
    assert found("a.png", "A-MASK.tif", "a_gt.png") == {"A-MASK.tif", "a_gt.png"}
    assert found("a.png", "ground_truth_a.png", "a_label.png", "a_seg.png") == {
        "ground_truth_a.png",
        "a_label.png",
        "a_seg.png",
    }
    assert found("a_mask.png", "b_mask.png") == set()
    for name in ("0{}mask", "mask0{}", "0{}_gt0", "0{}_Mask_1", "0{} (mask)", "0{} (mask) (2)"):
        masks = {name.format(n) + ".png" for n in (1, 2)}
        assert found("01.png", *masks) == masks, name
    assert len(found("01.png", "01_gt0.png", "01_gt1.png", "02_gt2.png")) == 3
    for word in ("anno", "annotation", "defect", "defects", "Label", "SEG", "[gt]"):
        assert found("01.png", f"01_{word}.png", f"{word}01.png") == {
            f"01_{word}.png",
            f"{word}01.png",
        }
    assert found("unmask.png", "un.png", "maskara.png", "ara.png", "1.png", "1x.png") == set()
    assert found("a.png", "b_mask.png", "a_masked.png", "aмаска.png", "amask.png") == set()


def test_what_counts_as_an_image(tmp_path):
    for name in ("a.PNG", "._a.png", "Thumbs.db", ".DS_Store", "license.txt", "a.gif"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "a.PNG")
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "missing.png")
    assert sorted(p.name for p in tmp_path.iterdir() if is_image(p)) == ["a.PNG", "link.png"]


def test_the_window_is_three_pixels_wide_with_sigma_a_half():
    point = np.zeros((9, 9), dtype=np.float32)
    point[4, 4] = 1
    line = np.exp(-np.array([1.0, 0.0, 1.0]) / (2 * 0.5**2))
    expected = np.zeros((9, 9))
    expected[3:6, 3:6] = np.outer(line, line) / line.sum() ** 2
    assert np.allclose(prepare(point, 9), expected, atol=1e-6)


def test_shrinking_skips_no_pixel_and_keeps_places_and_range():
    image = np.random.default_rng(3).random((64, 64)).astype(np.float32)
    small = prepare(image, 8)
    assert small.shape == (8, 8)
    assert small.dtype == np.float32
    assert (small.min(), small.max()) > (0.3, 0.0)  # pixels picked singly would reach both ends
    assert small.max() < 0.7
    ramp = np.linspace(0, 1, 64, dtype=np.float32)
    middles = ramp.reshape(8, 8).mean(axis=1)
    assert np.allclose(prepare(np.tile(ramp, (64, 1)), 8)[:, 1:-1], middles[1:-1], atol=1e-3)
    assert np.array_equal(prepare(np.ones((30, 20), dtype=np.float32), 128), np.ones((128, 128)))


def shrink_twin(mask, size):
    """The definition, pixel by pixel: for each connected damage its share of each pixel, from half
    its fullest on.
    """
    height, width = mask.shape
    fine = mask.repeat(-(-size // height), axis=0).repeat(-(-size // width), axis=1)
    height, width = fine.shape
    result, left = (
        np.zeros((size, size), dtype=bool),
        {(int(r), int(c)) for r, c in np.argwhere(fine)},
    )
    while left:
        damage, border = set(), {left.pop()}
        while border:
            r, c = border.pop()
            damage.add((r, c))
            near = {(r + i, c + j) for i, j in product((-1, 0, 1), repeat=2)} & left
            left -= near
            border |= near
        share = np.zeros((size, size))
        for i, j in product(range(size), repeat=2):
            rows = [r for r in range(height) if i * height <= (r + 0.5) * size < (i + 1) * height]
            columns = [c for c in range(width) if j * width <= (c + 0.5) * size < (j + 1) * width]
            share[i, j] = np.mean([cell in damage for cell in product(rows, columns)])
        result |= (share > 0) & (share >= share.max() / 2)
    return result


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=11)), st.integers(1, 7))
def test_masks_shrink_as_defined_and_never_lose_a_damage(mask, size):
    small = shrink_mask(mask, size)
    assert np.array_equal(small, shrink_twin(mask, size))
    assert small.any() == mask.any()


def test_large_damage_keeps_its_area_and_a_scratch_its_length():
    rows, columns = np.mgrid[:900, :900]
    disc = (rows - 400) ** 2 + (columns - 500) ** 2 < 200**2
    assert shrink_mask(disc, 128).mean() == pytest.approx(disc.mean(), rel=0.02)
    scratch = np.abs(rows - columns) < 2  # 3 pixels of 900 are less than half a pixel of 128
    assert shrink_mask(scratch, 128).diagonal().all()
    both = shrink_mask(disc | (abs(rows - 100) + abs(columns - 100) < 2), 128)
    assert both[14, 14]  # a speck beside a large damage


def test_rotation_about_the_centre_agrees_with_quarter_turns():
    image = IMAGES[0, 0]
    for quarter in range(-2, 3):
        assert np.allclose(rotate(image, 90.0 * quarter), np.rot90(image, quarter), atol=1e-5)


def test_corners_continue_the_edge_or_mirror_the_image():
    image = np.full((40, 40), 0.25, dtype=np.float32)
    assert np.allclose(rotate(image, 45), 0.25)
    image[1:-1, 1:-1] = 1.0
    assert rotate(image, 45, "edge")[0, 0] == pytest.approx(0.25)
    assert rotate(image, 45, "mirror")[0, 0] == pytest.approx(1.0)


def test_without_rotation_every_sample_is_a_flip_and_all_four_come():
    made = augment(IMAGES, 60, rotation=0.0, corners="edge", flips=True, seed=0)
    seen = set()
    for number, sample in enumerate(made[:, 0]):
        image = IMAGES[number % 3, 0]
        variants = [image, image[::-1], image[:, ::-1], image[::-1, ::-1]]
        seen.add(next(i for i, variant in enumerate(variants) if np.array_equal(sample, variant)))
    assert seen == {0, 1, 2, 3}


def test_angles_reach_the_greatest_one_either_way_and_no_further():
    arrow = np.zeros((1, 1, 101, 101), dtype=np.float32)
    arrow[0, 0, 50, 90] = 1
    made = augment(arrow, 300, rotation=30.0, corners="edge", flips=False, seed=0)[:, 0]
    rows, columns = np.array([np.unravel_index(sample.argmax(), sample.shape) for sample in made]).T
    angles = np.rad2deg(np.arctan2(50 - rows, columns - 50))
    assert -31.5 < angles.min() < -27 < 0 < 27 < angles.max() < 31.5
    assert abs(angles.mean()) < 3


@pytest.mark.parametrize("corners", ["edge", "mirror"])
def test_fewer_samples_are_the_first_of_more_and_the_seed_counts(corners):
    def made(count, seed):
        return augment(IMAGES, count, rotation=180.0, corners=corners, flips=True, seed=seed)

    assert np.array_equal(made(7, 5), made(20, 5)[:7])
    assert not np.array_equal(made(7, 5), made(7, 6))
    assert made(200, 0).min() >= IMAGES.min() - 1e-6
    assert made(200, 0).max() <= IMAGES.max() + 1e-6


@pytest.mark.parametrize("shape", [(3, 10, 10, 1), (3, 10, 10), (3, 3, 10, 10), (10, 10)])
def test_arrays_of_another_layout_are_refused_by_their_shape(shape):
    with pytest.raises(RequestError, match=r"images of shape .*channel before height and width"):
        augment(
            np.zeros(shape, dtype=np.float32),
            4,
            rotation=1.0,
            corners="edge",
            flips=True,
            seed=0,
        )


def test_with_nothing_to_vary_each_image_comes_once():
    assert np.array_equal(
        augment(IMAGES, 100, rotation=0.0, corners="edge", flips=False, seed=0), IMAGES
    )
    assert len(augment(IMAGES, 2, rotation=0.0, corners="edge", flips=False, seed=0)) == 2
