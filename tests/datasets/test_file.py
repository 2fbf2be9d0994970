"""A table of one's own: whatever a column holds, it is a number, or named with what it holds."""

from __future__ import annotations

import bz2
import datetime
import gzip
import lzma
import re
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexbench import RequestError, datasets
from aexbench.datasets.file.texts import COMMA
from aexbench.datasets.tools.splits import TableWarning
from aexbench.specs import parse

ROWS = 60
LABEL = (np.arange(ROWS) >= 50).astype(int)
READERS = ["csv", "parquet", "npz"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(0).random((ROWS, 3)), columns=list("abc"))


def written(frame: pd.DataFrame, kind: str = "csv", name: str = "rows", **how: object) -> str:
    path = f"{name}.{kind}"
    if kind == "parquet":
        frame.to_parquet(path, **how)
    elif kind == "npz":
        features = [name for name in frame if name in list("abc")]
        others = {name: np.array(frame[name].tolist()) for name in frame if name not in features}
        np.savez(path, X=frame[features].to_numpy(), **others)
    else:
        frame.to_csv(path, **{"index": False, **how})
    return path


def read(path: str, **parameters: object):
    """Return a data set, and what it warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = datasets.create("file", path=path, **parameters)
    return made, [str(one.message) for one in caught if one.category is TableWarning]


def refused(path: str, **parameters: object) -> str:
    with pytest.raises(RequestError) as caught:
        datasets.create("file", path=path, **parameters)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def hinted(message: str) -> object:
    """Return the columns that a message says to drop, as the command line reads it."""
    hint = re.search(r"drop=\[.*\]", message)
    assert hint is not None
    return parse(f"file[{hint[0]}]")[1]["drop"]


DAYS = pd.Series(pd.date_range("2024", periods=ROWS))
TIMES = {
    "timestamps": DAYS,
    "a missing one": DAYS.where(np.arange(ROWS) != 3),
    "all missing": pd.Series([pd.NaT] * ROWS, dtype="datetime64[ns]"),
    "with a zone": DAYS.dt.tz_localize("Europe/Berlin"),
    "seconds": DAYS.astype("datetime64[s]"),
    "durations": pd.Series(pd.to_timedelta(np.arange(ROWS), unit="s")),
    "a missing duration": pd.Series(pd.to_timedelta([None, *range(1, ROWS)], unit="s")),
    "periods": pd.Series(pd.period_range("2024", periods=ROWS, freq="D")),
    "dates": pd.Series([datetime.date(2024, 1, 1)] * ROWS),
    "times": pd.Series([datetime.time(1, 2)] * ROWS),
    "categories": pd.Series(pd.Categorical(DAYS)),
    "missing categories": pd.Series(pd.Categorical(DAYS.where(np.arange(ROWS) > 40))),
    "of Arrow": DAYS.astype("datetime64[us]").astype(pd.ArrowDtype(pa.timestamp("us"))),
    "lists": pd.Series([[1.0, 2.0]] * ROWS),
}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("what", TIMES)
def test_times_are_never_numbers(table, kind, what):
    column = TIMES[what]
    path = written(table.assign(when=column), kind)
    message = refused(path)
    assert "column 'when'" in message
    holds = "is empty" if (what, kind) == ("all missing", "csv") else "holds"
    assert f"column 'when' {holds}" in message
    assert "drop=[when]" in message
    made, notes = read(path, drop=["when"])
    assert (made.features.names, notes) == (("a", "b", "c"), [])


NUMBERS = {
    "decimals": pd.Series([Decimal("1.5"), Decimal("2.25")] * 30),
    "nullable integers": pd.Series([1, 3] * 30, dtype="Int64"),
    "nullable floats": pd.Series([0.5, 3] * 30, dtype="Float32"),
    "nullable truth": pd.Series([True, False] * 30, dtype="boolean"),
    "truth": pd.Series([True, False] * 30),
    "categories": pd.Series(pd.Categorical([7, 9] * 30)),
    "texts": pd.Series(["1e3", " -2.5"] * 30, dtype=object),
    "small integers": pd.Series([1, 255] * 30, dtype="uint8"),
    "large integers": pd.Series([2**63 + 1, 2**64 - 1] * 30, dtype="uint64"),
}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("what", NUMBERS)
def test_numbers_of_every_type_are_numbers(table, kind, what):
    made, notes = read(written(table.assign(n=NUMBERS[what]), kind))
    assert made.features.names[-1] == "n"
    assert sorted(np.unique(made.train[:, -1])) == [0, 1]
    assert notes == []


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("dtype", ["Int64", "Float64", "boolean", "object"])
def test_a_gap_is_named_in_every_type(table, kind, dtype):
    column = pd.Series([1, 0] * 30).astype(dtype)
    column[7] = None if dtype == "object" else pd.NA
    message = refused(written(table.assign(n=column), kind))
    assert "column 'n' is empty or not finite in row 8 (1 such rows in all)" in message


def test_everything_that_is_wrong_is_said_at_once(table):
    wrong = table.assign(
        t="text",
        i=np.where(np.arange(ROWS) == 3, np.inf, 1.0),
        z=[str(1j * n) for n in range(ROWS)],
        y=np.where(np.arange(ROWS) == 4, 2, LABEL),
    )
    message = refused(written(wrong), label="y", drop=["no-such"], unit="nor-this", groups=["q*"])
    for part in (
        "unknown column of rows.csv 'no-such'",
        "unknown column of rows.csv 'nor-this'",
        "column 't' holds text ('text' in row 1)",
        "column 'i' is empty or not finite in row 4",
        "column 'z' holds text ('0j' in row 1)",
        "label column 'y' of rows.csv must be 0 or 1 (or false, true) in every row: row 5 holds",
        "no column is called q*",
    ):
        assert part in message


NAMES = """
a,b | a] | x[0] | a "q" | a'q | a=b | a;b | größe | [bold]x[/bold] | true | null | 1e3 | 12 | 1.10
| {x} | a#b | * | \n
"""


@pytest.mark.parametrize("name", [*map(str.strip, NAMES.split("|")), "x\ny", "\x1b[31m", "a\xa0b"])
def test_what_is_said_to_drop_can_be_pasted(table, name):
    path = written(table.assign(**{name: "text"}), "parquet")
    message = refused(path)
    assert message.isprintable()
    found = hinted(message)
    assert read(path, drop=found)[0].features.names == ("a", "b", "c")


def test_a_long_list_to_drop_can_be_pasted_too(table):
    dates = DAYS.strftime("%Y%m%d").astype(int)
    message = read(written(table.assign(**{f"d {n}": dates for n in range(12)})))[1][0]
    assert hinted(message) == [f"d {n}" for n in range(10)]


def test_long_lists_are_cut_with_a_count():
    wide = pd.DataFrame({f"c{n}": ["x"] * 12 for n in range(300)})
    message = refused(written(wide), drop=["nothing"])
    assert message.count("holds text") == 10
    assert "and 290 more of this kind" in message
    assert "c0, c1, c10" in message
    assert "and 290 more;" in message
    assert len(message) < 2000


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    "values",
    [
        LABEL,
        LABEL.astype(bool),
        LABEL.astype(float),
        np.where(LABEL, "true", "false"),
        np.where(LABEL, "Yes", "No"),
        np.where(LABEL, "1", "0"),
    ],
)
def test_labels_are_taken_alike_by_every_reader(table, kind, values):
    made, _ = read(written(table.assign(y=values), kind), label="y")
    assert made.test_labels.sum() == 10


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    ("values", "held"),
    [
        (1 - 2 * LABEL, "row 51 holds '-1' (10 such rows); -1 and 1 do not say which"),
        (np.where(LABEL, 0.5, 0.0), "row 51 holds '0.5' (10 such rows)"),
        (np.where(LABEL, "odd", "normal"), "row 1 holds 'normal'"),
        (LABEL + 1, "row 51 holds '2'"),
    ],
)
def test_labels_are_refused_alike_by_every_reader(table, kind, values, held):
    message = refused(written(table.assign(y=values), kind), label="y")
    assert "must be 0 or 1" in message
    assert held in message


@pytest.mark.parametrize("dtype", ["boolean", "Int8", "float64", "object"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_label_with_gaps_is_named_with_its_row(table, kind, dtype):
    label = pd.Series(LABEL).astype(bool if dtype == "object" else dtype).astype(dtype)
    label[2] = None
    message = refused(written(table.assign(y=label), kind), label="y")
    assert "label column 'y' of rows." in message
    assert "row 3 is empty" in message


@pytest.mark.parametrize("kind", ["csv", "parquet", "npz"])
def test_a_cause_in_a_row_that_is_not_labelled_is_refused(table, kind):
    causes = np.zeros((ROWS, 3), dtype=bool)
    causes[55, 1] = causes[6, 1] = True
    frame = table.assign(y=LABEL)
    if kind == "npz":
        np.savez("rows.npz", X=table, y=LABEL, why=causes)
        path, truth = "rows.npz", "why"
    else:
        path, truth = written(frame.assign(why_b=causes[:, 1]), kind), "why_"
    message = refused(path, label="y", truth=truth)
    assert "row 7 has a cause" in message
    assert "labelled as normal (1 such rows in all)" in message


# What is no feature


@pytest.mark.parametrize("order", ["kept", "shuffled", "filtered"])
def test_a_row_number_that_has_no_name_is_left_out_and_said(table, order):
    frame = {
        "kept": table,
        "shuffled": table.sample(frac=1, random_state=0),
        "filtered": table[table.a > 0.2],
    }[order]
    made, notes = read(written(frame, index=True))
    assert made.features.names == ("a", "b", "c")
    assert "left out: 'Unnamed: 0' (numbers of rows)" in notes[0]
    frame.to_csv("once.csv")
    pd.read_csv("once.csv").to_csv("twice.csv")
    made, notes = read("twice.csv")
    assert made.features.names[-3:] == ("a", "b", "c")
    assert "Unnamed: 0" in notes[0]


def test_row_numbers_of_tables_below_each_other_are_left_out(table):
    pieces = [table[:25], table[25:40], table[table.a > 0.3]]
    made, notes = read(written(pd.concat(pieces), index=True))
    assert made.features.names == ("a", "b", "c")
    assert "left out: 'Unnamed: 0' (numbers of rows)" in notes[0]


def test_whole_numbers_without_a_name_are_said_where_they_may_be_row_numbers(table):
    frame = pd.concat([table[:30], table[:30]]).sample(frac=1, random_state=0)
    made, notes = read(written(frame, index=True))
    assert made.features.names[0] == "Unnamed: 0"
    assert "whole numbers without a name: 'Unnamed: 0'" in notes[0]
    assert hinted(notes[0]) == ["Unnamed: 0"]


@pytest.mark.parametrize(
    "name",
    ["is_anomaly", "Label", "y", "class", "isFraud", "attack_flag", "ground truth", "target"],
)
@pytest.mark.parametrize("values", [LABEL, 2 * LABEL - 1, LABEL.astype(bool)])
def test_a_label_that_is_no_label_is_warned_of(table, name, values):
    path = written(table.assign(**{name: values}))
    message = read(path)[1][0]
    assert f"labels that are taken for features? {name!r}" in message
    label = re.search(r"\((label=.*), or", message)
    assert read(path, **parse(f"file[{label[1]}]")[1] if values.min() == 0 else {"drop": [name]})
    assert hinted(message) == [name]


def test_what_is_called_like_a_label_or_has_two_values_is_not_enough(table):
    table["target"] = table.a[::-1].to_numpy()
    table["ticket_class"] = LABEL + 1
    table["classic"] = table["class_1"] = table["class_size"] = table["my"] = LABEL
    assert read(written(table))[1] == []


def test_an_array_of_labels_that_nobody_asks_for_is_said(table):
    np.savez("rows.npz", X=table, y=LABEL, clock=LABEL)
    assert "labels that are not used? 'y' (label=y)" in read("rows.npz")[1][0]
    assert read("rows.npz", label="y")[1] == []


@pytest.mark.parametrize(("odd", "said"), [(31, True), (30, False)])
def test_a_label_that_most_rows_have_is_questioned(table, odd, said):
    path = written(table.assign(y=np.arange(ROWS) < odd))
    notes = read(path, label="y")[1]
    assert bool(notes) == said
    assert not said or "31 of 60 rows are anomalous by 'y': 1 is the anomaly" in notes[0]


def test_a_column_without_name_or_values_is_left_out(table):
    table.to_csv("rows.csv", index=False, lineterminator=",\n")
    made, notes = read("rows.csv")
    assert made.features.names == ("a", "b", "c")
    assert "left out: 'Unnamed: 3' (empty)" in notes[0]


def test_a_nameless_column_of_measurements_stays(table):
    made, notes = read(written(table.rename(columns={"a": ""})))
    assert made.features.names == ("Unnamed: 0", "b", "c")
    assert notes == []


@pytest.mark.parametrize("kind", ["csv", "npz"])
@pytest.mark.parametrize(
    "clock",
    [
        np.arange(ROWS),
        1.7e9 + 30.0 * np.arange(ROWS),
        -0.1 * np.arange(ROWS),
        60.0 * np.arange(ROWS) + np.random.default_rng(0).uniform(-5, 5, ROWS),
        np.cumsum(np.where(np.arange(ROWS) % 20 == 19, 500, 10)),
    ],
)
def test_a_clock_is_warned_of(table, kind, clock):
    made, notes = read(written(table.assign(b=clock), kind))
    name = made.features.names[1]
    assert len(made.features.names) == 3
    assert f"even steps, as of a clock or a counter: {name!r} (drop=[" in notes[0]
    assert hinted(notes[0]) == [name]


@pytest.mark.parametrize(
    "times",
    [
        np.sort(np.random.default_rng(0).integers(0, 90, ROWS)),
        -np.sort(np.random.default_rng(0).lognormal(size=ROWS)),
        np.cumsum(np.random.default_rng(0).exponential(size=ROWS)),
    ],
)
def test_what_only_rises_or_falls_is_asked_about(table, times):
    message = read(written(table.assign(b=times)))[1][0]
    assert "a clock, or what the rows are sorted by? 'b' (drop=[b] if it is no feature" in message


def test_a_count_that_starts_again_after_other_numbers_of_rows_is_asked_about(table):
    table["b"] = np.concatenate([np.arange(1, length + 1) for length in (18, 25, 17)])
    assert "a counter that starts again? 'b' (drop=[b] if" in read(written(table))[1][0]


def test_few_sorted_values_and_hours_are_no_clock(table):
    table["a"] = np.arange(ROWS) // 10
    table["b"] = np.arange(ROWS) % 24
    table["c"] = np.abs(np.arange(ROWS) % 34 - 17)
    assert read(written(table))[1] == []


def test_numbers_of_rows_in_another_order_are_warned_of(table):
    table["id"] = np.random.default_rng(0).permutation(ROWS) + 1000
    assert "every row has its own number in 'id' (drop=[id])" in read(written(table))[1][0]


DAYS = pd.to_datetime("2024-01-01") + pd.to_timedelta(np.arange(ROWS) * 5 % 97, unit="D")


@pytest.mark.parametrize("kind", ["csv", "npz"])
@pytest.mark.parametrize(
    "dates",
    [
        DAYS.strftime("%Y%m%d").astype(int),
        DAYS.strftime("%Y%m%d2359").astype(int),
        DAYS.strftime("%Y%m%d235959").astype(int),
        *(DAYS.astype("datetime64[ns]").astype(np.int64) // 10**places for places in (0, 6, 9)),
        1.7e9 + np.cumsum(np.random.default_rng(0).exponential(30, ROWS)).round(3),
        1.7e9 + np.random.default_rng(0).integers(0, 10**6, ROWS),
        np.where(LABEL, 20240131, 20240201),
        86_400 * (19_700 + LABEL),
        DAYS.strftime("%d%m%Y").astype(int),
        DAYS.strftime("%m%d%Y").astype(int),
        DAYS.strftime("%y%m%d").astype(int),
        DAYS.strftime("%y%m%d1530").astype(int),
        np.arange(ROWS) * 7 % 12 + 1 + 100 * (2015 + np.arange(ROWS) % 7),
        10**7 * (11_644_473_600 + 1_700_000_000 + np.arange(ROWS) * 7 % 61 * 1000),
        10**7 * (62_135_596_800 + 800_000_000 + np.arange(ROWS) * 7 % 61 * 1000),
    ],
)
def test_dates_written_as_numbers_are_warned_of(table, kind, dates):
    made, notes = read(written(table.assign(b=dates), kind))
    name = made.features.names[1]
    assert f"dates or times written as numbers? {name!r} (drop=[" in notes[0]
    assert hinted(notes[0]) == [name]


@pytest.mark.parametrize("values", [[20241301], [20240132], [18991231], [21000101], [970_000_000]])
def test_numbers_that_are_no_dates_are_none(table, values):
    table["a"] = 2.0**30 * (1 + LABEL)
    table["c"] += 1e9
    table["b"] = DAYS.strftime("%Y%m%d").astype(int)
    table.loc[:0, "b"] = values
    assert "dates" not in "".join(read(written(table))[1])


@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("createdAt", 1.3e9 + 3e8 * np.random.default_rng(0).random(ROWS)),
        ("t", 9e8 + np.random.default_rng(0).integers(0, 9e8, ROWS)),
        ("order_date", 43_000 + np.random.default_rng(0).integers(0, 2000, ROWS)),
    ],
)
def test_numbers_that_may_be_dates_are_where_their_name_says_so(table, name, times):
    note = "dates or times written as numbers"
    assert f"{note}? {name!r}" in read(written(table.assign(**{name: times})))[1][0]
    assert note not in "".join(read(written(table.assign(size=times)))[1])


@pytest.mark.parametrize(
    "amounts",
    [
        np.random.default_rng(0).integers(1e9, 2e9, ROWS),
        np.random.default_rng(0).integers(1e12, 2e12, ROWS),
        np.random.default_rng(0).integers(1.2e11, 1.9e11, ROWS) / 100,
        np.random.default_rng(0).integers(1600, 1700, ROWS) * 1_000_000,
        1.6e9 + np.random.default_rng(0).integers(0, 10**9, ROWS) / 100,
    ],
)
def test_amounts_as_large_as_times_are_no_dates(table, amounts):
    assert read(written(table.assign(b=amounts)))[1] == []


@pytest.mark.parametrize("drop", [[], ["a"]])
def test_two_columns_of_one_name_are_an_error(table, drop):
    text = table.to_csv(index=False).replace("a,b,c", "a,b,a", 1)
    with open("twins.csv", "w") as file:
        file.write(text)
    assert "several columns have one name: 'a'" in refused("twins.csv", drop=drop)
    columns = [pa.array(table[name]) for name in "abc"]
    pyarrow.parquet.write_table(pa.table(columns, names=["a", "b", "a"]), "twins.parquet")
    assert "several columns have one name: 'a'" in refused("twins.parquet", drop=drop)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_numbers_as_names_may_be_written_as_numbers(kind):
    frame = pd.DataFrame(np.random.default_rng(0).random((ROWS, 3)))
    frame[2] = LABEL
    path = written(frame, kind)
    for label, drop in ((2, [0]), ("2", ["0"])):
        made, _ = read(path, label=label, drop=drop)
        assert made.features.names == ("1",)
        assert made.test_labels.sum() == 10
    assert datasets.create(f"file[path={path},label=2,drop=[0]]").features.names == ("1",)


def test_drop_leaves_columns_of_an_npz_out(table):
    table.loc[5, "b"] = np.nan
    why = np.zeros((ROWS, 3), dtype=bool)
    why[50:, 2] = True
    np.savez("rows.npz", X=table, y=LABEL, why=why)
    made, _ = read("rows.npz", drop=["feature 2"], label="y", truth="why")
    assert made.features.names == ("feature 1", "feature 3")
    assert made.test_truth[made.test_labels].tolist() == [[False, True]] * 10
    assert "did you mean 'feature 2'" in refused("rows.npz", drop=["feature2"])
    assert hinted(refused("rows.npz")) == ["feature 2"]


# Other ways of writing


@pytest.mark.parametrize(("separator", "kind"), [(";", "csv"), ("\t", "csv"), ("|", "csv")])
@pytest.mark.parametrize("decimal", [".", ","])
def test_other_separators_and_decimal_commas(table, separator, kind, decimal):
    plain, _ = read(written(table))
    made, notes = read(written(table, kind, "other", sep=separator, decimal=decimal))
    np.testing.assert_array_equal(made.train, plain.train)
    assert bool(notes) == (decimal == ",")


def test_quoted_decimal_commas_between_commas(table):
    plain, _ = read(written(table))
    made, _ = read(written(table, "csv", "other", decimal=","))
    np.testing.assert_array_equal(made.train, plain.train)


@pytest.mark.parametrize(
    ("name", "opener"), [("gz", gzip.open), ("bz2", bz2.open), ("xz", lzma.open)]
)
def test_compressed_tables(table, name, opener):
    plain, _ = read(written(table))
    with opener(f"rows.csv.{name}", "wt") as file:
        file.write(table.to_csv(index=False))
    np.testing.assert_array_equal(read(f"rows.csv.{name}")[0].train, plain.train)
    with open(f"rows.csv.{name}", "rb") as file:
        half = file.read()[:200]
    with open(f"half.csv.{name}", "wb") as file:
        file.write(half)
    assert "cannot read half.csv" in refused(f"half.csv.{name}")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le-bom", "utf-32"])
def test_byte_order_marks(table, encoding):
    text = table.rename(columns={"a": "größe"}).to_csv(index=False)
    data = b"\xff\xfe" + text.encode("utf-16-le") if "bom" in encoding else text.encode(encoding)
    with open("rows.csv", "wb") as file:
        file.write(data)
    assert read("rows.csv", drop=["größe"])[0].features.names == ("b", "c")


def test_tabs_in_a_tsv(table):
    table.columns = ["a", "b, or so", "c"]
    assert read(written(table, "tsv", sep="\t"))[0].features.names == ("a", "b, or so", "c")


def test_commas_that_may_be_of_thousands_are_not_taken_for_points(table):
    table["n"] = [f"{n},{n + 100}" for n in range(1, ROWS + 1)]
    assert "column 'n' holds text ('1,101' in row 1)" in refused(written(table))
    table["n"] = [f"{n},5" for n in range(ROWS)]
    assert "column 'n' holds text ('0,5' in row 1)" in refused(written(table)), "a has points"


def test_commas_before_three_digits_are_decimal_between_semicolons(table):
    table = (table * 90 + 1).round(3)
    texts = table.map(lambda value: f"{value:.3f}".replace(".", ","))
    made, notes = read(written(texts, sep=";"))
    np.testing.assert_allclose(made.train, read(written(table, name="plain"))[0].train, atol=1e-6)
    assert "commas before three digits are read as decimal, are they of thousands?" in notes[0]


def test_commas_that_only_large_numbers_have_are_of_thousands():
    numbers = np.random.default_rng(0).integers(100, 5000, ROWS)
    frame = pd.DataFrame({"n": [f"{n:,}" for n in numbers], "k": LABEL})
    assert "decimal or of thousands? Write a point" in refused(written(frame, sep=";"))


@pytest.mark.parametrize("separator", [";", "\t", ","])
@pytest.mark.parametrize("text", ["4,639", "1,234,567", "1.234,50", "1,234.50", " -1,250"])
def test_commas_that_are_not_clear_are_spoken_of(table, separator, text):
    table["n"] = [text, *map(str, range(ROWS - 1))]
    message = refused(written(table, sep=separator))
    assert f"are the commas of {text.strip()!r} decimal or of thousands? Write a point" in message
    assert hinted(message) == ["n"]


@pytest.mark.parametrize("text", ["Rome, Italy", "a,b", "1, 2 and 3"])
def test_commas_between_words_are_none_of_numbers(table, text):
    assert ": encode it as numbers, or drop=[a]" in refused(written(table.assign(a=text)))


@pytest.mark.parametrize("separator", [" ", "   ", ":", "~", "^", "#", "/", "\x1f", " : "])
def test_separators_that_are_not_known_are_named(table, separator):
    lines = table.to_csv(index=False).replace(",", separator)
    with open("rows.csv", "w") as file:
        file.write(lines)
    message = refused("rows.csv")
    assert "or are they separated by" in message
    assert "Known are commas, semicolons, tabs and bars" in message
    assert "drop=" not in message


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_tsv_without_tabs_is_said_to_be_none(table, separator):
    message = refused(written(table, "tsv", sep=separator))
    assert f"separated by {separator!r}? Known are tabs in a .tsv" in message


def test_commas_in_quotes_do_not_separate(table):
    frame = table[["a"]].rename(columns={"a": "x, in mm"})
    made, _ = read(written(frame, decimal=","))
    assert made.features.names == ("x, in mm",)


@pytest.mark.parametrize("name", ["a", "pressure in bar", "a: b", "m/s"])
def test_a_single_column_of_numbers_is_a_table(table, name):
    made, notes = read(written(table[["a"]].rename(columns={"a": name})))
    assert (made.features.names, notes) == ((name,), [])


@pytest.mark.parametrize("separator", [";", ","])
def test_points_that_may_be_of_thousands_are_said(separator):
    numbers = np.random.default_rng(0).integers(100, 5000, ROWS)
    texts = [f"{n:,}".replace(",", ".") for n in numbers]
    frame = pd.DataFrame({"n": texts, "k": LABEL})
    message = read(written(frame, sep=separator))[1][0]
    assert "points before three digits are read as decimal, are they of thousands? 'n'" in message
    for other in ("0.25", "12.5"):
        frame["k"] = [other, *["3"] * 59]
        assert "thousands" not in "".join(read(written(frame, sep=separator))[1])


def test_points_everywhere_are_questioned_where_commas_would_be_decimal(table):
    frame = pd.DataFrame({"n": [f"{n * 29 % 90 + 1}.{n * 37 % 1000:03}" for n in range(ROWS)]})
    frame["k"] = LABEL
    assert "are they of thousands? 'n'" in read(written(frame, sep=";"))[1][0]
    assert read(written(frame, sep=","))[1] == []


@pytest.mark.parametrize(
    "texts", [["0.125", "2"], ["1234", "1.234"], ["1.25", "1.234"], ["1.2345", "1"]]
)
def test_points_that_are_decimal_are_not_questioned(texts):
    frame = pd.DataFrame({"n": texts * 30, "k": LABEL})
    assert read(written(frame, sep=";"))[1] == []


def test_a_line_that_tells_the_separator_is_taken(table):
    plain, _ = read(written(table))
    text = table.to_csv(index=False, sep=";")
    for first in ("sep=;", '"sep=;"', "SEP=;;;"):
        for encoding, end in (("utf-8-sig", "\n"), ("utf-16", "\r\n")):
            with open("excel.csv", "w", encoding=encoding, newline="") as file:
                file.write(first + end + text.replace("\n", end))
            made, notes = read("excel.csv")
            assert (made.features.names, notes) == (("a", "b", "c"), [])
            np.testing.assert_array_equal(made.train, plain.train)


def test_values_that_could_be_separated_in_two_ways():
    with open("rows.csv", "w") as file:
        file.write("a;b,c\n" + "1;2,3\n" * 20)
    assert "could be separated by any of [',', ';']" in refused("rows.csv")
    with open("rows.csv", "w") as file:
        file.write("a,b|c\n" + "".join(f"{n / 7},{n / 9}\n" for n in range(20)))
    assert read("rows.csv")[0].features.names == ("a", "b|c")


def test_a_first_line_of_numbers_is_no_header(table):
    table.to_csv("rows.csv", index=False, header=False)
    assert "its first line holds numbers where names" in refused("rows.csv")


ROWS_AT_THE_TOP = """
5,1,2 3,4,7 0,1,1 2,1,0 0,2,1 1.5,NA,2 1,,3 NA,2,n/a nan,inf,4 2024-01-31,7,8 True,4,5 0,tcp,4
"""


@pytest.mark.parametrize("first", ROWS_AT_THE_TOP.split())
def test_a_first_line_of_whole_numbers_and_gaps_is_no_header_either(first):
    with open("rows.csv", "w") as file:
        file.write(f"{first}\n" + "3,tcp,7\n2,4,5\n" * 30)
    assert "its first line holds numbers where names" in refused("rows.csv", drop=["b"])


@pytest.mark.parametrize("first", ["0;1;2", "1;2;3", ";0;1", "0;1;", "2020;a;4", "a;NA;b"])
def test_numbers_that_count_columns_are_names(first):
    with open("rows.csv", "w") as file:
        file.write(f"{first}\n" + "".join(f"{n % 7};{n % 5};{n % 3}\n" for n in range(60)))
    made, notes = read("rows.csv")
    assert len(made.train) + len(made.validation) + len(made.test) == 60
    assert "first line" not in "".join(notes)


def test_a_number_that_is_asked_for_is_a_name_and_said():
    with open("rows.csv", "w") as file:
        file.write("5;1.5;2\n" + "".join(f"{n % 7};{n % 5};{n % 2}\n" for n in range(60)))
    made, notes = read("rows.csv", label=2)
    assert made.features.names == ("5", "1.5")
    assert "its first line is taken for names: '5', '1.5', '2'" in notes[0]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_decimal_comma_stands_for_a_point(value):
    text = repr(value).replace(".", ",")
    assert COMMA.fullmatch(text)
    assert not COMMA.fullmatch(f"{text}.")


# Damaged files


def test_what_cannot_be_read_is_one_clear_line(table):
    table.assign(a=pd.Series([10**400] + [1] * 59, dtype=object)).to_csv("long.csv", index=False)
    assert re.search(
        "column 'a' holds numbers too large for float64 \\('?1000", refused("long.csv")
    )
    np.savez("none.npz", X=np.empty((60, 0)))
    assert "has no feature columns" in refused("none.npz")
    assert "has no feature columns" in refused(written(table[[]].assign(y=LABEL)), label="y")
    np.save("array.npy", np.zeros((60, 2)))
    with open("array.npy", "rb") as file, open("renamed.npz", "wb") as other:
        other.write(file.read())
    assert "holds one array, as .npy files do" in refused("renamed.npz")
    for array in (
        np.zeros((60, 2), complex),
        np.zeros((60, 2), "m8[s]"),
        np.zeros((60, 2), "M8[s]"),
    ):
        np.savez("other.npz", X=array)
        assert "must be a table of numbers" in refused("other.npz")


def test_texts_of_other_encodings_are_told_what_to_do(table):
    text = table.rename(columns={"a": "größe"}).to_csv(index=False)
    for encoding in ("latin-1", "cp1252"):
        with open("rows.csv", "w", encoding=encoding) as file:
            file.write(text)
        assert "it is no UTF-8 text (but Latin-1, Windows-1252?): save it" in refused("rows.csv")
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-be"):
        with open("rows.csv", "w", encoding=encoding) as file:
            file.write(text)
        assert "holds NUL bytes: it is no text, or UTF-16" in refused("rows.csv")


def test_lines_above_the_names_are_said(table):
    text = table.to_csv(index=False)
    for above in ("# made by us\n", "Device: A\nDate: today\n\n", "# one, two\n"):
        with open("rows.csv", "w") as file:
            file.write(above + text)
        assert "remove what stands above the names" in refused("rows.csv")
    with open("rows.csv", "w") as file:
        file.write(f"{text}1,2,3,4\n")
    assert "line 62 has 4 values where 3 columns are expected" in refused("rows.csv")


def test_arrays_of_objects_and_of_causes_are_named(table):
    np.savez("rows.npz", X=table.to_numpy(), y=LABEL.astype(object), why=table * 3)
    assert "array 'y' of rows.npz holds Python objects" in refused("rows.npz", label="y")
    assert "array 'X' of rows.npz" not in refused("rows.npz", label="y")
    message = refused("rows.npz", truth="why")
    assert "column 'feature 1' of array 'why' must be 0 or 1" in message


def test_an_index_of_a_parquet_is_left_out_or_asked_for(table):
    frame = table.assign(y=LABEL).set_index(pd.date_range("2024", periods=ROWS))
    made, notes = read(written(frame, "parquet"), label="y")
    assert made.features.names == ("a", "b", "c")
    assert "left out: its index" in notes[0]
    frame.assign(b="x").to_parquet("rows.parquet")
    assert "column 'b' holds text ('x' in row 1)" in refused("rows.parquet", label="y")
    made, notes = read(written(table.assign(y=LABEL).set_index("y"), "parquet"), label="y")
    assert (made.test_labels.sum(), notes) == (10, [])
    made, notes = read(written(table.set_index("a"), "parquet"), drop=["a"])
    assert made.features.names == ("b", "c")


# Scales


@pytest.mark.parametrize("seed", range(6))
def test_one_row_that_differs_is_of_order_one_whatever_the_seed(table, seed):
    table["b"], table["c"] = 3.0, 0.0
    table.loc[7, "b"], table.loc[9, "c"] = 3e7, -5e-9
    made, notes = read(written(table), seed=seed)
    everything = np.concatenate([made.train, made.validation, made.test])
    assert np.abs(everything[:, 1:]).max(axis=0).tolist() == [1, 1]
    constant = [n for n, column in zip("abc", made.train.T, strict=True) if np.ptp(column) == 0]
    assert constant == [name for name in "bc" if any(f"'{name}'" in note for note in notes)]
    assert (made.train[:, [list("abc").index(name) for name in constant]] == 0).all()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("huge", [1e20, -1e17])
def test_one_huge_value_is_refused_whatever_the_seed(table, seed, huge):
    table.loc[5, "b"] = huge
    message = refused(written(table), seed=seed)
    assert f"column 'b' reaches {huge:.3g} in few rows" in message


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("huge", "count"), [(1e14, 1), (-1e6, 2), (2e3, 3)])
def test_few_huge_values_are_said_whatever_the_seed(table, seed, huge, count):
    table.loc[3 : 2 + count, "b"] = huge
    _, notes = read(written(table), seed=seed)
    assert "few normal rows reach over a thousand ranges of the others in 'b'" in notes[0]
    assert "ranges of the training" not in notes[0]


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(("held", "count"), [(-999, 1), (-9999.0, 7), (99999, 40), (-999.25, 2)])
def test_numbers_that_stand_for_gaps_are_said(table, kind, held, count):
    table["b"] = np.where(np.arange(ROWS) < count, held, table.b)
    made, notes = read(written(table, kind))
    rows = "row" if count == 1 else "rows"
    name = made.features.names[1]
    assert f"may stand for gaps: {name!r} ({held:g} in {count} {rows})" in notes[0]
    assert "ranges of" not in notes[0]
    assert hinted(notes[0]) == [name]


def test_numbers_among_others_stand_for_themselves(table):
    table["b"] = np.arange(ROWS) ** 2 % 1001 - 0.5
    table.loc[7, "b"] = 999
    table["c"] = np.where(np.arange(ROWS) == 3, 998.0, table.c * 300)
    assert read(written(table))[1] == []


def shares(columns: int, dtype: type) -> np.ndarray:
    parts = np.random.default_rng(0).random((ROWS, columns)).astype(dtype)
    parts /= parts.sum(axis=1, keepdims=True)
    total = np.zeros(ROWS, dtype)
    for column in parts.T[::-1]:
        total += column
    return total


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("factor", [1.0, 1e-3, 1e6])
@pytest.mark.parametrize(
    ("columns", "dtype"), [(3, np.float64), (200, np.float64), (4, np.float32)]
)
def test_shares_that_sum_to_one_are_constant(table, kind, columns, dtype, factor):
    column = shares(columns, dtype) * dtype(factor)
    assert len(np.unique(column)) > 1
    table["b"] = column
    table.loc[59, "b"] = 0.97 * factor
    path = written(table.assign(y=LABEL), kind)
    made, notes = read(path, label="y")
    assert (made.train[:, 1] == 0).all()
    assert np.abs(made.test[:, 1]).max() == 1
    assert "constant in training: column" in notes[0]


@pytest.mark.parametrize(
    "column",
    [
        1e9 + np.random.default_rng(0).integers(0, 9, ROWS),
        1.0 + 1e-9 * np.random.default_rng(0).random(ROWS),
        5334521.25 + np.random.default_rng(0).integers(0, 400, ROWS) / 100,
        1e-13 * np.random.default_rng(0).random(ROWS),
        100_000 + np.random.default_rng(0).integers(0, 9, ROWS) / 100,
        (52.12345 + np.random.default_rng(0).integers(0, 5, ROWS) * 1e-5).round(5),
        (230 + np.random.default_rng(0).integers(0, 4, ROWS) * 1e-4).round(4),
    ],
)
def test_small_spreads_that_mean_something_are_kept(table, column):
    made, notes = read(written(table.assign(b=column)))
    assert (made.train[:, 1].min(), made.train[:, 1].max()) == (0, 1)
    assert len(np.unique(made.train[:, 1])) > 3
    assert notes == []


OVERFLOW = {
    "tiny range": np.where(LABEL, 1.0, 1e-42 * np.arange(ROWS)),
    "huge range": np.where(np.arange(ROWS) % 2, 1.7e308, -1.7e308),
    "far away": np.where(LABEL, 1e300, np.random.default_rng(0).random(ROWS)),
    "squares": np.where(LABEL, -1e25, np.random.default_rng(0).random(ROWS)),
}


@pytest.mark.parametrize("kind", ["parquet", "npz"])
@pytest.mark.parametrize("what", OVERFLOW)
def test_what_overflows_is_named_before_a_detector_is_trained(table, kind, what):
    path = written(table.assign(b=OVERFLOW[what], y=LABEL), kind)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        message = refused(path, label="y")
    assert "values overflow when they are scaled" in message
    assert "column 'b' reaches" in message or "column 'feature 2' reaches" in message


def test_large_numbers_that_fit_are_scaled(table):
    made, _ = read(written(table * 1e300))
    assert np.isfinite(made.train).all()
    np.testing.assert_allclose(made.train, read(written(table))[0].train, rtol=1e-5)


# What a Dataset can hold


@pytest.fixture
def full(table) -> pd.DataFrame:
    return table.assign(
        ip_1=[1, 0, 0] * 20,
        ip_2=[0, 1, 0] * 20,
        y=LABEL,
        session=[f"s{n // 3}" for n in range(ROWS)],
        what=np.where(LABEL, "theft", None),
        why_ip=LABEL,
        why_a=np.where(np.arange(ROWS) == 59, 1, 0),
    )


EVERYTHING = {
    "label": "y",
    "unit": "session",
    "kind": "what",
    "truth": "why_",
    "groups": ["ip_*"],
}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_units_kinds_and_groups(full, kind):
    made, notes = read(written(full, kind), **EVERYTHING)
    assert notes == []
    assert made.features.names == ("a", "b", "c", "ip_1", "ip_2")
    assert made.features.groups == (0, 1, 2, 3, 3)
    assert made.features.kinds == ("columns", "columns", "columns", "onehot")
    assert set(made.test_kinds[made.test_labels]) == {"theft"}
    assert len(set(made.test_units[made.test_labels])) == 4
    assert made.test_truth[made.test_labels][:, 3:].all()
    assert made.test_truth[:, 0].sum() == 1
    assert set(np.unique(made.train[:, 3:])) == {0, 1}


def test_units_and_kinds_of_an_npz(table):
    np.savez("rows.npz", X=table, y=LABEL, u=np.arange(ROWS) // 5, k=np.array(["x"] * ROWS))
    made, _ = read("rows.npz", label="y", unit="u", kind="k", groups=["feature 1", "feature [23]"])
    assert made.features.groups == (0, 1, 1)
    assert made.features.kinds == ("columns", "columns")
    assert len(set(made.test_units[made.test_labels])) == 2
    assert set(made.test_kinds) == {"x"}


def test_a_code_is_named_in_its_pattern(full):
    made, _ = read(written(full), **{**EVERYTHING, "groups": ["ip_*:embedding"]})
    assert made.features.kinds[-1] == "embedding"


@pytest.mark.parametrize(
    ("wrong", "held"),
    [
        ({"ip_1": 5}, "column 'ip_1' holds 5 in row 8 (1 such rows in all)"),
        ({"ip_2": 0.5}, "column 'ip_2' holds 0.5 in row 8 (1 such rows in all)"),
        ({"ip_1": 1, "ip_2": 1}, "'ip_1' and 'ip_2' are 1 in row 8 (1 such rows in all)"),
    ],
)
def test_what_is_declared_a_category_must_be_one(full, wrong, held):
    for name, value in wrong.items():
        full[name] = full[name].astype(float)
        full.loc[7, name] = value
    message = refused(written(full), **{**EVERYTHING, "groups": ["ip_*:onehot"]})
    assert f"groups: ip_*:onehot must hold 0 and 1, and one 1 at most in a row: {held}" in message
    made, _ = read(written(full), **EVERYTHING)
    assert made.features.kinds[-1] == "columns"


def test_a_declared_category_may_have_one_column_and_rows_without_a_one(full):
    path = written(full[["a", "ip_1", "ip_2"]])
    made, _ = read(path, groups=["ip_1:onehot", "ip_2:onehot"])
    assert made.features.kinds == ("columns", "onehot", "onehot")


def test_patterns_that_fit_nothing_or_a_column_twice_are_refused(full):
    message = refused(written(full), **{**EVERYTHING, "groups": ["ip_*", "ip_2", "port_*"]})
    assert "column 'ip_2' matches two patterns" in message
    assert "no column is called port_*" in message


def test_a_category_that_training_never_has_stays_zero_or_one(full):
    full["ip_1"] = LABEL
    full["ip_2"] = 1 - LABEL
    made, notes = read(written(full), **EVERYTHING)
    assert (made.train[:, 3:] == [0, 1]).all()
    assert (made.test[made.test_labels][:, 3:] == [1, 0]).all()
    assert notes == []


def test_gaps_in_units_and_in_kinds_of_anomalies(full):
    full.loc[4, "session"] = full.loc[55, "what"] = None
    message = refused(written(full), **EVERYTHING)
    assert "unit column 'session' is empty in row 5" in message
    assert "kind column 'what' is empty in row 56" in message
    assert "give label or truth too" in refused(written(full[["a", "what"]]), kind="what")


def test_a_split_in_time_keeps_the_order(table):
    made, _ = read(written(table.assign(b=np.arange(ROWS) ** 2, y=LABEL)), label="y", split="time")
    order = [made.train[:, 1], made.validation[:, 1], made.test[:, 1]]
    assert list(map(len, order)) == [30, 10, 20]
    assert (np.diff(np.concatenate(order)) > 0).all()
    assert made.test_labels.tolist() == [False] * 10 + [True] * 10


def test_anomalies_of_all_times_are_in_the_test(table):
    early = np.arange(ROWS) < 10
    made, _ = read(written(table.assign(y=early)), label="y", split="time")
    assert made.test_labels.tolist() == [True] * 10 + [False] * 10


@pytest.mark.parametrize("seed", range(3))
def test_whole_units_are_in_one_part(table, seed):
    unit = np.random.default_rng(seed).permutation(ROWS) // 4
    first = ~pd.Series(unit).duplicated()
    frame = table.assign(b=unit, u=unit, y=np.isin(unit, [2, 5, 8]) & first)
    made, _ = read(written(frame), label="y", unit="u", split="unit", seed=seed)
    assert (len(made.train), len(made.validation)) == (28, 8)
    parts = [set(part[:, 1]) for part in (made.train, made.validation, made.test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 15
    assert len(set(made.test_units)) == len(parts[2])


def test_a_split_by_units_needs_units(table):
    assert "split=unit needs unit=COLUMN" in refused(written(table), split="unit")
    frame = table.assign(u=np.arange(ROWS) // 30)
    message = refused(written(frame), split="unit", unit="u")
    assert "units without an anomalous row are too few to split: 2" in message


@pytest.mark.parametrize("kind", ["csv", "parquet", "npz"])
def test_anomalous_rows_without_a_cause_are_counted(table, kind):
    causes = (np.arange(ROWS) >= 53)[:, None] & np.array([True, False, False])
    if kind == "npz":
        np.savez("rows.npz", X=table, y=LABEL, why_=causes)
        path = "rows.npz"
    else:
        path = written(table.assign(y=LABEL, why_a=causes[:, 0]), kind)
    note = "3 rows are anomalous by 'y', and 'why_' has no cause for them: their explanations are"
    assert f"{note} not scored (first: row 51)" in read(path, label="y", truth="why_")[1][0]
    assert read(path, label="y", truth="why_", drop=[])[0].test_labels.sum() == 10


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_test_file_of_its_own(table, full, kind):
    path = written(table[["c", "b", "a"]].iloc[:40], kind, "train")
    test = written(full.iloc[40:].drop(columns=["ip_1", "ip_2", "why_ip"]), kind, "test")
    made, notes = read(path, test=test, **{**EVERYTHING, "groups": []})
    assert len(notes) == 1
    assert "9 rows are anomalous by 'y', and 'why_' has no cause for them" in notes[0]
    assert made.features.names == ("c", "b", "a")
    assert list(map(len, (made.train, made.validation, made.test))) == [30, 10, 20]
    assert made.test_labels.tolist() == [False] * 10 + [True] * 10
    assert made.test_truth[:, 2].sum() == 1
    np.testing.assert_allclose(
        np.diff(made.test[:, 2]) * width_of(table, made), np.diff(full.a[40:]), atol=1e-5
    )


def width_of(table, made):
    return np.ptp(table.a) / np.ptp(np.concatenate([made.train, made.validation, made.test])[:, 2])


def test_a_test_file_that_does_not_fit_is_told_how(table):
    path = written(table.iloc[:30].assign(d=1.0), "csv", "train")
    test = written(table.iloc[30:].assign(e=1.0), "csv", "test")
    message = refused(path, test=test, label="y")
    assert "train.csv has columns that test.csv lacks: 'd'" in message
    assert "test.csv has columns that train.csv lacks: 'e'" in message
    assert "unknown column of test.csv 'y'" in message
    made, _ = read(path, test=test, drop=["d", "e"])
    assert made.features.names == ("a", "b", "c")
    all_odd = written(table.assign(y=1), "csv", "odd")
    assert "no row of the test file is normal" in refused(
        written(table, "csv", "train"), test=all_odd, label="y"
    )


def test_anomalies_of_the_training_file_are_left_out_and_said(table):
    path = written(table.assign(y=LABEL), "csv", "train")
    made, notes = read(path, test=written(table.assign(y=LABEL), "csv", "test"), label="y")
    assert (len(made.train) + len(made.validation), len(made.test)) == (50, ROWS)
    assert made.test_labels.sum() == 10
    assert "10 anomalous rows of train.csv are left out" in notes[0]


def test_row_numbers_are_left_out_of_both_files(table):
    table.iloc[:40].to_csv("train.csv")
    table.iloc[[0, 0, 5, *range(40, ROWS)]].to_csv("test.csv")  # here they repeat
    made, _ = read("train.csv", test="test.csv")
    assert made.features.names == ("a", "b", "c")


def test_a_table_with_nothing_to_remark_says_nothing(table):
    for kind in READERS:
        assert read(written(table.assign(y=LABEL), kind), label="y")[1] == []


SPLITS = ("train", "validation", "test")


@given(st.integers(0, 5), st.sampled_from(["random", "time", "unit"]), st.integers(-3, 9))
def test_a_row_is_found_in_the_file_by_its_number(seed, split, size):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(3.0, 1.0, (ROWS, 2)) * 10.0**size, columns=["a", "b"])
    frame = frame.assign(y=LABEL, day=np.arange(ROWS) // 6)
    how = {"label": "y", "drop": ["day"]} if split != "unit" else {"label": "y", "unit": "day"}
    made, _ = read(written(frame), split=split, seed=seed, **how)
    source = pd.read_csv("rows.csv")
    for name in SPLITS:
        rows, numbers = getattr(made, name), made.numbers(name)
        assert np.array_equal(made.transform(source.iloc[numbers]), rows)
        values = source.loc[numbers, ["a", "b"]].to_numpy()
        assert np.allclose(made.inverse(rows), values, rtol=1e-6, atol=1e-6 * 10.0**size)
    every = np.concatenate([made.numbers(name) for name in SPLITS])
    assert sorted(every.tolist()) == list(range(ROWS))


def test_beside_a_test_file_its_rows_are_numbered(table):
    written(table.assign(y=LABEL))
    test = written(table.iloc[::-1].assign(y=LABEL[::-1]), name="later")
    made, _ = read("rows.csv", label="y", test=test)
    assert made.numbers().tolist() == list(range(ROWS))
    assert made.numbers("train").tolist() == []
    assert np.array_equal(made.sample(0), made.transform(table.iloc[[-1]]))
    with pytest.raises(RequestError, match=f"there is no row {ROWS}: .* numbered 0 to {ROWS - 1}"):
        made.row(ROWS)


SCALES = {
    "minmax": lambda v: (v - v.min()) / (v.max() - v.min()),
    "standard": lambda v: (v - v.mean()) / v.std(ddof=0),
    "robust": lambda v: (v - np.median(v)) / (np.quantile(v, 0.75) - np.quantile(v, 0.25)),
    "none": lambda v: v,
}


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("scale", SCALES)
def test_a_scale_is_that_of_the_training_rows_and_no_row_moves(table, kind, scale):
    values = table * 40 - 7
    path = written(values.assign(y=LABEL), kind)
    made, notes = read(path, label="y", scale=scale)
    usual, _ = read(path, label="y")
    assert notes == []
    for name in SPLITS:
        assert made.numbers(name).tolist() == usual.numbers(name).tolist()
        rows = values.to_numpy()[made.numbers(name)]
        assert np.allclose(made.inverse(getattr(made, name)), rows, rtol=1e-6, atol=1e-5)
    right = values.iloc[made.numbers("train")].apply(SCALES[scale])
    assert np.allclose(made.train, right, rtol=1e-5, atol=1e-5)
    low, high = made.features.bounds((3,))
    if scale == "minmax":
        assert (made.features.low, made.features.high) == (0.0, 1.0)
    assert np.array_equal(low.astype(np.float32), made.train.min(axis=0))
    assert np.array_equal(high.astype(np.float32), made.train.max(axis=0))


def test_without_a_scale_the_rows_are_those_of_the_file(table):
    made, _ = read(written(table * 1000), scale="none")
    assert np.array_equal(made.test, (table * 1000).to_numpy(np.float32)[made.numbers()])


@pytest.mark.parametrize(
    ("scale", "given", "found"),
    [
        ("minmax", "mlp", "mlp"),
        ("none", "mlp", "mlp[output=identity]"),
        ("standard", "mlp[widths=[8, 2]]", "mlp[output=identity,widths=[8, 2]]"),
        ("robust", "mlp[output=tanh]", "mlp[output=tanh]"),
        ("robust", "variational", "variational"),
    ],
)
def test_an_autoencoder_can_reach_what_is_not_between_0_and_1(table, scale, given, found):
    made, _ = read(written(table), scale=scale, autoencoder=given)
    assert made.autoencoder == found


def test_categories_stay_in_every_scale(full):
    path = written(full)
    for scale in SCALES:
        made, _ = read(path, **EVERYTHING, scale=scale)
        codes = [name.startswith("ip_") for name in made.features.names]
        assert set(np.unique(made.test[:, codes])) <= {0.0, 1.0}
        low, high = made.features.bounds(made.test.shape[1:])
        assert (low[codes].tolist(), high[codes].tolist()) == (
            [0.0] * sum(codes),
            [1.0] * sum(codes),
        )
        assert "ip" in made.features.group_names(made.test.shape[1:])
