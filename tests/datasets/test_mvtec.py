"""MVTec's layout, on a tiny copy drawn by hand, and on the real bottles where they are."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aexbench import RequestError, datasets
from aexbench.datasets.tools.image_layout import Preparation, from_layout

REAL = Path(__file__).parents[3] / "shared" / "data" / "mvtec_ad"
SMALL = {"size": 16, "train_samples": 30, "validation_samples": 8}


def draw(path: Path, grey: float | np.ndarray, size: tuple[int, int] = (32, 32)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.broadcast_to(np.asarray(grey), size).astype(np.uint8)).save(path)


def square(row: int, column: int, side: int = 8) -> np.ndarray:
    mask = np.zeros((32, 32))
    mask[row : row + side, column : column + side] = 255
    return mask


@pytest.fixture
def root(tmp_path):
    """A category `cube`: training images are grey 10, 11, …; the damage of image NNN is a square in
    its own place.
    """
    cube = tmp_path / "mvtec_anomaly_detection" / "cube"
    for number in range(20):
        draw(cube / "train" / "good" / f"{number:03}.png", 10 + number)
    for number in range(2):
        draw(cube / "test" / "good" / f"{number:03}.png", 100 + number)
    for kind, count in (("crack", 3), ("bent", 2)):
        for number in range(count):
            mask = square(8 * number, 4 if kind == "bent" else 20)
            draw(cube / "test" / kind / f"{number:03}.png", np.where(mask, 250, 50))
            draw(cube / "ground_truth" / kind / f"{number:03}_mask.png", mask)
    for name in ("license.txt", "readme.txt"):
        (cube / name).touch()
    return tmp_path


def cube(root: Path) -> Path:
    return root / "mvtec_anomaly_detection" / "cube"


def make(root: Path, **parameters):
    return datasets.create("mvtec", root=root, category="cube", **SMALL | parameters)


def test_damage_is_the_kind_and_its_mask_the_truth(root, recwarn):
    made = make(root)
    assert made.test_kinds.tolist() == ["bent"] * 2 + ["crack"] * 3 + ["good"] * 2
    assert np.array_equal(made.test_labels, made.test_kinds != "good")
    assert made.test_units.tolist() == list(range(7))
    assert np.array_equal(made.test_truth, made.test_truth & made.test_labels[:, None, None, None])
    for number, column in [(0, 2), (1, 2), (2, 10), (3, 10), (4, 10)]:
        expected = np.zeros((16, 16), dtype=bool)
        row = 4 * (number if number < 2 else number - 2)
        expected[row : row + 4, column : column + 4] = True
        assert np.array_equal(made.test_truth[number, 0], expected)
        assert (
            made.test[number, 0][expected].min() > 0.6 > 0.4 > made.test[number, 0][~expected].max()
        )
    assert made.test[5:].std(axis=(1, 2, 3)) == pytest.approx(0, abs=1e-6)
    assert not recwarn.list


def test_a_tenth_is_for_validation_and_no_image_is_on_both_sides(root):
    made = make(root, train_samples=90, validation_samples=30)
    assert made.train.shape == (90, 1, 16, 16)
    assert made.validation.shape == (30, 1, 16, 16)
    assert made.train.dtype == made.validation.dtype == made.test.dtype == np.float32
    train, validation = (
        {round(float(v) * 255) for v in part.mean(axis=(1, 2, 3))}
        for part in (made.train, made.validation)
    )
    assert (len(train), len(validation)) == (
        18,
        2,
    )  # flat images keep their grey when they are rotated
    assert train | validation == set(range(10, 30))


def test_fewer_samples_are_the_first_of_more_and_the_seed_decides(root):
    more, fewer, other = (
        make(root),
        make(root, train_samples=5, validation_samples=3),
        make(root, seed=1),
    )
    assert np.array_equal(fewer.train, more.train[:5])
    assert np.array_equal(fewer.validation, more.validation[:3])
    assert not np.array_equal(other.train, more.train)
    assert np.array_equal(other.test, more.test)
    assert np.array_equal(make(root).train, more.train)


@pytest.mark.parametrize("name", ["mvtec", "image-folder"])
def test_rotation_corners_and_flips_shape_the_samples(root, name):
    for path in (cube(root) / "train" / "good").iterdir():
        draw(path, 50 + square(2, 2) / 2)
    place = {"root": root, "category": "cube"} if name == "mvtec" else {"path": cube(root)}

    def train(**parameters):
        return datasets.create(name, **place, **SMALL | parameters)

    flipped, plain = train(rotation=0), train(rotation=0, flips=False)
    assert len(plain.train) == 18
    assert np.array_equal(np.unique(plain.train, axis=0), plain.train[:1])
    assert len(np.unique(flipped.train, axis=0)) == 4
    assert (
        len(np.unique(train().train, axis=0))
        == len(np.unique(train(flips=False).train, axis=0))
        == 30
    )
    assert not np.array_equal(train(rotation=90).train, train(rotation=90, corners="mirror").train)
    assert not np.array_equal(train().train, train(rotation=20).train)
    assert not np.array_equal(
        train().train, train(seed=1).train
    )  # with equal images: the augmentation's seed
    assert not np.array_equal(train().train[:8], train().validation)


def test_the_layout_by_itself_gives_what_mvtec_gives(root):
    one, other = make(root, seed=3), from_layout(cube(root), Preparation(seed=3, **SMALL))
    for part in ("train", "validation", "test", "test_truth", "test_kinds"):
        assert np.array_equal(getattr(one, part), getattr(other, part))
    assert one.autoencoder == "conv"
    assert make(root, autoencoder="unet").autoencoder == "unet"


def test_the_folder_may_be_named_at_every_level(root, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(root / "nothing"))
    expected = make(root).train
    for place in (root / "mvtec_anomaly_detection", cube(root)):
        assert np.array_equal(make(place).train, expected)
    (root / "mvtec_anomaly_detection").rename(root / "mvtec_ad")
    monkeypatch.setenv("AEXBENCH_DATA", str(root))
    assert np.array_equal(make(None).train, expected)
    monkeypatch.chdir(root / "mvtec_ad" / "cube")
    assert np.array_equal(make(Path()).train, expected)
    monkeypatch.delenv("AEXBENCH_DATA")
    with pytest.raises(RequestError, match="give root=FOLDER, or set AEXBENCH_DATA"):
        make(None)


def test_another_category_is_told_which_there_are(root):
    (root / "mvtec_anomaly_detection" / "cone" / "train").mkdir(parents=True)
    for place in (root, root / "mvtec_anomaly_detection"):
        with pytest.raises(RequestError, match=r"unknown category 'bottle'.* Known: cone, cube"):
            datasets.create("mvtec", root=place)
    with pytest.raises(RequestError, match="Known: cube"):
        datasets.create("mvtec", root=cube(root))
    with pytest.raises(RequestError, match="holds no bottle"):
        datasets.create("mvtec", root=root / "nowhere")


def damage(cube: Path, what: str) -> None:
    """Damage the hand-made copy in one way."""
    crack, masks = cube / "test" / "crack", cube / "ground_truth" / "crack"
    match what:
        case "a mask is missing":
            (masks / "001_mask.png").unlink()
        case "no masks":
            shutil.rmtree(cube / "ground_truth")
        case "a mask too many":
            draw(masks / "003_mask.png", 255)
        case "masks of no damage":
            draw(cube / "ground_truth" / "hole" / "000_mask.png", 255)
        case "a mask of another size":
            draw(masks / "001_mask.png", 255, (16, 16))
        case "two masks":
            draw(masks / "001_mask.bmp", 255)
        case "an image is cut off":
            (crack / "001.png").write_bytes((crack / "001.png").read_bytes()[:60])
        case "a mask is none":
            (masks / "001_mask.png").write_text("no image")
        case "an empty kind":
            (cube / "test" / "hole").mkdir()
        case "no training images":
            shutil.rmtree(cube / "train" / "good")
        case "an empty training folder":
            shutil.rmtree(cube / "train" / "good")
            (cube / "train" / "good").mkdir()
        case "one training image":
            for path in sorted((cube / "train" / "good").iterdir())[1:]:
                path.unlink()
        case "no test":
            shutil.rmtree(cube / "test")
        case "an empty test":
            shutil.rmtree(cube / "test")
            (cube / "test").mkdir()
        case "a file for a folder":
            shutil.rmtree(cube / "train" / "good")
            (cube / "train" / "good").touch()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("a mask is missing", r"crack/001_mask\.png: the mask of .*test/crack/001\.png is missing"),
        ("no masks", r"bent/000_mask\.png: the mask of .*test/bent/000\.png is missing"),
        (
            "a mask too many",
            r"crack/003_mask\.png: a mask, and .*test/crack has no image of its name",
        ),
        (
            "masks of no damage",
            r"ground_truth/hole: masks of a damage of which there is no folder .*test/hole",
        ),
        ("a mask of another size", r"crack/001_mask\.png: 16 × 16 pixels, not 32 × 32"),
        ("two masks", r"crack/001_mask\.png: it and 001_mask\.bmp are masks of one image"),
        ("an image is cut off", r"test/crack/001\.png: cannot be read as an image"),
        ("a mask is none", r"crack/001_mask\.png: cannot be read as an image"),
        ("an empty kind", r"test/hole: holds no image"),
        ("no training images", r"there is no folder .*train/good"),
        ("an empty training folder", r"train/good: holds no image"),
        ("one training image", r"train/good: 1 image to train from: at least 2"),
        ("no test", r"there is no folder .*test"),
        ("an empty test", r"test: holds no folder of images"),
        ("a file for a folder", r"train/good: cannot be read as a folder"),
    ],
)
def test_what_is_missing_or_damaged_is_named_in_one_line(root, what, message):
    damage(cube(root), what)
    with pytest.raises(RequestError, match=message) as caught:
        make(root)
    assert "\n" not in str(caught.value)


def test_stray_files_are_left_out_with_one_warning(root):
    expected = make(root)
    strays = [
        "train/good/.DS_Store",
        "train/good/._000.png",
        "test/Thumbs.db",
        "test/crack/notes.txt",
    ]
    strays += ["test/.cache/000.png", "train/good/old/000.png", "ground_truth/bent/a.txt"]
    for name in strays:
        (cube(root) / name).parent.mkdir(exist_ok=True)
        (cube(root) / name).touch()
    with pytest.warns(
        UserWarning, match=f"left out {len(strays)} that are no images of it: "
    ) as caught:
        made = make(root)
    assert len(caught) == 1
    assert np.array_equal(made.train, expected.train)
    assert np.array_equal(made.test_truth, expected.test_truth)


def test_a_mask_that_marks_nothing_is_warned_of(root):
    draw(cube(root) / "ground_truth" / "bent" / "000_mask.png", 0)
    with pytest.warns(
        UserWarning, match=r"1 masks mark nothing, the first is .*bent/000_mask\.png"
    ):
        made = make(root)
    assert made.test_labels[0]
    assert not made.test_truth[0].any()


def test_masks_may_be_of_zeros_and_ones_or_coloured(root):
    expected = make(root).test_truth
    draw(cube(root) / "ground_truth" / "bent" / "000_mask.png", square(0, 4) > 0)
    coloured = np.zeros((32, 32, 3), dtype=np.uint8)
    coloured[square(8, 4) > 0, 2] = 200
    Image.fromarray(coloured).save(cube(root) / "ground_truth" / "bent" / "001_mask.png")
    assert np.array_equal(make(root).test_truth, expected)


def test_images_of_other_sizes_are_resized_like_all_and_masks_follow_their_own_image(root):
    expected = make(root)
    draw(cube(root) / "train" / "good" / "007.png", 17, (40, 64))
    larger = np.kron(square(0, 20), np.ones((2, 3)))
    draw(cube(root) / "test" / "crack" / "000.png", np.where(larger, 250, 50), larger.shape)
    draw(cube(root) / "ground_truth" / "crack" / "000_mask.png", larger, larger.shape)
    made = make(root)
    assert np.allclose(made.train, expected.train, atol=1e-6)  # flat: as large as any
    assert np.array_equal(made.test_truth, expected.test_truth)
    draw(cube(root) / "ground_truth" / "crack" / "000_mask.png", square(0, 20))
    with pytest.raises(
        RequestError, match=r"000_mask\.png: 32 × 32 pixels, not 96 × 64 as its image"
    ):
        make(root)


def test_masks_may_have_another_format_than_png_such_as_floats(root):
    expected = make(root).test_truth
    masks = cube(root) / "ground_truth" / "bent"
    (masks / "000_mask.png").unlink()
    Image.fromarray((square(0, 4) / 1e6).astype(np.float32)).save(masks / "000_mask.tiff")
    assert np.array_equal(make(root).test_truth, expected)


def test_soft_masks_are_warned_of_once_with_the_file_and_counts(root):
    for number in range(2):
        path = cube(root) / "ground_truth" / "bent" / f"{number:03}_mask.png"
        image = Image.fromarray(square(8 * number, 4).astype(np.uint8))
        image.resize((64, 64)).resize((32, 32), Image.Resampling.LANCZOS).save(path)
    with pytest.warns(UserWarning, match="soft edges") as caught:
        made = make(root)
    assert len(caught) == 1
    text = str(caught[0].message)
    assert text.startswith("2 masks have soft edges")
    full = np.asarray(Image.open(cube(root) / "ground_truth" / "bent" / "000_mask.png"))
    marks = full[full > 0]
    faint = (marks < marks.max() / 2).sum()
    assert faint > 0
    assert f"000_mask.png, with {marks.size} such pixels of {len(set(marks))} values, " in text
    assert f", {faint} of them below half" in text
    assert made.test_truth[0].sum() >= 16  # nothing is cut off


def test_a_mask_of_most_of_an_image_is_warned_of(root):
    path = cube(root) / "ground_truth" / "bent" / "001_mask.png"
    draw(path, 255 - square(8, 4))
    with pytest.warns(
        UserWarning, match=r"1 masks mark more than half .* first is .*001_mask\.png \(94%\): inv"
    ) as caught:
        made = make(root)
    assert len(caught) == 1
    assert made.test_truth[1].mean() > 0.9
    draw(path, np.repeat([255, 0], 16)[:, None])  # half
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make(root)


@pytest.mark.parametrize("quality", [50, 70, 75, 90])
@pytest.mark.parametrize("edge", [8, 10])  # on the grid of JPEG's blocks, and across it
def test_jpeg_is_named_where_it_makes_the_ground_of_a_mask_nearly_black(root, quality, edge):
    masks = cube(root) / "ground_truth" / "bent"
    (masks / "001_mask.png").unlink()
    mask = Image.fromarray(square(edge, edge, 10 if edge % 8 else 8).astype(np.uint8))
    mask.save(masks / "001_mask.jpg", quality=quality)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        share = make(root).test_truth[1].mean()
    said = " ".join(str(one.message) for one in caught)
    assert "inverted" not in said
    assert share < 0.3 or "nearly black, as JPEG leaves it: save masks as PNG" in said


def test_a_mask_with_values_of_its_own_is_not_taken_for_jpeg_s(root):
    path = cube(root) / "ground_truth" / "bent" / "001_mask.png"
    draw(path, 1 + (square(8, 4) > 0))  # 1 is the ground, 2 the damage
    with pytest.warns(UserWarning, match=r"001_mask\.png \(100%\): inverted"):
        make(root)


def turned(path: Path, orientation: int, size: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.full(size, 70, dtype=np.uint8)).save(path, exif=exif)


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("side", [32, 48])
def test_a_mask_that_was_not_turned_as_its_image_is_warned_of(root, orientation, side):
    image = cube(root) / "test" / "bent" / "001.png"
    mask = cube(root) / "ground_truth" / "bent" / "001_mask.png"
    stored = (32, side)
    upright = stored[::-1] if orientation > 4 else stored
    turned(image, orientation, stored)
    draw(mask, np.resize(square(8, 4) > 0, upright), upright)
    if side == 48 and orientation > 4:  # with another shape it would be refused
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            make(root)
    else:
        with pytest.warns(
            UserWarning, match=r"1 masks have another EXIF orientation .*001_mask\.png: .*upright"
        ):
            make(root)
    exif = Image.Exif()
    exif[0x0112] = orientation
    half = np.zeros(stored, dtype=np.uint8)
    half[:8] = 255
    Image.fromarray(half).save(mask, exif=exif)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make(root)


def deepen(paths: list[Path], factor: int) -> None:
    for path in paths:
        grey = np.asarray(Image.open(path)).astype(np.uint16)
        Image.fromarray(grey * factor).save(path)


def test_images_of_16_bits_of_which_few_are_used_are_warned_of(root):
    images = sorted(cube(root).glob("t*/*/*.png"))
    expected = make(root)
    deepen(images, 16)  # 12 bits
    with pytest.warns(UserWarning, match="brightest grey of 27 images .* is 4000 of 65535, as"):
        made = make(root)
    assert np.allclose(made.train * 65535 / 16, expected.train * 255, atol=0.1)
    deepen(images, 16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make(root)


def test_images_of_several_depths_are_warned_of_once(root):
    deepen(sorted((cube(root) / "train" / "good").glob("00*.png")), 257)
    with pytest.warns(UserWarning, match=r"10 of 27 images have 16 bits a channel") as caught:
        make(root)
    assert len(caught) == 1


def test_masks_beside_images_are_no_images(root):
    expected = make(root)
    for number in range(2):
        draw(cube(root) / "test" / "bent" / f"{number:03}_mask.png", square(8 * number, 4))
        draw(cube(root) / "test" / "good" / f"{number:03}-GT.bmp", 0)
    with pytest.warns(
        UserWarning, match=r"left out 4 .*bent/000_mask\.png.*; masks are read from a folder"
    ):
        made = make(root)
    assert made.test_kinds.tolist() == expected.test_kinds.tolist()
    assert np.array_equal(made.test, expected.test)
    assert np.array_equal(made.test_truth, expected.test_truth)


def test_parameters_out_of_range_are_refused(root):
    for wrong in (
        {"rotation": 181},
        {"rotation": -1},
        {"train_samples": 0},
        {"size": 0},
        {"corners": "black"},
    ):
        with pytest.raises(RequestError, match=next(iter(wrong))):
            make(root, **wrong)


@pytest.mark.skipif(not REAL.exists(), reason="the real images are not here")
def test_real_bottles():
    made = datasets.create("mvtec", root=REAL.parent, train_samples=20, validation_samples=10)
    assert made.test.shape == (83, 1, 128, 128)
    kinds, counts = np.unique(made.test_kinds, return_counts=True)
    assert dict(zip(kinds.tolist(), counts.tolist(), strict=True)) == {
        "broken_large": 20,
        "broken_small": 22,
        "contamination": 21,
        "good": 20,
    }
    areas = made.test_truth.mean(axis=(1, 2, 3))
    assert np.array_equal(areas > 0, made.test_labels)
    masks = sorted((REAL / "bottle" / "ground_truth").glob("*/*.png"))
    full = np.array([(np.asarray(Image.open(path)) > 0).mean() for path in masks])
    assert np.allclose(areas[made.test_labels], full, rtol=0.2)  # threads of two pixels gain most
    damaged = made.test[made.test_labels]
    normal = np.median(made.test[~made.test_labels], axis=0)
    inside = made.test_truth[made.test_labels]
    ratio = np.abs(damaged - normal)[inside].mean() / np.abs(damaged - normal)[~inside].mean()
    assert ratio > 3  # the masks lie where the images differ from normal ones
