"""A data set in its user's units: its scale, and the numbers of its rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from aexbench import Dataset, Features, RequestError
from aexbench.scaling import Scale

SCALE = Scale(offset=(10.0, 0.0), factor=(5.0, 1.0))
SPLITS = {
    "train": np.arange(8.0).reshape(4, 2),
    "validation": np.arange(4.0).reshape(2, 2) / 8,
    "test": np.arange(6.0).reshape(3, 2) / 4,
}
NUMBERS = {"train": [8, 0, 2, 3], "validation": [5, 4], "test": [6, 9, 1]}


def made(**parts: object) -> Dataset:
    return Dataset(**{**SPLITS, "features": Features(names=("a", "b")), **parts})


def test_rows_are_found_by_their_number_in_the_source():
    data = made(rows=NUMBERS)
    assert data.row(2) == ("train", 2)
    assert data.row(4) == ("validation", 1)
    assert data.row(9) == ("test", 1)
    assert data.sample(9).tolist() == [[0.5, 0.75]]
    assert data.sample(2).tolist() == [[4.0, 5.0]]
    assert data.sample(4).tolist() == [[0.25, 0.375]]
    assert data.sample(9).dtype == np.float32
    assert data.numbers().tolist() == NUMBERS["test"]
    assert data.numbers("train").tolist() == NUMBERS["train"]


@pytest.mark.parametrize("kind", [list, np.array, np.int32, pd.Series])
def test_every_row_is_found_where_it_is(kind):
    numbers = {
        split: np.array(n, np.int32) if kind is np.int32 else kind(n)
        for split, n in NUMBERS.items()
    }
    data = made(rows=numbers)
    for split, known in NUMBERS.items():
        assert [data.row(number) for number in known] == [(split, i) for i in range(len(known))]
        assert data.rows[split].dtype == np.int64


def test_without_numbers_the_rows_of_the_test_are_counted():
    data = made()
    assert data.numbers().tolist() == [0, 1, 2]
    assert data.numbers("train").tolist() == []
    assert data.row(1) == ("test", 1)
    with pytest.raises(RequestError, match=r"there is no row 3: rows are numbered 0 to 2"):
        data.row(3)


def test_a_test_of_another_source_is_numbered_by_itself():
    data = made(rows={"test": [0, 1, 2]})
    assert data.row(0) == ("test", 0)
    with pytest.raises(RequestError, match="there is no row 8"):
        data.row(8)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (7, "row 7 is in no split: it was left out; rows are numbered 0 to 9"),
        (10, "there is no row 10: rows are numbered 0 to 9"),
        (-1, "there is no row -1: rows are numbered 0 to 9"),
    ],
)
def test_a_row_that_is_in_no_split_is_said(number, said):
    with pytest.raises(RequestError, match=said):
        made(rows=NUMBERS).sample(number)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"tests": [0, 1, 2]}, "did you mean 'test'"),
        ({"test": [0, 1]}, "must number each row of test"),
        ({"test": [0.0, 1.0, 2.0]}, "must number each row of test"),
        ({"test": [0, 1, 1]}, "each of one row"),
        ({"test": [0, 1, 2], "validation": [2, 3]}, "each of one row"),
        ({"test": [0, 1, -2]}, "from 0 on"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(rows, said):
    with pytest.raises(RequestError, match=said):
        made(rows=rows)


def test_values_go_to_the_units_of_the_data_set_and_back():
    data = made(scale=SCALE)
    assert data.transform([[15.0, 0.5]]).tolist() == [[1.0, 0.5]]
    assert data.inverse([[1.0, 0.5]]).tolist() == [[15.0, 0.5]]
    assert made().transform([[15.0, 0.5]]).tolist() == [[15.0, 0.5]]


def test_a_frame_is_read_by_the_names_of_its_columns():
    frame = pd.DataFrame({"label": ["x"], "b": [0.5], "a": [15.0]})
    assert made(scale=SCALE).transform(frame).tolist() == [[1.0, 0.5]]
    with pytest.raises(RequestError, match="lacks columns of this data set: 'a'"):
        made(scale=SCALE).transform(frame.drop(columns="a"))
    numbered = made(features=Features(names=("0", "1")), scale=SCALE)
    assert numbered.transform(pd.DataFrame([[15.0, 0.5]])).tolist() == [[1.0, 0.5]]


def test_a_scale_of_other_columns_is_refused():
    with pytest.raises(RequestError, match="a Scale of 3 columns does not fit"):
        made(scale=Scale(offset=(0.0, 0.0, 0.0)))
