"""The layout of the Server Machine Dataset, on a tiny copy made by hand, and on the real one where
it is.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from aexbench import Detector, RequestError, datasets
from aexbench.running import references
from tests.conftest import mlp

REAL = Path(__file__).parents[3] / "shared" / "data" / "smd"


@pytest.fixture
def root(tmp_path):
    files = {
        "train": "\n".join(f"0.{i},0.5,0.25" for i in range(10)),
        "test": "\n".join(f"0.{i},0.5,0.75" for i in range(8)),
        "test_label": "\n".join("00011011"),
        "interpretation_label": "3-5:1,3\n6-8:2",
    }
    for part, text in files.items():
        (tmp_path / "ServerMachineDataset" / part).mkdir(parents=True)
        (tmp_path / "ServerMachineDataset" / part / "machine-1-1.txt").write_text(text + "\n")
    return tmp_path


def change(root: Path, part: str, text: str) -> None:
    (root / "ServerMachineDataset" / part / "machine-1-1.txt").write_text(text)


def test_rows_count_from_zero_features_from_one_and_the_last_row_is_past_the_end(root):
    made = datasets.create("smd", root=root)
    assert (made.train.shape, made.validation.shape, made.test.shape) == ((8, 3), (2, 3), (8, 3))
    assert made.features.names == ("feature-1", "feature-2", "feature-3")
    causes = np.zeros((8, 3), dtype=bool)
    causes[3:5, [0, 2]], causes[6:8, 1] = True, True
    assert np.array_equal(made.test_truth, causes)
    assert np.array_equal(made.test_labels, causes.any(axis=1))
    assert made.test_units.tolist() == [0, 1, 2, 3, 3, 5, 6, 6]


def test_rows_of_a_segment_are_one_unit_of_the_anomalies(root):
    made = datasets.create("smd", root=root / "ServerMachineDataset")
    detector = Detector(mlp((3, 2, 3), ("tanh", "identity")).float()).calibrate(made.test)
    anomalies = references.labelled_anomalies(made, detector)
    assert anomalies.unit.tolist() == [3, 3, 6, 6]
    assert set(anomalies.label) == {"labels"}


@pytest.mark.filterwarnings("ignore:.*interpretation_label")
@pytest.mark.parametrize(
    ("segments", "units"),
    [
        ("1-7:1\n3-5:2", [0, 1, 1, 1, 1, 1, 1, 7]),
        ("3-5:2\n1-7:1", [0, 1, 1, 1, 1, 1, 1, 7]),
        ("4-7:1\n1-5:2", [0, 1, 1, 1, 1, 1, 1, 7]),
        ("1-4:1\n4-7:2", [0, 1, 1, 1, 4, 4, 4, 7]),
        ("1-8:1\n2-3:2\n4-6:3\n5-7:1", [0, 1, 1, 1, 1, 1, 1, 1]),
        ("1-3:1\n1-3:2", [0, 1, 1, 3, 4, 5, 6, 7]),
    ],
)
def test_segments_that_share_rows_are_one_unit(root, segments, units):
    change(root, "interpretation_label", segments)
    assert datasets.create("smd", root=root).test_units.tolist() == units


def warned(root: Path) -> str:
    """Return the one warning that the data set gives."""
    with pytest.warns(UserWarning, match=r"machine-1-1\.txt: ") as caught:
        datasets.create("smd", root=root)
    assert len(caught) == 1
    assert str(caught[0].message).isprintable()
    return str(caught[0].message)


@pytest.mark.parametrize(
    ("labels", "segments", "said"),
    [
        ("00011011", "3-5:1\n5-8:2", ["1 rows have features .* labelled 0 .first: line 6"]),
        ("00011011", "3-5:1", ["2 rows are labelled 1, .* no feature .* .first: line 7"]),
        ("00011011", "4-6:1\n6-8:2", ["1 rows are labelled 1.*line 4", "1 rows have .* line 6"]),
        ("00011011", "", ["4 rows are labelled 1"]),
        ("00000000", "3-5:1\n", ["test_label labels no row", "2 rows have features .* labelled 0"]),
        ("00000000", "", ["test_label labels no row"]),
    ],
)
def test_labels_and_causes_that_contradict_one_another_are_said(root, labels, segments, said):
    change(root, "test_label", "\n".join(labels))
    change(root, "interpretation_label", segments)
    parts = warned(root).partition("machine-1-1.txt: ")[2].split("; ")
    assert len(parts) == len(said)
    for part, expected in zip(parts, said, strict=True):
        assert re.match(expected, part), part


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("value", ["100", "-0.5", "1.25"])
def test_values_that_are_not_scaled_are_said(root, part, value):
    change(root, part, f"0.5,{value},0.5\n" * (10 if part == "train" else 8))
    between = re.search(r"values lie between (\S+) and (\S+): scale each feature", warned(root))
    assert between is not None
    assert value in between.groups()


def test_consistent_files_are_read_without_a_word(root):
    change(root, "train", "0,1,1.00001\n" * 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        datasets.create("smd", root=root)


@pytest.mark.parametrize("segments", ["\ufeff3-5:1,3\n6-8:2\n", "3-5: 1, 3\n\n 6 - 8 :\t2 \r\n"])
def test_byte_order_marks_and_blanks_change_nothing(root, segments):
    expected = datasets.create("smd", root=root)
    for part in ("train", "test", "test_label"):
        path = root / "ServerMachineDataset" / part / "machine-1-1.txt"
        change(root, part, "\ufeff" + path.read_text())
    change(root, "interpretation_label", segments)
    made = datasets.create("smd", root=root)
    assert np.array_equal(made.test, expected.test)
    assert np.array_equal(made.test_truth, expected.test_truth)
    assert np.array_equal(made.test_units, expected.test_units)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("part", ["train", "test", "test_label"])
def test_an_empty_file_is_an_error_and_no_warning(root, part):
    change(root, part, "")
    with pytest.raises(RequestError, match="it is empty"):
        datasets.create("smd", root=root)


def test_the_environment_says_where_it_is(root, monkeypatch):
    monkeypatch.setenv("AEXBENCH_DATA", str(root))
    assert len(datasets.create("smd").test) == 8
    monkeypatch.delenv("AEXBENCH_DATA")
    with pytest.raises(RequestError, match="give root=FOLDER, or set AEXBENCH_DATA"):
        datasets.create("smd")


@pytest.mark.parametrize(
    ("part", "text", "message"),
    [
        ("train", "", "it is empty"),
        ("train", "0.1,0.2,0.3\n0.1,x,0.3\n", "could not convert string 'x'"),
        ("train", "0.1,0.2,0.3\n0.1,0.3\n", "number of columns changed"),
        ("train", "0.1,nan,0.3\n", "not every value is a finite number"),
        ("train", "0.1,0.2\n" * 5, "do not fit"),
        ("train", "0.1,inf,0.3\n0.1,0.2,-inf\n", "inf in row 1, column 2 \\(2 such values\\)"),
        ("test_label", "0\n1\n", "do not fit"),
        ("test_label", "1\n" * 3 + "-1\n" * 5, "test_label.*0 or 1: row 4 holds -1 \\(5 such rows"),
        ("test_label", "0\n" * 7 + "0.5\n", "labels must be 0 or 1: row 8 holds 0.5"),
        ("test_label", "2\n" * 8, "labels must be 0 or 1: row 1 holds 2"),
        ("test_label", "true\n" * 8, "could not convert string 'true'"),
        ("interpretation_label", "3-5:1,4\n", "line 1: .*within 8 rows and 3 features"),
        ("interpretation_label", "3-5:0\n", "line 1: .*all within 8 rows and 3 features"),
        ("interpretation_label", "3-5:1\n7-9:1\n", "line 2: .*all within"),
        ("interpretation_label", "5-3:1\n", "last row, the first one after a segment, must be"),
        ("interpretation_label", "5-5:1\n", "last row, the first one after a segment, must be"),
        (
            "interpretation_label",
            "3-5:99999999999999999999999\n",
            "line 1: .*within 8 rows and 3 features",
        ),
        ("interpretation_label", f"3-{'9' * 5000}:1\n", "line 1: .*within 8 rows and 3 features"),
        ("interpretation_label", "3 to 5\n", "not first-last:feature"),
        ("interpretation_label", "\x00\n", "not first-last:feature"),
    ],
)
def test_damaged_files_are_named_with_what_is_wrong(root, part, text, message):
    change(root, part, text)
    with pytest.raises(RequestError, match=message) as caught:
        datasets.create("smd", root=root)
    assert "\n" not in str(caught.value)


def test_another_machine_is_told_which_there_are(root):
    with pytest.raises(RequestError, match="the machines here are: 1-1"):
        datasets.create("smd", root=root, machine="9-9")


@pytest.mark.skipif(not REAL.exists(), reason="the real data set is not here")
@pytest.mark.parametrize("machine", ["1-7", "2-2"])
@pytest.mark.filterwarnings("error")
def test_the_real_segments_are_the_labelled_rows(machine):
    made = datasets.create("smd", root=REAL, machine=machine)
    assert made.train.shape[1] == 38
    assert np.array_equal(made.test_truth.any(axis=1), made.test_labels)
