from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from aexbench import Dataset, Features, RequestError, datasets, rows
from aexbench.contracts import not_finite
from aexbench.datasets.tools.splits import split

EMBEDDED = ["breast-cancer", "wine", "digits"]


@pytest.fixture(params=EMBEDDED)
def dataset(request) -> Dataset:
    return datasets.create(request.param)


def test_training_split_spans_zero_to_one_and_holds_normals_only(dataset):
    assert dataset.train.dtype == np.float32
    assert (dataset.train.min(), dataset.train.max()) == (0.0, 1.0)
    assert len(dataset.features.names) == dataset.train.shape[1]
    assert dataset.test_labels.sum() > 10
    assert len(dataset.normal) == (~dataset.test_labels).sum() > 10


def test_splits_are_seeded_and_share_no_row(dataset):
    rows = [
        row.tobytes()
        for part in (dataset.train, dataset.validation, dataset.normal)
        for row in part
    ]
    assert len(set(rows)) >= 0.99 * len(rows)  # a few rows of the data themselves are equal


@pytest.mark.parametrize("name", EMBEDDED)
def test_same_seed_same_split_another_seed_another(name):
    one, same, other = (datasets.create(name, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.train, same.train)
    assert not np.array_equal(one.train, other.train)


def test_scale_comes_from_the_training_split_alone():
    table = np.arange(40.0).reshape(20, 2)
    table[:, 1] = 7.0
    outside = 0
    for seed in range(5):
        made = split(table, ["a", "constant"], seed=seed)
        assert (made.train[:, 0].min(), made.train[:, 0].max()) == (0, 1)
        assert (made.train[:, 1] == 0).all()
        rest = np.concatenate([made.validation, made.test])[:, 0]
        outside += rest.max() > 1 or rest.min() < 0
    assert outside >= 3


def test_one_scale_keeps_columns_comparable():
    rng = np.random.default_rng(0)
    table = np.column_stack([rng.random(30), 10 * rng.random(30)])
    made = split(table, "ab", one_scale=True)
    assert made.train[:, 0].max() < 0.2
    assert made.train[:, 1].max() == 1.0


@pytest.fixture
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.random((60, 3)), columns=["a", "b", "c"])
    frame["note"], frame["bad"] = "text", (np.arange(60) >= 50).astype(int)
    frame["why_b"] = frame["bad"].astype(bool)
    return frame


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_file_with_label_and_truth(table, tmp_path, kind):
    path = tmp_path / f"rows.{kind}"
    table.to_csv(path, index=False) if kind == "csv" else table.to_parquet(path)
    made = datasets.create("file", path=path, label="bad", truth="why_", drop=["note"])
    assert made.features.names == ("a", "b", "c")
    assert made.test_labels.sum() == 10
    np.testing.assert_array_equal(made.test_truth.any(axis=1), made.test_labels)
    assert made.test_truth[made.test_labels, 1].all()


def test_file_npz(table, tmp_path):
    path, x = tmp_path / "rows.npz", table[["a", "b", "c"]].to_numpy()
    why = np.zeros((60, 3), bool)
    why[50:, 2] = True
    np.savez(path, X=x, y=table["bad"].to_numpy()[:, None], why=why)
    made = datasets.create(f"file[path={path},label=y,truth=why]")
    assert made.test_truth[made.test_labels].sum() == 10
    assert datasets.create("file", path=path).test_labels is None
    with pytest.raises(RequestError, match=r"unknown array of rows\.npz 'label'"):
        datasets.create("file", path=path, label="label")
    with pytest.raises(RequestError, match=r"'y' of rows\.npz has shape"):
        datasets.create("file", path=path, truth="y")


def test_two_files_agree_whatever_their_kind(table, tmp_path):
    table[["a", "b", "c"]].to_csv(tmp_path / "rows.csv", index=False)
    np.savez(tmp_path / "rows.npz", X=table[["a", "b", "c"]].to_numpy())
    one, other = (
        datasets.create("file", path=tmp_path / f"rows.{kind}") for kind in ("csv", "npz")
    )
    np.testing.assert_allclose(one.train, other.train)


def test_rows_with_a_true_column_are_anomalous_where_no_label_says_so(table, tmp_path):
    table.drop(columns=["note", "bad"]).to_csv(tmp_path / "rows.csv", index=False)
    made = datasets.create("file", path=tmp_path / "rows.csv", truth="why_")
    assert made.test_labels.sum() == 10
    assert len(made.train) == 30


def test_labels_may_be_numbers_and_nothing_else():
    x = np.zeros((5, 2))
    made = Dataset(x, x, x, Features(), test_labels=[0, 1, 0, 0, 1])
    assert (made.train.dtype, made.test_labels.dtype, len(made.normal)) == (np.float32, bool, 3)
    for labels in ([0, 2, 0, 0, 0], [0, 1], [[0, 1, 0, 0, 0]]):
        with pytest.raises(RequestError, match="test_labels of a Dataset"):
            Dataset(x, x, x, Features(), test_labels=labels)
    with pytest.raises(RequestError, match="must be numbers"):
        Dataset(x, x, np.array([["a"]]), Features())


X = np.zeros((5, 2))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_values_that_are_not_finite_are_named(split, value):
    parts = {name: X.copy() for name in ("train", "validation", "test")}
    parts[split][3, 1] = value
    with pytest.raises(RequestError, match=rf"^{split} of a Dataset is not finite in row 3, colu"):
        Dataset(**parts, features=Features())
    parts[split][4] = value
    with pytest.raises(RequestError, match=r"column 1 \('b'\): .* \(3 such values\)$") as caught:
        Dataset(**parts, features=Features(names=("a", "b")))
    assert ("beyond float32" in str(caught.value)) == (value == 1e300)


