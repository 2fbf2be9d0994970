"""Images of one's own, in each of the layouts that are taken."""

from __future__ import annotations

import numpy as np
import pytest

from aexbench import RequestError, datasets
from tests.datasets.test_mvtec import SMALL, draw, square


def make(path, **parameters):
    return datasets.create("image-folder", path=path, **SMALL | parameters)


def greys(part):
    return {round(float(v) * 255) for v in part.mean(axis=(1, 2, 3))}


@pytest.fixture
def normal(tmp_path):
    for number in range(20):
        draw(tmp_path / "normal" / f"{number}.bmp", 10 + number)
    return tmp_path


def test_normal_images_alone_are_divided_and_nothing_is_labelled(normal):
    made, plain = make(normal), make(normal / "normal")
    for one in (made, plain):
        assert (len(greys(one.train)), len(greys(one.validation)), len(one.test)) == (14, 2, 4)
        assert greys(one.train) | greys(one.validation) | greys(one.test) == set(range(10, 30))
        assert one.test_labels is None
        assert one.test_truth is None
    assert np.array_equal(made.train, plain.train)
    assert not np.array_equal(make(normal, seed=1).test, made.test)


def test_anomalous_images_go_to_the_test_and_masks_are_their_truth(normal):
    for number in range(2):
        draw(normal / "anomalous" / f"x{number}.jpg", np.where(square(8 * number, 0), 200, 50))
    unmarked = make(normal)
    assert unmarked.test_truth is None
    assert unmarked.test_kinds.tolist() == ["good"] * 4 + ["anomalous"] * 2
    for number in range(2):
        draw(normal / "masks" / f"x{number}_mask.png", square(8 * number, 0))
    made = make(normal)
    assert made.test_labels.tolist() == [False] * 4 + [True] * 2
    assert np.array_equal(made.test_truth[4:, 0], (made.test[4:, 0] > 0.5))
    assert made.test_truth.sum(axis=(1, 2, 3)).tolist() == [0] * 4 + [16] * 2
    assert np.array_equal(made.test, unmarked.test)


def test_two_images_do_not_share_a_mask(normal):
    for name in ("0.jpg", "0.png"):
        draw(normal / "anomalous" / name, 90)
    make(normal)
    draw(normal / "masks" / "0_mask.png", square(0, 0))
    with pytest.raises(RequestError, match=r"0\.png: it and 0\.jpg would share one mask"):
        make(normal)


def test_the_layout_of_mvtec_is_known(tmp_path):
    for number in range(5):
        draw(tmp_path / "train" / "good" / f"{number}.png", 40 + number)
    draw(tmp_path / "test" / "good" / "0.png", 40)
    draw(tmp_path / "test" / "dent" / "0.png", 90)
    draw(tmp_path / "ground_truth" / "dent" / "0_mask.png", square(0, 0))
    made = make(tmp_path)
    assert made.test_kinds.tolist() == ["dent", "good"]
    assert made.test_truth.sum() == 16


def test_images_of_many_sizes_are_taken(normal):
    same = make(normal)
    for number in range(0, 20, 3):
        draw(normal / "normal" / f"{number}.bmp", 10 + number, (32 + number, 70 - number))
    made = make(normal)
    for part in ("train", "validation", "test"):  # each is flat: its size shows in nothing
        assert np.allclose(getattr(made, part), getattr(same, part), atol=1e-6)


@pytest.mark.parametrize("name", ["{}_mask.png", "{}-mask.bmp", "{}_GT.png", "mask_{}.png"])
def test_masks_beside_images_are_not_trained_on(normal, name):
    expected = make(normal)
    for number in range(21):  # the last one's image is not there
        draw(normal / "normal" / name.format(number), 0)
    with pytest.warns(UserWarning, match=r"left out 21 .*; masks are read from a folder"):
        made = make(normal)
    assert np.array_equal(made.train, expected.train)
    assert np.array_equal(made.test, expected.test)


def test_names_like_masks_without_images_of_theirs_are_images(tmp_path):
    for number in range(10):
        draw(tmp_path / f"{number}_with_mask.png", 10 + number)
    made = make(tmp_path)
    assert greys(made.train) | greys(made.validation) | greys(made.test) == set(range(10, 20))


def test_masks_of_anomalous_images_lie_beside_them_or_in_their_folder(normal):
    for number in range(2):
        draw(normal / "anomalous" / f"x{number}.png", np.where(square(8 * number, 0), 200, 50))
        draw(normal / "anomalous" / f"x{number}_mask.png", square(8 * number, 0))
    with pytest.warns(UserWarning, match="left out 2"):
        made = make(normal)
    assert made.test_kinds.tolist() == ["good"] * 4 + ["anomalous"] * 2
    assert made.test_truth is None
    (normal / "masks").mkdir()
    for number in range(2):
        (normal / "anomalous" / f"x{number}_mask.png").rename(
            normal / "masks" / f"x{number}_mask.png"
        )
    assert make(normal).test_truth.sum() == 32


@pytest.mark.parametrize("name", ["x{}m", "x{}-truth", "bw_x{}"])
@pytest.mark.parametrize("form", ["png", "jpg"])
def test_masks_beside_images_under_other_names_are_asked_about(normal, name, form):
    for number in range(2):
        shades = np.linspace(40, 60, 32)[:, None] * np.ones(32)
        draw(normal / "anomalous" / f"x{number}.png", np.where(square(8 * number, 0), 200, shades))
        draw(normal / "anomalous" / f"{name.format(number)}.{form}", square(8 * number, 0))
    with pytest.warns(
        UserWarning, match=r"2 images are black and white alone, .*: if they are masks"
    ):
        made = make(normal)
    assert made.test_labels.sum() == 4


@pytest.mark.filterwarnings("error")
def test_black_and_white_images_are_no_masks_without_others_of_their_names(normal):
    for name in ("x1", "x12", "x1m"):  # all are black and white
        draw(normal / "anomalous" / f"{name}.png", square(8, 0))
    draw(normal / "anomalous" / "y.png", np.arange(32) * np.ones((32, 1)))
    make(normal)


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_images_to_divide(tmp_path, count):
    for number in range(count):
        draw(tmp_path / f"{number}.png", 10)
    with pytest.raises(RequestError, match=f"{count} normal images: at least 3 are needed"):
        make(tmp_path)


def test_folders_that_are_missing_empty_or_left_over(normal, tmp_path):
    with pytest.raises(RequestError, match=r"there is no folder .*nowhere"):
        make(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match="empty: holds no image"):
        make(tmp_path / "empty")
    draw(normal / "masks" / "0_mask.png", 255)
    with pytest.raises(RequestError, match="masks, and there is no folder anomalous"):
        make(normal)
    draw(normal / "anomalous" / "1.png", 255)
    with pytest.raises(RequestError, match=r"1_mask\.png: the mask of .*1\.png is missing"):
        make(normal)
    (normal / "normal").rename(normal / "other")
    with pytest.raises(RequestError, match=r"there is no folder .*normal"):
        make(normal)


def test_what_is_no_image_is_left_out_with_one_warning(normal):
    (normal / "readme.md").touch()
    (normal / "normal" / "Thumbs.db").touch()
    with pytest.warns(
        UserWarning, match=r"left out 2 that are no images of it: readme.md, normal/Thumbs.db"
    ):
        make(normal)
