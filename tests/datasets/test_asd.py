"""The layout of the Application Server Dataset, on a tiny copy made by hand, and on the real one
where it is.
"""

from __future__ import annotations

import os
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest

from aexbench import Detector, RequestError, datasets
from aexbench.components import component
from aexbench.families import FAMILIES
from aexbench.running import references
from tests.conftest import mlp

SHARED = Path(__file__).parents[3] / "shared" / "data"
TYPES = "dataset,anomaly_segment,anomaly_type\nomi-2,2-3,metric\nomi-3,2-3,temporal\n"


def put(root: Path, part: str, array: np.ndarray, entity: str = "omi-2") -> None:
    """Write an array as the publishers did: protocol 3, by an older NumPy."""
    path = root / "InterFusion" / "data" / "processed" / f"{entity}_{part}.pkl"
    text = pickle.dumps(array, protocol=3)
    path.write_bytes(text.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))


def say(root: Path, text: str, name: str = "omi-2.txt") -> None:
    (root / "InterFusion" / "data" / "interpretation_label" / name).write_text(text)


@pytest.fixture
def root(tmp_path):
    for folder in ("processed", "interpretation_label"):
        (tmp_path / "InterFusion" / "data" / folder).mkdir(parents=True)
    rows = np.linspace(0, 1, 30, dtype=np.float32).reshape(10, 3)
    put(tmp_path, "train", rows)
    put(tmp_path, "test", rows[1:9])
    put(tmp_path, "test_label", np.array([0, 0, 1, 1, 0, 0, 1, 0], dtype=np.float64))
    say(tmp_path, "2-3:1,3\n6-6:2")
    return tmp_path


def make(root: Path, **given: object):
    return datasets.create("asd", root=root, entity="omi-2", **given)


def test_rows_count_from_zero_features_from_one_and_the_last_row_belongs_to_the_segment(root):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = make(root)
    assert (made.train.shape, made.validation.shape, made.test.shape) == ((8, 3), (2, 3), (8, 3))
    assert made.features.names == ("feature-1", "feature-2", "feature-3")
    truth = np.zeros((8, 3), dtype=bool)
    truth[2:4, [0, 2]], truth[6, 1] = True, True
    assert np.array_equal(made.test_truth, truth)
    assert made.test_labels.tolist() == [0, 0, 1, 1, 0, 0, 1, 0]
    assert made.test_units.tolist() == [0, 1, 2, 2, 4, 5, 6, 7]
    assert made.test_truth_kind == "symptom"
    assert made.test_kinds is None


def test_values_are_as_published(root):
    made = make(root)
    rows = np.linspace(0, 1, 30, dtype=np.float32).reshape(10, 3)
    np.testing.assert_array_equal(np.concatenate([made.train, made.validation]), rows)
    np.testing.assert_array_equal(made.test, rows[1:9])


def test_a_segment_has_the_kind_that_its_publishers_name(root):
    say(root, TYPES, "anomaly_type.txt")
    made = make(root)
    expected = ["normal", "normal", "metric", "metric", "normal", "normal", "unknown", "normal"]
    assert made.test_kinds.tolist() == expected
    detector = Detector(mlp((3, 2, 3), ("tanh", "identity")).float()).calibrate(made.test)
    anomalies = references.labelled_anomalies(made, detector)
    assert anomalies.label.tolist() == ["metric", "metric", "unknown"]
    assert anomalies.unit.tolist() == [2, 2, 6]


@pytest.mark.parametrize("text", ["a,b\nomi-2,2-3\n", "a,b,c\nomi-2 2-3 metric\n"])
def test_kinds_that_cannot_be_read_are_named(root, text):
    say(root, text, "anomaly_type.txt")
    with pytest.raises(RequestError, match=r"anomaly_type\.txt: each line must be dataset,anomaly"):
        make(root)


@pytest.mark.parametrize("start", [".", "InterFusion", "InterFusion/data"])
def test_it_is_found_from_each_folder_of_its_publishers(root, start, monkeypatch):
    monkeypatch.setenv("AEXBENCH_DATA", str(root / start))
    assert len(datasets.create("asd", entity="omi-2").test) == 8


def test_where_it_is_not_it_says_who_publishes_it(tmp_path, home):
    said = "give root=FOLDER.*holds InterFusion/data; it is published at https://github.com/zhh"
    for given in ({}, {"root": tmp_path}):
        with pytest.raises(RequestError, match=said):
            datasets.create("asd", **given)


def test_another_entity_is_told_which_there_are(root):
    with pytest.raises(RequestError, match=r"no .*omi-9_train\.pkl; the entities here are: omi-2$"):
        datasets.create("asd", root=root, entity="omi-9")


