"""Which truth each data set holds: what is abnormal, where it came from, or both."""

from __future__ import annotations

import numpy as np
import pytest

from aexbench import Dataset, Features, RequestError, datasets
from tests.datasets.test_mvtec import SMALL, draw, square

MADE = {
    "defects": {"images": 2, "per_damage": 1, "size": 16, "train_samples": 4},
    "perfect-autoencoder": {"rows": 60},
    "sql-workload": {"rows": 400},
}


@pytest.mark.parametrize("name", MADE)
def test_what_code_has_changed_is_symptom_and_cause(name, tmp_path, monkeypatch):
    monkeypatch.setenv("AEXBENCH_CACHE", str(tmp_path))
    assert datasets.create(name, **MADE[name]).test_truth_kind == "both"


@pytest.mark.parametrize("layout", ["train", "normal"])
def test_masks_mark_symptoms(tmp_path, layout):
    folders = {
        "train": ("train/good", "test/cut", "ground_truth/cut"),
        "normal": ("normal", "anomalous", "masks"),
    }
    normal, anomalous, masks = (tmp_path / folder for folder in folders[layout])
    for number in range(20):
        draw(normal / f"{number}.png", 10 + number)
    draw(anomalous / "0.png", 80)
    draw(masks / "0_mask.png", square(8, 0) * 255)
    made = datasets.create("image-folder", path=tmp_path, **SMALL)
    assert made.test_truth.any()
    assert made.test_truth_kind == "symptom"


@pytest.mark.parametrize("kind", ["symptom", "cause", "both"])
def test_a_table_of_your_own_holds_what_you_say(tmp_path, kind):
    rows = "\n".join(f"0.{i},0.5,{int(i > 70)}" for i in range(10, 99))
    (tmp_path / "rows.csv").write_text("a,b,why_a\n" + rows)
    given = {"path": tmp_path / "rows.csv", "truth": "why_"}
    made = datasets.create("file", truth_kind=kind, **given)
    assert made.test_truth_kind == kind
    assert datasets.create("file", **given).test_truth_kind == "symptom"


def test_labels_are_symptoms_unless_said_and_another_kind_is_refused():
    x = np.zeros((5, 2))
    assert Dataset(x, x, x, Features()).test_truth_kind == "symptom"
    assert Dataset(x, x, x, Features(), test_truth_kind="cause").test_truth_kind == "cause"
    with pytest.raises(
        RequestError, match=r"'causes'; did you mean 'cause'\? Known: both, cause, s"
    ):
        Dataset(x, x, x, Features(), test_truth_kind="causes")
