"""Labels in a file of their own: per feature, per row, of groups, with units and kinds."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aexbench import Dataset, RequestError, datasets
from aexbench.datasets.tools.splits import TableWarning

COUNT = 60
ODD = [50, 52, 57]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = pd.DataFrame(
        np.random.default_rng(0).random((COUNT, 4)), columns=["a", "b", "ip_1", "ip_2"]
    )
    table.to_csv("rows.csv", index=False)


def zeros(*names: str, **marked: list[int]) -> pd.DataFrame:
    """Return a column of zeros by each name, 1 in the rows that are marked."""
    columns = {name: np.zeros(COUNT, dtype=int) for name in [*names, *marked]}
    for name, rows in marked.items():
        columns[name][rows] = 1
    return pd.DataFrame(columns)


def read(labels: pd.DataFrame, name: str = "labels.csv", **parameters: object) -> Dataset:
    labels.to_parquet(name) if name.endswith("parquet") else labels.to_csv(name, index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        return datasets.create("file", path="rows.csv", labels=Path(name), **parameters)


def refused(labels: pd.DataFrame, **parameters: object) -> str:
    with pytest.raises(RequestError) as caught:
        read(labels, **parameters)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def odd_rows(data: Dataset) -> list[int]:
    """Return the numbers in the file of the rows that are labelled."""
    return sorted(data.rows["test"][data.test_labels].tolist())


def causes(data: Dataset) -> dict[int, list[int]]:
    """Return the columns that make each labelled row anomalous, by its number in the file."""
    marked = data.test_truth.any(axis=1)
    rows, truth = data.rows["test"][marked], data.test_truth[marked]
    return {int(row): np.flatnonzero(own).tolist() for row, own in zip(rows, truth, strict=True)}


def test_columns_called_like_features_are_the_truth():
    data = read(zeros(a=[50], b=[50, 52], ip_2=[57]))
    assert odd_rows(data) == ODD
    assert causes(data) == {50: [0, 1], 52: [1], 57: [3]}


def test_all_anomalous_rows_are_for_the_test():
    data = read(zeros(a=ODD))
    normal = np.concatenate([data.rows["train"], data.rows["validation"]])
    assert not set(ODD) & set(normal.tolist())
    assert len(data.train) + len(data.validation) + len(data.test) == COUNT


def test_one_other_column_says_which_rows():
    data = read(zeros(anything=ODD))
    assert odd_rows(data) == ODD
    assert data.test_truth is None


def test_both_at_once_leave_rows_without_a_cause():
    data = read(zeros(a=[50], odd=ODD))
    assert odd_rows(data) == ODD
    assert causes(data) == {50: [0]}


def test_a_group_is_all_of_its_columns():
    data = read(zeros(ip=[50], a=[52]), groups=["ip_*"])
    assert causes(data) == {50: [2, 3], 52: [0]}


def test_units_and_kinds():
    labels = zeros(a=ODD)
    labels["unit"] = np.arange(COUNT) // 5
    labels["kind"] = np.where(labels["a"] == 1, "leak", "")
    data = read(labels)
    own = dict(zip(data.rows["test"].tolist(), data.test_units.tolist(), strict=True))
    assert own[50] == own[52] != own[57]
    assert set(data.test_kinds[data.test_labels]) == {"leak"}
    assert set(data.test_kinds[~data.test_labels]) == {"normal"}


def test_units_of_the_labels_are_units_of_a_split():
    labels = zeros(a=ODD)
    labels["unit"] = np.arange(COUNT) // 5
    data = read(labels, split="unit")
    units = {name: set((rows // 5).tolist()) for name, rows in data.rows.items()}
    assert not units["train"] & units["test"]
    assert {10, 11} <= units["test"]


@pytest.mark.parametrize("name", ["labels.csv", "labels.parquet"])
@pytest.mark.parametrize("kind", [int, bool])
def test_every_reader_takes_zero_and_one_or_truth_values(name, kind):
    assert odd_rows(read(zeros(a=ODD).astype(kind), name)) == ODD


# what is refused


def test_fewer_or_more_rows():
    said = refused(zeros(a=[5]).iloc[:-1])
    assert said.startswith("labels.csv labels 59 rows, and there are 60")
    assert "one line for each row" in said


def test_two_columns_that_are_no_features():
    said = refused(zeros(a=[5], c=[5], d=[5]))
    assert "unknown feature in labels.csv" in said
    assert "'c'" in said


@pytest.mark.parametrize("value", [2, -1, 0.5])
def test_values_that_are_no_truth(value):
    labels = zeros("a", b=[4]).astype(float)
    labels.loc[7, "a"] = value
    said = refused(labels)
    assert "column 'a' of labels.csv" in said


@pytest.mark.parametrize(("marked", "count"), [([], 0), (range(COUNT), COUNT)])
def test_none_or_all_rows(marked, count):
    said = refused(zeros(odd=list(marked)))
    assert said == f"labels.csv labels {count} of 60 rows as anomalous"


def test_a_cause_in_a_row_that_is_labelled_as_normal():
    said = refused(zeros(a=[50], b=[50], odd=[52]))
    assert said.startswith("labels.csv: row 51 has a cause, 'a', and is labelled as normal")


def test_a_table_that_has_labels():
    table = pd.read_csv("rows.csv").assign(odd=zeros(odd=ODD)["odd"])
    table.to_csv("rows.csv", index=False)
    said = refused(zeros(a=ODD), label="odd")
    assert said == "labels.csv labels rows that have labels: leave label and truth out"


def test_a_file_for_the_test():
    pd.read_csv("rows.csv").to_csv("later.csv", index=False)
    said = refused(zeros(a=ODD), test=Path("later.csv"))
    assert said == (
        "labels.csv labels the rows of one file: label those of the test file there, by label and "
        "truth"
    )


def test_no_such_file():
    with pytest.raises(RequestError, match=r"no\.csv"):
        datasets.create("file", path="rows.csv", labels=Path("no.csv"))


def test_a_column_of_a_group_may_have_a_mark_of_its_own():
    """Whichever of them stands first."""
    for names in (["ip", "ip_1"], ["ip_1", "ip"]):
        data = read(zeros(ip=[50], ip_1=[52])[names], groups=["ip_*"])
        assert causes(data) == {50: [2, 3], 52: [2]}


def test_a_column_that_numbers_the_rows_is_left_out():
    zeros(a=ODD).to_csv("labels.csv")  # with the index of the frame
    with pytest.warns(TableWarning, match="numbers of rows"):
        data = datasets.create("file", path="rows.csv", labels=Path("labels.csv"))
    assert odd_rows(data) == ODD


def test_labels_that_may_be_turned_round_are_said():
    zeros(odd=list(range(45))).to_csv("labels.csv", index=False)
    with pytest.warns(TableWarning, match=r"45 of 60 rows are anomalous by 'labels\.csv'"):
        datasets.create("file", path="rows.csv", labels=Path("labels.csv"))


@pytest.mark.parametrize("role", ["unit", "kind"])
def test_a_row_whose_incident_or_kind_is_empty(role):
    labels = zeros(a=ODD)
    labels[role] = ["x"] * 50 + [None] * 10
    said = refused(labels)
    assert said.startswith(f"labels.csv: {role} column '{role}' is empty in row 51")


def test_units_that_are_known_already():
    pd.read_csv("rows.csv").assign(machine=np.arange(COUNT) // 5).to_csv("rows.csv", index=False)
    labels = zeros(a=ODD).assign(unit=np.arange(COUNT) // 20)
    said = refused(labels, unit="machine")
    assert said == "labels.csv: unit of the rows is known already: leave one of both out"
