"""Made images of defects: what the masks hold, what varies and what does not, and how the files are
written.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from aexbench import RequestError, datasets
from aexbench.datasets.defects import layout
from aexbench.datasets.defects.drawing import SIZE, shadow
from aexbench.datasets.defects.samples import CATEGORIES, VISIBLE, sample

KINDS = [(category, damage) for category, made in CATEGORIES.items() for damage in made.damages]
REQUIRED = {
    "crack",
    "hole",
    "print",
    "contamination",
    "bent_lead",
    "cut_lead",
    "misplaced",
    "broken_edge",
}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AEXBENCH_CACHE", str(tmp_path))
    return tmp_path / "defects"


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def grey(image: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(image).convert("L"), dtype=np.float64)


def test_every_kind_of_damage_that_is_asked_for_is_there():
    assert {damage for _, damage in KINDS} >= REQUIRED
    assert get_args(datasets.describe("defects").parameters["category"].annotation) == tuple(
        CATEGORIES
    )


@pytest.mark.parametrize(("category", "damage"), KINDS)
def test_the_mask_is_where_the_sample_differs_from_its_twin(category, damage):
    for number in range(2):
        made = sample(category, damage, number)
        differs = (made.image != made.twin).any(axis=-1)
        if damage == "misplaced":
            assert not (differs & ~made.mask).any()
            assert differs[made.mask].mean() > 0.8
        else:
            assert np.array_equal(differs, made.mask)


@pytest.mark.parametrize(("category", "damage"), KINDS)
def test_damage_has_a_plausible_size_and_shows_in_grey(category, damage):
    least, most = {"misplaced": (0.2, 0.45), "broken_large": (0.03, 0.15)}.get(
        damage, (0.001, 0.08)
    )
    for number in range(3):
        made = sample(category, damage, number, seed=1)
        assert least < made.mask.mean() < most
        change = np.abs(grey(made.image) - grey(made.twin))[made.mask]
        assert change.mean() > 12  # of 255; the noise has a spread of 2
        assert (change >= 255 * VISIBLE / 2).mean() > 0.7


def test_a_misplaced_part_is_masked_where_it_is_and_where_it_should_be():
    draw, damages, _ = CATEGORIES["transistor"]
    place = [0, list(CATEGORIES).index("transistor"), 2 + damages.index("misplaced"), 0]
    scene, marks, _ = np.random.SeedSequence(place).spawn(3)
    here, there = (
        draw(np.random.default_rng(scene), kind, np.random.default_rng(marks)).part
        for kind in ("good", "misplaced")
    )
    mask = sample("transistor", "misplaced", 0).mask
    assert mask[here | there].all()
    assert (here & there).any()
    assert (there & ~here).sum() > 0.2 * here.sum()
    assert (mask & ~(here | there)).sum() < 0.3 * mask.sum()  # the shadows


def test_a_shadow_falls_right_and_down_and_does_not_come_in_at_the_other_side():
    share = np.zeros((SIZE, SIZE), dtype=np.float32)
    share[:, -2] = 1
    assert not shadow(share, (4, 5), 1.0)[:, :128].any()
    share = share.T.copy()
    share[10] = 1
    assert shadow(share, (4, 5), 1.0)[:128].argmax(axis=0).tolist() == [15] * SIZE


def test_a_sample_depends_on_its_own_number_split_and_seed_alone():
    one = sample("hazelnut", "crack", 3)
    sample("bottle", "train", 0)
    assert np.array_equal(sample("hazelnut", "crack", 3).image, one.image)
    for split, number, seed in (("crack", 4, 0), ("cut", 3, 0), ("train", 3, 0), ("crack", 3, 1)):
        other = sample("hazelnut", split, number, seed)
        assert np.abs(grey(other.twin) - grey(one.twin)).mean() > 2


@pytest.mark.parametrize("category", CATEGORIES)
def test_normal_samples_of_a_category_are_alike_and_no_two_the_same(category):
    own = np.stack([sample(category, "train", number).image for number in range(6)]) / 255
    mean = own[:5].mean(axis=0)
    error = ((own[5] - mean) ** 2).mean()
    assert error > 1e-4
    for other in CATEGORIES.keys() - {category}:
        assert ((sample(other, "train", 5).image / 255 - mean) ** 2).mean() > 2.5 * error


def test_the_files_have_the_layout_and_the_names_of_mvtec(tmp_path):
    layout.write(tmp_path / "bottle", "bottle", images=2, per_damage=1, seed=0)
    damages = CATEGORIES["bottle"].damages
    names = {"train/good/000.png", "train/good/001.png", "test/good/000.png"}
    names |= {f"test/{d}/000.png" for d in damages} | {
        f"ground_truth/{d}/000_mask.png" for d in damages
    }
    assert contents(tmp_path / "bottle").keys() == names
    with Image.open(tmp_path / "bottle/test/contamination/000.png") as image:
        assert (image.mode, image.size) == ("RGB", (256, 256))
    with Image.open(tmp_path / "bottle/ground_truth/contamination/000_mask.png") as mask:
        assert np.array_equal(np.asarray(mask) == 255, sample("bottle", "contamination", 0).mask)
        assert set(np.unique(np.asarray(mask))) == {0, 255}


def test_more_images_are_the_same_ones_and_others_and_another_seed_changes_all(tmp_path):
    for name, images, seed in (("few", 1, 0), ("more", 2, 0), ("other", 1, 1)):
        layout.write(tmp_path / name, "tile", images, 1, seed)
    few, more, other = (contents(tmp_path / name) for name in ("few", "more", "other"))
    assert few.items() < more.items()
    assert not few.items() & other.items()


def test_the_data_set_takes_the_road_of_mvtec_and_is_drawn_once(cache, monkeypatch):
    common = {"category": "transistor", "size": 64, "train_samples": 5, "validation_samples": 3}
    made = datasets.create("defects", images=4, per_damage=1, **common)
    assert (len(made.train), len(made.validation), made.test.shape) == (5, 3, (5, 1, 64, 64))
    assert sorted(made.test_kinds) == ["bent_lead", "cut_lead", "damaged_case", "good", "misplaced"]
    assert np.array_equal(made.test_labels, made.test_kinds != "good")
    assert np.array_equal(made.test_truth.any(axis=(1, 2, 3)), made.test_labels)
    monkeypatch.delattr(layout, "write")
    again = datasets.create("defects", images=4, per_damage=1, **common)
    assert np.array_equal(again.test, made.test)
    (folder,) = cache.iterdir()
    real = datasets.create("mvtec", root=folder, corners="mirror", **common)
    assert np.array_equal(real.train, made.train)
    assert np.array_equal(real.test_truth, made.test_truth)


def test_interrupted_writing_leaves_nothing_half(cache, monkeypatch):
    def killed(category, split, number, seed):
        if split != "train":
            raise KeyboardInterrupt
        return sample(category, split, number, seed)

    monkeypatch.setattr(layout, "sample", killed)
    with pytest.raises(KeyboardInterrupt):
        layout.drawn("carpet", 2, 1, 0)
    assert list(cache.iterdir()) == []


def test_what_a_killed_writer_left_is_removed_when_it_is_old(cache):
    old, young = cache / ".old.part", cache / ".young.part"
    for folder in (old, young):
        (folder / "carpet").mkdir(parents=True)
    os.utime(old, (time.time() - 2 * layout.ABANDONED_S,) * 2)
    layout.drawn("carpet", 2, 1, 0)
    assert not old.exists()
    assert young.exists()


def test_each_request_has_a_folder_of_its_own(cache):
    requests = [
        ("carpet", 2, 1, 0),
        ("tile", 2, 1, 0),
        ("carpet", 3, 1, 0),
        ("carpet", 2, 2, 0),
        ("carpet", 2, 1, 1),
    ]
    assert (
        len({layout.drawn(*request) for request in requests})
        == len(requests)
        == len(list(cache.iterdir()))
    )


def test_writers_at_the_same_time_all_get_the_whole_folder(cache):
    with ThreadPoolExecutor(3) as threads:
        folders = list(threads.map(lambda _: layout.drawn("carpet", 3, 1, 0), range(3)))
    assert len(set(folders)) == 1
    assert len(list(cache.iterdir())) == 1
    assert len(contents(folders[0])) == 3 + 1 + 2 * 4


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "defects").write_text("in the way")
    monkeypatch.setenv("AEXBENCH_CACHE", str(tmp_path))
    with pytest.raises(RequestError, match="a file is in its way"):
        datasets.create("defects", images=2, per_damage=1)


@pytest.mark.parametrize(
    ("given", "message"), [({"category": "cable"}, "category='cable'"), ({"images": 1}, "images=1")]
)
def test_wrong_parameters_are_named(given, message):
    with pytest.raises(RequestError, match=message):
        datasets.create("defects", **given)
