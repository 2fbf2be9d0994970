"""A data frame is read as a file of it is: the same splits, the same remarks, the same refusals."""

from __future__ import annotations

import datetime
import subprocess
import sys
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from aexbench import Dataset, RequestError, datasets
from aexbench.datasets.tools.splits import TableWarning

ROWS = 60
LABEL = (np.arange(ROWS) >= 50).astype(int)
SPLITS = ("train", "validation", "test")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(0).random((ROWS, 3)), columns=list("abc"))


def framed(frame: pd.DataFrame, library: str):
    """Return a frame of a library with the columns of one of pandas."""
    if library == "pandas":
        return frame
    polars = pytest.importorskip("polars")
    columns = {name: frame[name].astype(object) for name in frame}
    return polars.DataFrame(
        {
            name: [None if pd.isna(one) else one for one in values]
            for name, values in columns.items()
        }
    )


def outcome(make, name: str) -> tuple[object, list[str]]:
    """Return a data set or what is wrong, and what is said, of what is called `name`."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            made: object = make()
        except RequestError as error:
            made = str(error).replace(name, "NAME").replace(" 00:00:00", "")  # of polars' days
    said = [str(one.message) for one in caught if one.category is TableWarning]
    return made, [line.replace(name, "NAME") for line in said]


def same(frame: pd.DataFrame, library: str, **parameters: object) -> object:
    """Fail unless a frame and its Parquet file make the same; return that."""
    frame.to_parquet("rows.parquet")
    given = framed(frame, library)
    made, said = outcome(lambda: Dataset.of(given, **parameters), "the frame")
    other, said_too = outcome(
        lambda: datasets.create("file", path="rows.parquet", **parameters), "rows.parquet"
    )
    assert said == said_too
    if isinstance(made, str) or isinstance(other, str):
        assert made == other
        return made
    for name in SPLITS:
        assert np.array_equal(getattr(made, name), getattr(other, name))
        assert np.array_equal(made.numbers(name), other.numbers(name))
    assert (made.features, made.scale) == (other.features, other.scale)
    for name in ("test_labels", "test_truth", "test_units", "test_kinds"):
        assert np.array_equal(getattr(made, name), getattr(other, name))
    return made


LIBRARIES = ["pandas", "polars"]
COLUMNS = {
    "decimals": [Decimal("1.5"), Decimal("2.25")] * 30,
    "gaps": [1.0, None, 3.0] * 20,
    "truth": [True, False] * 30,
    "truth with gaps": [True, None, False] * 20,
    "texts": ["1e3", " -2.5"] * 30,
    "words": ["x", "y"] * 30,
    "days": [datetime.date(2024, 1, 1)] * ROWS,
    "times": [datetime.datetime(2024, 1, 1, 1)] * ROWS,
    "large": [2**63 + 1, 2**64 - 1] * 30,
    "constant": [4.0] * ROWS,
    "clock": list(range(1_700_000_000, 1_700_000_000 + ROWS)),
}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("what", COLUMNS)
def test_a_column_is_read_as_that_of_a_file(table, library, what):
    dtype = "uint64" if what == "large" else None
    same(table.assign(z=pd.Series(COLUMNS[what], dtype=dtype), y=LABEL), library, label="y")


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("scale", ["minmax", "none"])
def test_all_roles_are_read_from_a_frame(table, library, scale):
    frame = table.assign(
        ip_1=[1, 0, 0] * 20,
        ip_2=[0, 1, 0] * 20,
        y=LABEL == 1,
        session=[f"s{n // 3}" for n in range(ROWS)],
        what=np.where(LABEL, "theft", None),
        why_ip=LABEL,
    )
    roles = {"label": "y", "unit": "session", "kind": "what", "truth": "why_", "groups": ["ip_*"]}
    made = same(frame, library, **roles, drop=["c"], split="unit", scale=scale)
    assert made.features.names == ("a", "b", "ip_1", "ip_2")
    assert made.test_truth[made.test_labels][:, 2:].all()


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_test_may_be_a_frame_too(table, library):
    later = table.iloc[::-1].reset_index(drop=True).assign(y=LABEL)
    made = Dataset.of(framed(table, library), test=framed(later, library), label="y")
    assert len(made.test) == ROWS
    assert np.array_equal(made.sample(3), made.transform(later.iloc[[3]]))
    with pytest.raises(
        RequestError, match="the test's frame has columns that the frame lacks: 'q'"
    ):
        Dataset.of(table, test=table.assign(q=np.arange(ROWS) % 7))


@pytest.mark.parametrize("library", LIBRARIES)
def test_rows_are_numbered_as_they_stand_and_the_frame_stays(table, library):
    frame = table.rename(columns={"a": 7}) if library == "pandas" else table
    given = framed(frame.sample(frac=1, random_state=1), library)
    before = given.copy() if library == "pandas" else given.clone()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)  # of the index
        made = Dataset.of(given)
    assert given.equals(before)
    values = given.to_numpy()
    for name in SPLITS:
        assert np.array_equal(made.transform(values[made.numbers(name)]), getattr(made, name))
    number = int(made.numbers()[2])
    assert made.row(number) == ("test", 2)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_frame_of_either_library_is_scaled_by_the_names_of_its_columns(table, library):
    made = Dataset.of(table.assign(b=table["a"] > 0.5))
    other = table.assign(b=table["a"] > 0.5, text="x")[["c", "text", "b", "a"]]
    assert np.array_equal(made.transform(framed(other, library))[made.numbers()], made.test)


def test_an_index_with_a_name_is_left_out_and_said_or_a_role(table):
    named = table.assign(day=np.arange(ROWS) // 4).set_index("day")
    same(named, "pandas")
    with pytest.warns(TableWarning, match="left out: 'day' \\(its index\\)"):
        Dataset.of(named)
    assert len(set(Dataset.of(named, unit="day").test_units)) > 1


def test_two_columns_of_one_name_are_refused(table):
    twins = pd.concat([table, table[["a"]]], axis=1)
    with pytest.raises(RequestError, match="several columns have one name: 'a'"):
        Dataset.of(twins)


def test_a_path_is_a_file(table):
    table.to_csv("rows.csv", index=False)
    assert np.array_equal(Dataset.of("rows.csv").test, Dataset.of(table).test)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (np.zeros((3, 2)), "no ndarray: give pandas.DataFrame"),
        ([[1.0]], "no list: give"),
        (pd.Series([1.0]), "no Series: give"),
    ],
)
def test_what_is_no_frame_is_told_what_to_give(given, said):
    with pytest.raises(RequestError, match=said):
        Dataset.of(given)


def test_a_lazy_frame_is_to_be_collected(table):
    with pytest.raises(RequestError, match=r"a LazyFrame, collect\(\) it"):
        Dataset.of(framed(table, "polars").lazy())


def test_a_frame_of_another_library_is_refused():
    class Foreign:
        columns = ("a",)

        def to_dict(self) -> dict[str, object]:
            return {}

    with pytest.raises(RequestError, match=r"make one of this tests\.Foreign"):
        Dataset.of(Foreign())


def test_a_frame_stands_in_no_cell(table):
    from aexbench.components import component
    from aexbench.families import datasets as family

    with pytest.raises(RequestError, match="a DataFrame cannot stand in a cell"):
        component(family, {"name": "file", "path": table})


def test_polars_is_not_imported_to_read_pandas():
    code = (
        "import sys, pandas as pd; from aexbench import Dataset;"
        "Dataset.of(pd.DataFrame({'a': [1.0, 2.0, 4.0] * 9}));"
        "assert 'polars' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)