def test_a_result_is_named_by_the_contents_of_the_entity_s_files(root):
    def key() -> str:
        given = {"name": "asd", "entity": "omi-2", "root": root}
        return component(FAMILIES["datasets"], given).key

    seen = [key()]
    put(root, "train", np.zeros((10, 3), np.float32), "omi-3")
    assert key() == seen[0]
    for change in (
        lambda: put(root, "train", np.full((10, 3), 0.5, np.float32)),
        lambda: put(root, "test_label", np.zeros(8)),
        lambda: say(root, "2-4:1"),
        lambda: say(root, TYPES, "anomaly_type.txt"),
    ):
        change()
        seen.append(key())
    assert len(set(seen)) == 5


class Hostile:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("part", ["train", "test", "test_label"])
def test_a_hostile_file_is_not_run(root, tmp_path, part):
    mark = tmp_path / "mark"
    path = root / "InterFusion" / "data" / "processed" / f"omi-2_{part}.pkl"
    path.write_bytes(pickle.dumps(Hostile(mark)))
    with pytest.raises(RequestError, match=rf"omi-2_{part}\.pkl: not the pickle of an array"):
        make(root)
    assert not mark.exists()


FLAT = np.zeros(8, np.float32)


@pytest.mark.parametrize(
    ("part", "array", "message"),
    [
        ("train", FLAT, r"rows of features are needed; it holds \(8,\)"),
        ("train", np.zeros((0, 3), np.float32), "it is empty"),
        ("train", np.zeros((10, 2), np.float32), "the files of omi-2 do not fit"),
        ("test", np.zeros((7, 3), np.float32), "the files of omi-2 do not fit"),
        ("test", np.where(np.eye(8, 3) > 0, np.nan, 0.5), "nan in row 1, column 1 .3 such values"),
        ("test", np.full((8, 3), 1e300), "not every value is a finite number: 1e.300 in row 1"),
        ("test_label", np.array([0, 0, 1, -1, 0, 0, 0, 0.0]), "0 or 1: row 4 holds -1 .1 such"),
        ("test_label", np.array([0, 0, 1, np.nan, 0, 0, 0, 0]), "0 or 1: row 4 holds nan"),
        ("test_label", np.zeros((8, 1)), "the files of omi-2 do not fit"),
    ],
)
def test_damaged_files_are_named_with_what_is_wrong(root, part, array, message):
    put(root, part, array)
    with pytest.raises(RequestError, match=message) as caught:
        make(root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3-2:1", "line 1: the last row of a segment must not lie before its first"),
        ("2-3:1 6-8:2", "line 2: .* all within 8 rows and 3 features: '6-8:2'"),
        ("2-3:0", "line 1: .* all within"),
        ("2-3:4", "line 1: .* all within"),
        ("2-3", "line 1: not first-last:feature"),
    ],
)
def test_damaged_segments_are_named(root, text, message):
    say(root, text)
    with pytest.raises(RequestError, match=message):
        make(root)


def test_labelled_rows_without_features_are_said_and_have_no_truth(root):
    say(root, "2-3:1,3")
    with pytest.warns(UserWarning, match=r"omi-2: 1 rows are labelled 1, .* no feature .*line 7"):
        made = make(root)
    assert made.test_labels[6]
    assert not made.test_truth[6].any()
    put(root, "test_label", np.array([0, 0, 1, 0, 0, 0, 0, 0.0]))
    with pytest.warns(UserWarning, match=r"1 rows have features .* labelled 0 .first: line 4"):
        make(root)


def test_values_that_are_not_scaled_are_said(root):
    put(root, "train", np.full((10, 3), 7, np.float32))
    with pytest.warns(UserWarning, match="values lie between 0.103448 and 7: scale each feature"):
        make(root)


@pytest.mark.skipif(not (SHARED / "asd").exists(), reason="the real data set is not here")
@pytest.mark.parametrize("number", range(1, 7))
@pytest.mark.filterwarnings("error")
def test_the_real_segments_are_the_labelled_rows(number):
    made = datasets.create("asd", root=SHARED, entity=f"omi-{number}")
    lines = (SHARED / f"asd/data/interpretation_label/omi-{number}.txt").read_text().split()
    changes = np.diff(np.concatenate([[0], made.test_labels, [0]]).astype(int))
    runs = zip(np.flatnonzero(changes == 1), np.flatnonzero(changes == -1), strict=True)
    for line, (first, stop) in zip(lines, runs, strict=True):
        rows, _, columns = line.partition(":")
        assert rows == f"{first}-{stop - 1}"
        named = ",".join(str(c + 1) for c in np.flatnonzero(made.test_truth[first]))
        assert columns == named
        assert (made.test_truth[first:stop] == made.test_truth[first]).all()
        assert set(made.test_units[first:stop]) == {first}
    assert made.train.shape == (6912, 19)
    assert made.validation.shape == (1728, 19)
    assert made.test.shape == (4320, 19)
