from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from aexbench import AnomalySet, Features, RequestError
from aexbench.board import bars, gallery
from aexbench.components import Component
from aexbench.families import datasets
from aexbench.running.cells import Cell
from aexbench.running.store import SCHEMA, Record, Store, file_info, pack_anomalies
from tests.aexbench.conftest import Cli

PICTURES = np.stack([np.full((3, 2, 4), level, np.float32) for level in (0.1, 0.2)])
PLACES = np.zeros(PICTURES.shape, bool)
PLACES[0, 1, 0, 0] = PLACES[1, 1, 1, 3] = True  # one pixel each, in one channel
ANOMALIES = AnomalySet(
    PICTURES, PLACES, *[np.ones(2)] * 2, np.array(["b", "a"]), np.arange(2), Features()
)


def component(name: str) -> Component:
    return Component(name=name, parameters={}, version="1.1", text=name)


def add(
    store: Store, explainer: str, maps: np.ndarray, control: str = "none", role: str = "explainer"
) -> None:
    cell = Cell(
        dataset=component("data"),
        detector=component("default"),
        corruption=component("labels"),
        explainer=component(explainer),
        control=control,  # type: ignore[arg-type]
    )
    store.write_anomalies(cell.anomaly_key, pack_anomalies(ANOMALIES))
    of_files = {
        "attributions": store.write_attributions(cell.key, maps),
        "anomalies": file_info(store.path("anomalies", cell.anomaly_key)),
    }
    store.write_record(
        Record(
            schema_version=SCHEMA,
            cell=cell,
            state="ok",
            role=role,  # type: ignore[arg-type]
            files=of_files,
        )
    )


def test_a_map_is_the_signed_sum_over_channels_on_the_trained_detector(tmp_path: Path):
    store = Store(tmp_path / "store", create=True)
    maps = np.stack([np.full((2, 2, 4), level) for level in (1.0, -3.0, 0.5)], axis=1)
    add(store, "mine", maps)
    for control in ("initial", "permuted", "loss-ablated"):
        add(store, "mine", maps * 2, control=control)
    add(store, "oracle", maps, role="reference")
    (page,) = gallery._pages(store, [])
    assert list(page.maps) == ["mine"]
    np.testing.assert_array_equal(page.maps["mine"], np.full((2, 2, 4), -1.5))


def test_a_row_shows_a_sample_its_own_maps_and_its_own_truth(tmp_path: Path, monkeypatch):
    shown = []
    monkeypatch.setattr(
        gallery,
        "show",
        lambda axis, values, truth, image: shown.append(
            (round(float(values.max()), 3), np.argwhere(truth).tolist(), image)
        ),
    )
    maps = {"mine": np.stack([np.full((2, 4), 1.0), np.full((2, 4), 2.0)])}
    page = gallery.Page("a page", ANOMALIES, maps)
    gallery._draw(page, tmp_path / "page.png", per_label=1, seed=0)
    assert shown == [
        (0.2, [[1, 3]], True),
        (2.0, [[1, 3]], False),
        (0.1, [[0, 0]], True),
        (1.0, [[0, 0]], False),
    ]


def test_a_colour_picture_keeps_its_rows_and_columns():
    picture, axis = np.random.default_rng(0).random((3, 2, 4)), Mock()
    gallery.show(axis, picture, np.zeros((2, 4), bool), image=True)
    shown = axis.imshow.call_args.args[0]
    assert shown.shape == (2, 4, 3)
    np.testing.assert_array_equal(shown[1, 2], picture[:, 1, 2])


def test_a_map_is_black_at_zero_and_brightest_near_its_greatest_value():
    values, axis = np.stack([-np.arange(1.0, 202.0), np.arange(1.0, 202.0)]), Mock()
    gallery.show(axis, values, np.zeros(values.shape, bool), image=False)
    options = axis.imshow.call_args.kwargs
    assert (options["vmin"], options["vmax"]) == (0.0, pytest.approx(200.0))


def test_columns_and_rows_are_those_that_the_command_asks_for(aexbench_cli, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(gallery, "gallery", lambda *given: asked.append(given) or [])
    store = Store(tmp_path / "store", create=True)
    options = ["-e", "lrp", "-e", "random", "--per-label", 2]
    assert aexbench_cli("gallery", store.root, "--to", tmp_path / "to", *options).code == 0
    assert asked[0][1:] == (tmp_path / "to", ["lrp", "random"], 2)


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
    chosen = gallery.chosen(page.anomalies.label, 2, seed=0)
    assert page.anomalies.label[chosen].tolist() == ["hole", "hole", "print", "print"]


def test_what_cannot_be_drawn_is_said(images, aexbench_cli, tmp_path):
    with pytest.raises(RequestError, match="did you mean 'residual'"):
        gallery.gallery(images, tmp_path, ["resdual"])
    Store(tmp_path / "empty", create=True)
    outcome = aexbench_cli("gallery", tmp_path / "empty", "--to", tmp_path / "none")
    assert outcome.code == 2
    assert "has no attributions that a gallery could show" in outcome.err
    assert not (tmp_path / "none").exists()


def test_rows_of_a_table_are_drawn_as_bars(aexbench_cli, small, tmp_path):
    asked = ["-e", "residual", "-e", "shapley-twin[nsamples=100]", "--no-controls"]
    aexbench_cli("run", small, *asked, "--store", tmp_path / "table")
    outcome = aexbench_cli("gallery", tmp_path / "table", "--to", tmp_path / "pictures")
    assert outcome.code == 0, outcome.err
    store = Store(tmp_path / "table")
    pages = gallery._pages(store, [])
    assert len(list((tmp_path / "pictures").iterdir())) == len(pages)
    assert list(pages[0].rows) == ["residual", "shapley-twin[nsamples=100]"]
    assert pages[0].rows["residual"].error is None
    assert pages[0].rows["shapley-twin[nsamples=100]"].error.max() > 0


def test_the_greatest_bars_stand_above_with_their_whiskers_and_the_truth_in_red():
    """Nine features of ten columns, the last of which has two."""
    x = np.zeros((2, 10), np.float32)
    truth = np.zeros(x.shape, bool)
    truth[0, 0] = truth[1, 9] = True
    features = Features(groups=(0, 1, 2, 3, 4, 5, 6, 7, 8, 8))
    whole = np.ones(2), np.ones(2), np.array(["a", "b"]), np.arange(2), features
    anomalies, axis = AnomalySet(x, truth, *whole), Mock()
    values = np.stack([np.zeros(9), np.arange(9.0)])
    bars.draw(axis, bars.Bars(values, values / 10), 1, anomalies)
    (_, drawn), options = axis.barh.call_args.args, axis.barh.call_args.kwargs
    assert drawn.tolist() == [8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    np.testing.assert_allclose(options["xerr"], 0.196 * drawn)
    assert options["color"] == [bars.TRUE] + [bars.OTHER] * 7
    assert axis.set_yticks.call_args.args[1][:2] == [features.group_names((10,))[8],
                                                    features.group_names((10,))[7]]  # fmt: skip
    bars.draw(axis, bars.Bars(values, None), 1, anomalies)
    assert axis.barh.call_args.kwargs["xerr"] is None
