from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from aexbench import RequestError
from aexbench.board import gallery
from aexbench.families import datasets
from aexbench.running.store import Store
from tests.aexbench.conftest import Cli


@pytest.fixture
def images(aexbench_cli: Cli, tmp_path) -> Store:
    """A store of 16 × 16 images with a bright square as damage."""

    def squares(*, seed: int = 0):
        from aexbench import Dataset, Features

        rng = np.random.default_rng(seed)
        x = np.clip(
            rng.random((90, 1, 1, 1)) * 0.5 + 0.2 + 0.02 * rng.random((90, 1, 16, 16)), 0, 1
        ).astype(np.float32)
        truth = np.zeros(x[60:].shape, bool)
        truth[:20, :, 4:8, 6:10] = True
        x[60:][truth] = 1.0
        kinds = np.array(["print"] * 10 + ["hole"] * 10 + ["good"] * 10)
        text = "conv-transpose[channels=[4, 4],epochs=20,learning_rate=0.02]"
        return Dataset(
            x[:40],
            x[40:60],
            x[60:],
            Features(),
            truth.any(axis=(1, 2, 3)),
            truth,
            text,
            test_kinds=kinds,
        )

    datasets.register("squares")(squares)
    options = [
        "-d",
        "squares",
        "-c",
        "labels",
        "-e",
        "residual",
        "-e",
        "lrp",
        "-e",
        "random",
        "--no-controls",
        "--seeds",
        1,
    ]
    assert aexbench_cli("run", *options, "--store", tmp_path / "store").code == 0
    return Store(tmp_path / "store")


def test_a_gallery_shows_every_damage_and_every_explainer(images, aexbench_cli, tmp_path):
    outcome = aexbench_cli("gallery", images.root, "--to", tmp_path / "pictures", "--per-label", 2)
    assert outcome.code == 0, outcome.err
    (path,) = sorted((tmp_path / "pictures").iterdir())
    assert outcome.out.strip() == str(path)
    wide = np.asarray(Image.open(path).convert("L"))
    (path,) = gallery.gallery(images, tmp_path / "less", ["residual"], per_label=1)
    narrow = np.asarray(Image.open(path).convert("L"))
    assert wide.shape[0] > 1.5 * narrow.shape[0], "four rows against two"
    assert wide.shape[1] == 2 * narrow.shape[1], "four columns against two"
    assert wide.std() > 20


def test_the_page_holds_the_maps_that_are_stored(images):
    (page,) = gallery._pages(images, ["lrp", "residual"])
    assert list(page.maps) == ["lrp", "residual"]
    record = next(r for r in images.records()[0] if r.cell.explainer.name == "residual")
    np.testing.assert_array_equal(page.maps["residual"], images.read_attributions(record)[:, 0])
    chosen = gallery._chosen(page.anomalies.label, 2, seed=0)
    assert page.anomalies.label[chosen].tolist() == ["hole", "hole", "print", "print"]


def test_what_cannot_be_drawn_is_said(images, aexbench_cli, small, tmp_path):
    with pytest.raises(RequestError, match="did you mean 'residual'"):
        gallery.gallery(images, tmp_path, ["resdual"])
    aexbench_cli("run", small, "-e", "residual", "--no-controls", "--store", tmp_path / "table")
    outcome = aexbench_cli("gallery", tmp_path / "table", "--to", tmp_path / "none")
    assert outcome.code == 2
    assert "a gallery shows images" in outcome.err
    assert not (tmp_path / "none").exists()
