"""What shapes a result is in its key, and nothing else is."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aexbench import families
from aexbench.running import planning
from aexbench.running.cells import Cell

PARTS = ("dataset", "detector", "corruption", "explainer")


def key(dataset: str) -> str:
    values = {
        "name": "x",
        "datasets": [dataset],
        "corruptions": ["labels"],
        "explainers": ["residual"],
    }
    return planning.plan(planning.from_values(values, "x"))[0].detector_key


def draw(path: Path, grey: int = 9) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8), grey, np.uint8)).save(path)


def test_data_count_by_their_content_wherever_they_lie(tmp_path, monkeypatch):
    for place in ("one", "two/mvtec_ad"):
        draw(tmp_path / place / "bottle" / "train" / "good" / "000.png")
        draw(tmp_path / place / "cable" / "train" / "good" / "000.png")
    first = key(f"mvtec[root={tmp_path}/one]")
    monkeypatch.setenv("AEXBENCH_DATA", str(tmp_path / "two"))
    assert key("mvtec") == first
    (tmp_path / "one" / "bottle" / ".DS_Store").write_text("mine")
    draw(tmp_path / "one" / "cable" / "train" / "good" / "001.png")
    assert key(f"mvtec[root={tmp_path}/one]") == first, (
        "neither strays nor other categories are read"
    )
    assert key(f"mvtec[root={tmp_path}/one,category=cable]") != first
    draw(tmp_path / "one" / "bottle" / "train" / "good" / "000.png", grey=10)
    assert key(f"mvtec[root={tmp_path}/one]") != first


def test_folders_of_images_count_by_their_images(tmp_path):
    draw(tmp_path / "a" / "normal" / "0.png")
    first = key(f"image-folder[path={tmp_path}/a]")
    shutil.move(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b" / "Thumbs.db").write_text("mine")
    assert key(f"image-folder[path={tmp_path}/b]") == first
    draw(tmp_path / "b" / "normal" / "1.png")
    assert key(f"image-folder[path={tmp_path}/b]") != first


def test_a_machine_counts_by_its_own_files(tmp_path, monkeypatch):
    for part in ("train", "test", "test_label", "interpretation_label"):
        for machine in ("1-1", "1-2"):
            path = tmp_path / "ServerMachineDataset" / part / f"machine-{machine}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("0.5\n")
    monkeypatch.setenv("AEXBENCH_DATA", str(tmp_path))
    first, other = key("smd"), key("smd[machine=1-2]")
    assert first != other
    (tmp_path / "ServerMachineDataset" / "train" / "machine-1-1.txt").write_text("0.25\n")
    assert key("smd") != first
    assert key("smd[machine=1-2]") == other


def test_records_share_what_is_the_same_and_nothing_else():
    def read(parameter: object) -> Cell:
        made = {"name": "x", "parameters": {"a": parameter}, "version": "1", "text": "x"}
        return Cell.model_validate(dict.fromkeys(PARTS, made))

    one, same, true, real = read(1), read(1), read(True), read(1.0)
    assert one.dataset is same.dataset
    assert len({cell.key for cell in (one, same, true, real)}) == 3
    assert len({cell.anomaly_key for cell in (one, same, true, real)}) == 3


@pytest.mark.parametrize(
    ("kind", "renamed"), [(True, [False, True]), (False, [True, False]), (None, [True, True])]
)
def test_a_new_version_renames_what_an_autoencoder_may_be_the_default_of(
    kind, renamed, monkeypatch
):
    def versions() -> list[str]:
        return [planning.detector("default", images).version for images in (False, True)]

    before = versions()
    assert before[0] == "1"  # in the keys of results/quickstart
    mlp = families.autoencoders.describe("mlp")
    later = replace(mlp, declaration=replace(mlp.declaration, version=7, images=kind))
    monkeypatch.setitem(families.autoencoders._plugins, "mlp", later)
    assert [one != other for one, other in zip(versions(), before, strict=True)] == renamed


def test_a_suite_of_tables_and_images_asks_each_for_its_own_default():
    suite = {
        "name": "both",
        "datasets": ["wine", "defects[train_samples=4]"],
        "corruptions": ["random"],
        "explainers": ["residual"],
        "metrics": ["recall"],
    }
    cells = planning.plan(planning.from_values(suite, "both"))
    found = {cell.dataset.name: cell.detector.version for cell in cells}
    assert found == {
        "wine": planning.detector("default", images=False).version,
        "defects": planning.detector("default", images=True).version,
    }