def test_splits_that_are_not_finite_are_named_together():
    bad = X * np.nan
    with pytest.raises(RequestError, match=r"train of a.*; validation of a.*; test of a"):
        Dataset(bad, bad, bad, Features())


def test_a_pixel_is_named_by_its_place():
    images = np.zeros((3, 1, 4, 4), np.float32)
    images[2, 0, 1, 3] = np.nan
    with pytest.raises(RequestError, match=r"test of a Dataset.*row 2, at \(0, 1, 3\): nan"):
        Dataset(images[:2], images[:2], images, Features())


def test_rows_are_counted_over_blocks(monkeypatch):
    monkeypatch.setattr(rows, "BLOCK_BYTES", 32)
    x = np.zeros((50, 2))
    x[[33, 41], 0] = np.nan
    assert not_finite(x, "clean") == "clean is not finite in row 33, column 0: nan (2 such values)"


def test_a_memory_map_is_not_read_when_a_data_set_is_made(tmp_path):
    kept = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (20, 3))
    kept[7] = np.nan
    for part in (kept, np.asarray(kept), kept[2:], np.asarray(kept)[::2]):
        assert not_finite(part, "train") == ""
    assert len(Dataset(kept, kept, kept, Features()).train) == 20
    assert "row 7, column 0" in not_finite(np.array(kept), "train")


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "m8[s]", "M8[s]", "U3", "S3"])
def test_what_is_no_number_is_refused_in_memory(dtype):
    with pytest.raises(RequestError, match="validation of a Dataset must be numbers"):
        Dataset(X, X.astype(int).astype(dtype), X, Features())


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float16", ">f4", ">i2", "longdouble"])
def test_numbers_of_every_type_are_taken(dtype):
    made = Dataset(X + 1, np.eye(2).astype(dtype), X, Features())
    assert made.validation.dtype == np.float32
    assert made.validation.tolist() == [[1, 0], [0, 1]]


@pytest.fixture
def mixed() -> pd.DataFrame:
    frame = pd.DataFrame({"f": np.array([0.5, 1.0, 2.0], np.float32), "b": [True, False, True]})
    frame["i"] = pd.array([1, 2, 3], dtype="Int64")
    frame["t"] = pd.array([True, False, False], dtype="boolean")
    return frame.assign(d=[Decimal("0.5"), Decimal(2), Decimal(3)])


MIXED = [[0.5, 1, 1, 1, 0.5], [1, 0, 2, 0, 2], [2, 1, 3, 0, 3]]


def test_frames_of_mixed_types_are_rows(mixed):
    truth = np.array(MIXED) > 1
    made = Dataset(mixed, mixed, mixed, Features(), mixed["t"], pd.DataFrame(truth))
    assert made.train.tolist() == MIXED
    assert made.test_labels.tolist() == [True, False, False]
    assert made.test_truth.tolist() == truth.tolist()
    assert made.normal.tolist() == MIXED[1:]


@pytest.mark.parametrize("column", list("fitd"))
def test_a_gap_in_a_frame_is_named_with_its_split_and_row(mixed, column):
    holed = mixed.copy()
    holed.loc[2, column] = None
    with pytest.raises(RequestError, match="test of a Dataset is not finite in row 2, column"):
        Dataset(mixed, mixed, holed, Features())


def test_a_column_of_a_frame_that_is_no_number_is_named(mixed):
    odd = mixed.assign(w=pd.Timestamp("2024"), c=1j)
    message = r"train of a Dataset: column 'w' holds dates .*; column 'c' holds complex numbers"
    with pytest.raises(RequestError, match=message):
        Dataset(odd, mixed, mixed, Features())


def test_masked_values_are_gaps():
    masked = np.ma.masked_equal(np.arange(10).reshape(5, 2), 7)
    with pytest.raises(RequestError, match="validation of a Dataset is not finite in row 3, col"):
        Dataset(X, masked, X, Features())
    assert Dataset(X, np.ma.masked_array(X), X, Features()).validation.tolist() == X.tolist()


@pytest.mark.parametrize(
    "labels",
    [pd.Series([1, 0, None, 0, 0], dtype="Int8"), [True, None, False, 1, 0], pd.Series([*"abcde"])],
)
def test_labels_with_gaps_are_refused(labels):
    with pytest.raises(RequestError, match="test_labels of a Dataset must be 0 or 1"):
        Dataset(X, X, X, Features(), test_labels=labels)


def test_parts_that_do_not_belong_together_are_refused():
    x = np.zeros((5, 2), np.float32)
    with pytest.raises(RequestError, match="different shapes"):
        Dataset(x, x, np.zeros((5, 3), np.float32), Features())
    with pytest.raises(RequestError, match="describes 3 columns"):
        Dataset(x, x, x, Features(names=("a", "b", "c")))


def test_a_million_columns_are_refused_in_one_line(tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text(
        ",".join(f"c{i}" for i in range(1_000_000)) + "\n" + ",".join(["1"] * 1_000_000) + "\n"
    )
    with pytest.raises(RequestError, match=r"wide.csv has 1000000 columns, more than 20000"):
        datasets.create("file", path=path)
    np.savez(tmp_path / "wide.npz", X=np.zeros((12, 20_001), np.float32))
    with pytest.raises(RequestError, match="20001 columns"):
        datasets.create("file", path=tmp_path / "wide.npz")
