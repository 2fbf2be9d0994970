"""The layout of PetShop, on a tiny copy made by hand, and on the real one where it is."""

from __future__ import annotations

import csv
import json
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from aexbench import Detector, RequestError, datasets
from aexbench.datasets.tools.splits import TableWarning
from aexbench.running import references
from tests.conftest import mlp

SHARED = Path(__file__).parents[3] / "shared" / "data"
COLUMNS = [  # service, metric, statistic: the services of one metric stand together
    *[(service, "latency", "Average") for service in ("front", "pay", "store")],
    *[(service, "requests", "Sum") for service in ("front", "pay", "store")],
]
QUIET = 20
START = 1_000_000
FRONT, PAY, STORE = [0, 3], [1, 4], [2, 5]


def write(path: Path, columns, times, values) -> None:
    """Write metrics as the publishers did: three lines of names, then one that names the index."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        for level, name in enumerate(("microservice", "metric", "statistic")):
            lines.writerow([name, *(column[level] for column in columns)])
        lines.writerow(["unix_timestamp", *[""] * len(columns)])
        for time, row in zip(times, values, strict=True):
            lines.writerow([float(time), *("" if v is None else v for v in row)])


def issue(folder: Path, began: float, service: str, times, values, **given) -> None:
    write(folder / "metrics.csv", given.get("columns", COLUMNS), times, values)
    target = {"node": "front", "metric": given.get("metric", "latency"), "agg": "Average"}
    described = {
        "target": target | {"timestamp": began},
        "root_cause": {"node": service, "metric": None},
    }
    (folder / "target.json").write_text(json.dumps(described))


def quiet() -> list[list[float]]:
    return [[10.0 + row + column for column in range(6)] for row in range(QUIET)]


@pytest.fixture
def place(tmp_path):
    """A scenario of 20 normal rows, an issue of three rows and an older one of two."""
    place = tmp_path / "petshop-root-cause-analysis" / "dataset" / "high_traffic"
    times = START + 300 * np.arange(QUIET)
    write(place / "noissue" / "metrics.csv", COLUMNS, times, quiet())
    rows = [[12.0] * 6, [13.0, 99.0, 13.0, 13.0, 13.0, 13.0], [40.0, 99.0, 13.0, 13.0, 13.0, 13.0]]
    issue(place / "test" / "issue_0", 2500, "pay", [2000, 2300, 2600], rows)
    older = [[11.0] * 6, [11.0, 11.0, 80.0, 11.0, 11.0, 11.0]]
    issue(place / "train" / "issue_3", 1300.0, "store", [1000, 1300], older, metric="availability")
    return place


def make(place: Path):
    """Return the data set, and the parts of its one warning."""
    with pytest.warns(TableWarning) as caught:
        made = datasets.create("petshop", root=place.parent)
    assert len(caught) == 1
    return made, str(caught[0].message).split("; ")


def test_services_are_features_and_the_one_at_fault_is_the_truth(place):
    made, said = make(place)
    assert made.features.names[:2] == ("front latency Average", "pay latency Average")
    assert made.features.groups == (0, 1, 2, 0, 1, 2)
    faulty = made.test_labels
    assert faulty.tolist() == [False] * 5 + [True] * 3
    assert not made.test_truth[~faulty].any()
    truth = made.test_truth[faulty]
    assert np.flatnonzero(truth[0]).tolist() == STORE
    assert [np.flatnonzero(row).tolist() for row in truth[1:]] == [PAY, PAY]
    by_service = made.features.any_groups(truth)
    assert by_service.tolist() == [[0, 0, 1], [0, 1, 0], [0, 1, 0]]
    assert made.test_truth_kind == "cause"
    expected = "petshop, high_traffic: 22 normal rows (2 of them before an issue), 3 of 2 issues"
    assert said == [f"{expected}, 6 columns of 3 services"]


def test_an_issue_is_a_unit_and_its_kind_is_what_it_spoils_at_the_front(place):
    made, _ = make(place)
    *normal, older, first, second = made.test_units.tolist()
    assert len({*normal, older, first}) == 7
    assert first == second
    assert made.test_kinds.tolist() == ["normal"] * 5 + ["availability", "latency", "latency"]
    detector = Detector(mlp((6, 2, 6), ("tanh", "identity")).float(), features=made.features)
    anomalies = references.labelled_anomalies(made, detector.calibrate(made.normal))
    assert anomalies.unit.tolist() == [older, first, first]
    assert anomalies.label.tolist() == ["availability", "latency", "latency"]


def test_normal_rows_are_split_in_time_and_scaled_by_those_for_training(place):
    made, _ = make(place)
    assert (len(made.train), len(made.validation), len(made.normal)) == (13, 4, 5)
    raw = np.array([[11.0] * 6, [12.0] * 6, *quiet()])  # what came before an issue is the oldest
    low, high = raw[:13].min(axis=0), raw[:13].max(axis=0)
    scaled = (raw - low) / (high - low)
    np.testing.assert_allclose(made.train, scaled[:13], atol=1e-6)
    np.testing.assert_allclose(made.validation, scaled[13:17], atol=1e-6)
    np.testing.assert_allclose(made.normal, scaled[17:], atol=1e-6)
    stored = (80.0 - low[2]) / (high[2] - low[2])
    np.testing.assert_allclose(made.test[5, 2], stored, rtol=1e-6)


@pytest.mark.parametrize(("began", "faulty"), [(2299.9, 3), (2300.0, 2), (2599, 2), (2600, 1)])
def test_a_row_is_of_the_issue_where_its_five_minutes_end_after_it_began(place, began, faulty):
    rows = [[12.0] * 6] * 3
    issue(place / "test" / "issue_0", began, "pay", [2000, 2300, 2600], rows)
    made, _ = make(place)
    assert (made.test_truth[:, PAY[0]]).sum() == faulty
    assert made.test_labels.sum() == 1 + faulty


def test_columns_that_only_issues_have_are_left_out_and_said(place):
    columns = [*COLUMNS, ("new", "latency", "Average")]
    rows = [[12.0] * 7, [13.0] * 7, [14.0] * 7]
    given = {"columns": columns}
    issue(place / "test" / "issue_0", 2500, "pay", [2000, 2300, 2600], rows, **given)
    made, said = make(place)
    assert made.train.shape[1] == 6
    assert said[1:] == ["left out: 1 columns that only issues have"]


def test_an_issue_whose_service_has_no_column_has_labels_and_no_truth(place):
    columns = [*COLUMNS, ("new", "latency", "Average")]
    rows = [[12.0] * 7, [13.0] * 7, [14.0] * 7]
    given = {"columns": columns}
    issue(place / "test" / "issue_0", 2500, "new", [2000, 2300, 2600], rows, **given)
    made, said = make(place)
    assert made.test_labels.sum() == 3
    assert made.test_truth.any(axis=1).sum() == 1
    assert "no column is left of new: issues there have no truth" in said


def test_gaps_hold_the_mean_of_the_training_rows(place):
    rows = quiet()
    rows[0][0] = rows[15][0] = None
    times = START + 300 * np.arange(QUIET)
    write(place / "noissue" / "metrics.csv", COLUMNS, times, rows)
    issue(place / "train" / "issue_3", 1300, "store", [1000, 1300], [[11.0] * 6, [None] * 6])
    made, said = make(place)
    assert said[1:] == ["gaps filled: 2 in normal rows, 6 in those of issues"]
    raw = np.array([11.0, 12.0, *(11.0 + n for n in range(10))])  # the column's training rows
    filled = (raw.mean() - raw.min()) / (raw.max() - raw.min())
    gaps = [made.train[2, 0], made.normal[0, 0], made.test[5, 0]]
    np.testing.assert_allclose(gaps, filled, rtol=1e-6)


@pytest.mark.parametrize(("gaps", "columns"), [(6, 6), (7, 5)])
def test_a_column_with_gaps_in_most_training_rows_is_left_out_and_said(place, gaps, columns):
    rows = quiet()
    for row in rows[:gaps]:
        row[1] = None
    write(place / "noissue" / "metrics.csv", COLUMNS, START + 300 * np.arange(QUIET), rows)
    made, said = make(place)
    assert made.train.shape[1] == columns
    left_out = "left out: 1 columns with gaps in most training rows"
    assert (left_out in said) == (columns == 5)
    assert made.test_truth[made.test_labels].any(axis=1).all()


def test_a_column_that_only_an_issue_lacks_is_a_gap_there(place):
    issue(
        place / "train" / "issue_3",
        1300,
        "store",
        [1000, 1300],
        [[11.0] * 5] * 2,
        columns=COLUMNS[1:],
    )
    made, said = make(place)
    assert made.train.shape[1] == 6
    assert said[1:] == ["gaps filled: 1 in normal rows, 1 in those of issues"]


@pytest.mark.parametrize("up", [0, 1, 2])
def test_it_is_found_from_each_folder_of_its_publishers(place, up, monkeypatch):
    monkeypatch.setenv("AEXBENCH_DATA", str(place.parents[up]))
    with pytest.warns(TableWarning):
        assert len(datasets.create("petshop").test) == 8


def test_where_it_is_not_it_says_who_publishes_it(place, home):
    said = "give root=FOLDER.*; it is published at https://github.com/amazon-science/petshop-root"
    for given in ({}, {"root": place.parents[2], "scenario": "low_traffic"}):
        with pytest.raises(RequestError, match=said):
            datasets.create("petshop", **given)


def swap(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.mark.parametrize(
    ("file", "before", "after", "message"),
    [
        ("noissue/metrics.csv", "\n1000300.0,", "\nsoon,", "must be seconds, in ascending order"),
        ("noissue/metrics.csv", "\n1000300.0,", "\n,", "must be seconds, in ascending order"),
        ("noissue/metrics.csv", "\n1000300.0,", "\n1000000.0,", "seconds, in ascending order"),
        ("noissue/metrics.csv", ",29.0,", ",much,", "'front latency Average' holds something else"),
        ("noissue/metrics.csv", ",29.0,", ",inf,", "not every value is finite"),
        ("noissue/metrics.csv", "microservice,front", "service,front", "three lines must name mic"),
        ("noissue/metrics.csv", ",pay,store,front", ",front,store,front", "two columns are called"),
        ("test/issue_0/metrics.csv", "\n2300.0,", "\n1300.0,", "seconds, in ascending order"),
        ("test/issue_0/target.json", '"node": "pay"', '"name": "pay"', "does not say target.times"),
        ("test/issue_0/target.json", "2500", '"soon"', "does not say target.timestamp"),
        ("test/issue_0/target.json", "{", "[", "does not say target.timestamp"),
    ],
)
def test_damaged_files_are_named_with_what_is_wrong(place, file, before, after, message):
    swap(place / file, before, after)
    with pytest.raises(RequestError, match=re.escape(message)) as caught:
        datasets.create("petshop", root=place.parent)
    assert str(place / file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["noissue/metrics.csv", "test/issue_0/metrics.csv"])
@pytest.mark.parametrize("text", ["", "microservice,a\n", "\x00\n\x00\n\x00\n\x00\n"])
def test_files_that_are_no_metrics_are_one_line(place, file, text):
    (place / file).write_text(text)
    with pytest.raises(RequestError, match=re.escape(file)) as caught:
        datasets.create("petshop", root=place.parent)
    assert str(caught.value).isprintable()


def test_without_issues_it_says_so(place):
    for path in [*place.glob("t*/*/*"), *place.glob("t*/*")]:
        path.unlink() if path.is_file() else path.rmdir()
    with pytest.raises(RequestError, match="no folder train/issue_N or test/issue_N"):
        datasets.create("petshop", root=place.parent)


@pytest.mark.skipif(not (SHARED / "petshop").exists(), reason="the real data set is not here")
def test_the_real_issues_are_those_of_their_files():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        made = datasets.create("petshop", root=SHARED)
    found = sorted((SHARED / "petshop/dataset/high_traffic").glob("t*/issue_*/target.json"))
    described = [json.loads(path.read_text()) for path in found]
    described.sort(key=lambda one: one["target"]["timestamp"])
    units = dict.fromkeys(made.test_units[made.test_labels].tolist())
    assert len(described) == len(units) == 26
    for unit, one in zip(units, described, strict=True):
        rows = made.test_units == unit
        assert rows.sum() == 4
        named = np.array(made.features.names)[made.test_truth[rows].all(axis=0)]
        assert {name.rsplit(" ", 2)[0] for name in named} == {one["root_cause"]["node"]}
        assert (made.test_truth[rows].sum(axis=1) == 7).all()
        assert set(made.test_kinds[rows]) == {one["target"]["metric"]}
    assert (made.train.shape, len(made.validation), len(made.normal)) == ((369, 249), 123, 123)
    assert len(set(made.features.groups)) == 39
