"""Reading, preparing and augmenting images, against slow twins and files that
somebody has damaged.
"""

from __future__ import annotations

import os
import struct
import zlib
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from aexbench import RequestError
from aexbench.datasets.tools.augmentation import augment, rotate
from aexbench.datasets.tools.images import is_image, prepare, read, shrink_mask

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
    grey = read(tmp_path / "a.png")
    assert grey.dtype == np.float32
    assert np.allclose(grey, expected, atol=1.1 / 255 if image.mode in ("RGB", "RGBA") else 1e-6)


@pytest.mark.parametrize("suffix", ["bmp", "jpg", "tif", "webp"])
def test_other_formats_are_read_too(tmp_path, suffix):
    Image.fromarray(np.full((8, 12, 3), 102, dtype=np.uint8)).save(tmp_path / f"a.{suffix}")
    assert np.allclose(read(tmp_path / f"a.{suffix}"), np.full((8, 12), 0.4), atol=0.01)


def test_an_image_that_the_camera_took_sideways_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    Image.fromarray(GREY).save(tmp_path / "a.png", exif=exif)
    assert np.allclose(read(tmp_path / "a.png"), np.rot90(GREY, -1) / 255)


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


def test_with_nothing_to_vary_each_image_comes_once():
    assert np.array_equal(
        augment(IMAGES, 100, rotation=0.0, corners="edge", flips=False, seed=0), IMAGES
    )
    assert len(augment(IMAGES, 2, rotation=0.0, corners="edge", flips=False, seed=0)) == 2
