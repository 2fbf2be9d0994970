from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aexbench import Dataset, Features, corruptions, explainers, rows
from aexbench.datasets.tools import shards
from aexbench.datasets.tools.embedding import EncodedRows
from aexbench.errors import RequestError, StoreError
from aexbench.explainers.tools.baselines import baseline, nearest
from aexbench.frames import NumberError, number
from aexbench.rows import sample


@pytest.mark.parametrize(
    "value", [np.timedelta64(3, "s"), np.timedelta64(3), np.timedelta64("NaT")]
)
def test_durations_are_no_numbers_though_numpy_calls_them_so(value):
    with pytest.raises(NumberError, match="durations"):
        number(value)


@pytest.fixture(scope="module")
def table() -> np.ndarray:
    return np.random.default_rng(0).normal(100.0, 0.1, (57, 3)).astype(np.float32)


@pytest.fixture
def sharded(table, tmp_path) -> shards.Shards:
    return shards.stored(
        tmp_path, len(table), lambda a, b: {"x": table[a:b]}, ["x"], shard_rows=10
    )["x"]


@given(
    st.integers(-70, 70) | st.none(),
    st.integers(-70, 70) | st.none(),
    st.sampled_from([None, 1, 2, -1, -3]),
)
def test_shards_are_sliced_like_an_array(tmp_path_factory, start, stop, step):
    values = np.arange(60.0).reshape(30, 2)
    folder = tmp_path_factory.getbasetemp() / "sliced"
    made = shards.stored(folder, 30, lambda a, b: {"x": values[a:b]}, ["x"], shard_rows=7)["x"]
    np.testing.assert_array_equal(made[start:stop:step], values[start:stop:step])


def test_shards_are_picked_like_an_array(table, sharded):
    assert (len(sharded), sharded.shape, sharded.dtype) == (57, (57, 3), np.float32)
    assert len(sharded.paths) == 6
    for index in (
        np.array([56, 0, 0, 31, -1]),
        table[:, 0] > 100,
        np.array([], dtype=np.int64),
        3,
        -57,
    ):
        np.testing.assert_array_equal(sharded[index], table[index])
    with pytest.raises(IndexError, match="row 57 of 57"):
        sharded[np.array([0, 57])]


def test_picked_rows_are_those_rows(table, sharded):
    numbers = np.array([40, 2, 13])
    picked = rows.Picked(sharded, numbers)
    assert (len(picked), picked.shape, picked.dtype) == (3, (3, 3), np.float32)
    np.testing.assert_array_equal(picked[1:], table[numbers][1:])
    np.testing.assert_array_equal(picked[np.array([2, 0])], table[numbers][[2, 0]])
    np.testing.assert_array_equal(picked[0], table[40])
    np.testing.assert_array_equal(np.asarray(picked), table[numbers])


def test_what_is_there_is_not_made_again_and_what_was_interrupted_goes_on(table, tmp_path):
    asked = []

    def make(start, stop):
        if len(asked) == 3:
            raise KeyboardInterrupt
        asked.append((start, stop))
        return {"x": table[start:stop], "y": table[start:stop, 0]}

    with pytest.raises(KeyboardInterrupt):
        shards.stored(tmp_path, 57, make, ["x", "y"], shard_rows=10)
    asked.remove((20, 30))
    (tmp_path / "x-00002.npy").unlink()  # one of two files is lost
    asked.clear()
    made = shards.stored(
        tmp_path,
        57,
        lambda a, b: asked.append(a) or {"x": table[a:b], "y": table[a:b, 0]},
        ["x", "y"],
        10,
    )
    assert asked == [20, 30, 40, 50]
    np.testing.assert_array_equal(made["x"][:], table)
    np.testing.assert_array_equal(made["y"][:], table[:, 0])
    assert not list(tmp_path.glob(".*"))


def test_a_damaged_shard_is_named(sharded):
    sharded.paths[3].write_bytes(b"nothing")
    with pytest.raises(StoreError, match=r"x-00003\.npy is no array.*delete it"):
        len(sharded)


def test_a_shard_of_other_columns_is_named(sharded):
    np.save(sharded.paths[1], np.zeros((10, 4), np.float32))
    with pytest.raises(StoreError, match="x-00001"):
        len(sharded)


def test_moments_are_numpys_also_far_from_zero(table, sharded, monkeypatch):
    monkeypatch.setattr(rows, "BLOCK_BYTES", 60)  # five rows
    mean, spread = rows.moments(sharded)
    np.testing.assert_allclose(mean, table.mean(axis=0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(spread, table.std(axis=0, dtype=np.float64), rtol=1e-9)


def fixed(values: np.ndarray) -> np.ndarray:
    values.flags.writeable = False
    return values


def test_moments_of_rows_that_cannot_be_written_are_read_once(sharded, monkeypatch):
    picked = rows.Picked(fixed(np.arange(6.0).reshape(3, 2)), fixed(np.array([0, 2])))
    encoded = EncodedRows(sharded, lambda block: block + 1, sharded.shape[1], sharded.dtype)
    every = (sharded, encoded, picked, picked.rows)
    known = [rows.moments(one) for one in every]
    monkeypatch.setattr(rows, "blocks", lambda values: pytest.fail("read again"))
    for one, (mean, spread) in zip(every, known, strict=True):
        np.testing.assert_array_equal(rows.moments(one), (mean, spread))
        mean += 1  # a caller's own
        assert not np.array_equal(rows.moments(one)[0], mean)


class Own:
    """A caller's own rows, which say nothing of whether they change."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        return self.values[index]


def test_moments_of_what_can_be_written_are_taken_anew():
    values = np.arange(6.0).reshape(3, 2)
    encoded = EncodedRows(values, lambda block: 2 * block, 2, np.dtype(float))
    for one, by in ((values, 1), (rows.Picked(values, np.array([0, 2])), 1), (encoded, 2)):
        before = rows.moments(one)[0]
        values += 1
        np.testing.assert_array_equal(rows.moments(one)[0], before + by)
    own, before = Own(values), rows.moments(Own(values))[0]
    values += 1
    np.testing.assert_array_equal(rows.moments(own)[0], before + 1)
    picked = rows.Picked(fixed(values), np.array([0, 1]))
    before = rows.moments(picked)[0]
    picked.numbers[:] = 2
    assert not np.array_equal(rows.moments(picked)[0], before)


def test_what_is_known_of_rows_goes_with_them():
    rows.forget()
    values = fixed(np.arange(6.0).reshape(3, 2))
    rows.moments(values)
    assert len(rows._KNOWN) == 1
    del values
    assert not rows._KNOWN


def permutations(seed: int):
    rng = np.random.default_rng(seed)
    return lambda count: rng.permutation(count)


def test_small_data_is_shuffled_as_a_whole(table):
    (pool,) = rows.shuffled(table, permutations(3))
    np.testing.assert_array_equal(pool, table[permutations(3)(57)])


def test_large_data_comes_once_in_runs_of_random_order(monkeypatch):
    monkeypatch.setattr(rows, "RUN_BYTES", 4 * 8)
    monkeypatch.setattr(rows, "POOL_BYTES", 40 * 8)
    values = np.arange(201.0)[:, None]
    pools = [pool[:, 0] for pool in rows.shuffled(values, permutations(0))]
    assert sorted(np.concatenate(pools).tolist()) == values[:, 0].tolist()
    assert max(map(len, pools)) <= 40
    first = pools[0]
    assert len({int(row) // 4 for row in first}) == 10, "ten runs of four"
    assert (np.diff(first) == 1).mean() < 0.5, (
        "shuffled inside: rows of one run do not follow each other"
    )
    assert first.max() - first.min() > 80, "runs from everywhere"


def parts(table: np.ndarray, folder) -> list:
    made = {}
    for name, part in (
        ("train", table[:300]),
        ("validation", table[300:400]),
        ("test", table[400:]),
    ):
        made[name] = shards.stored(
            folder / name, len(part), lambda a, b, p=part: {"x": p[a:b]}, ["x"], 64
        )["x"]
    return [made["train"], made["validation"], made["test"]]


def test_a_detector_trained_from_shards_is_the_one_trained_from_memory(
    linear_rows, tmp_path, monkeypatch
):
    monkeypatch.setenv("AEXBENCH_CACHE", str(tmp_path / "cache"))
    labels = np.arange(200) % 4 == 0
    text = "mlp[widths=[3],epochs=30,learning_rate=0.02]"
    kept = Dataset(
        linear_rows[:300],
        linear_rows[300:400],
        linear_rows[400:],
        Features(),
        labels,
        autoencoder=text,
    )
    streamed = Dataset(*parts(linear_rows, tmp_path), Features(), labels, autoencoder=text)
    first, second = kept.detector(), streamed.detector()
    assert len(list((tmp_path / "cache" / "detectors").iterdir())) == 1, "one content, one key"
    assert dict(first.report) == dict(second.report)
    assert 0 <= first.report["roc_auc"] <= 1
    np.testing.assert_array_equal(streamed.normal[:], kept.normal)
    assert isinstance(streamed.normal, rows.Picked)
    np.testing.assert_allclose(second.error(streamed.test), first.error(kept.test), rtol=1e-6)
    one, other = (
        corruptions.create("swap").generate(d, s.normal, count=10, threshold=0.05, seed=0)
        for d, s in ((first, kept), (second, streamed))
    )
    np.testing.assert_array_equal(one.x, other.x)


def test_baselines_and_floors_read_shards_in_blocks(linear_rows, detector, tmp_path, monkeypatch):
    train = parts(linear_rows, tmp_path)[0]
    x = torch.as_tensor(linear_rows[400:410])
    np.testing.assert_array_equal(sample(train, 20), sample(linear_rows[:300], 20))
    torch.testing.assert_close(nearest(x, train), nearest(x, linear_rows[:300]))
    torch.testing.assert_close(
        baseline("mean", detector, train)(x), baseline("mean", detector, linear_rows[:300])(x)
    )
    made = [
        explainers.create("deviation", detector, background=b).explain(x)
        for b in (train, linear_rows[:300])
    ]
    torch.testing.assert_close(*made)


def test_rows_beyond_and_masks_of_another_length_are_told_as_they_were_given(sharded):
    for index, message in [
        (-58, "row -58 of 57"),
        ([3, -60], "row -60 of 57"),
        (57, "row 57 of 57"),
    ]:
        with pytest.raises(IndexError, match=message):
            sharded[np.array(index)]
    for length in (10, 56, 58):
        with pytest.raises(IndexError, match=rf"a mask of shape \({length},\) for 57 rows"):
            sharded[np.zeros(length, dtype=bool)]


def test_no_rows_are_refused(tmp_path):
    with pytest.raises(RequestError, match="0 rows are none to keep"):
        shards.stored(tmp_path / "none", 0, lambda a, b: {}, ["x"])


def test_a_disk_that_is_full_is_told_and_leaves_no_part(table, tmp_path, monkeypatch):
    def short(*arguments, **options):
        raise OSError("16384 requested and 0 written")  # NumPy's own words, without a number

    monkeypatch.setattr(np, "save", short)
    with pytest.raises(
        StoreError, match=r"cannot write .*x-00000\.npy: 16384 requested and 0 written"
    ):
        shards.stored(tmp_path, len(table), lambda a, b: {"x": table[a:b]}, ["x"], shard_rows=10)
    assert not list(tmp_path.iterdir())


def test_shards_are_on_the_disk_before_they_have_their_name(table, tmp_path, monkeypatch):
    done, replace = [], os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: done.append("flushed"))
    monkeypatch.setattr(os, "replace", lambda *paths: done.append("named") or replace(*paths))
    shards.stored(tmp_path, len(table), lambda a, b: {"x": table[a:b]}, ["x"], shard_rows=100)
    assert done[:2] == ["flushed", "named"]


def test_parts_of_killed_writers_are_swept(table, tmp_path):
    old, new = (tmp_path / f".x-00000.npy.{name}.part" for name in ("old", "new"))
    for part in (old, new):
        part.touch()
    os.utime(old, (0, 0))
    shards.stored(tmp_path, len(table), lambda a, b: {"x": table[a:b]}, ["x"], shard_rows=100)
    assert (old.exists(), new.exists()) == (False, True)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "uint8", "bool"])
def test_frames_of_one_type_keep_it(dtype):
    values = np.array([[0, 1], [1, 1]]).astype(dtype)
    found = rows.as_rows(pd.DataFrame(values))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, values)
    assert rows.as_rows(values) is values


@pytest.mark.parametrize("kind", ["numpy", "nullable", "arrow"])
@given(
    st.lists(
        st.tuples(st.floats(-1e6, 1e6, width=32), st.booleans(), st.integers(-100, 100)),
        min_size=1,
        max_size=9,
    )
)
def test_frames_of_mixed_types_are_their_numbers(kind, table):
    frame = pd.DataFrame(table, columns=["f", "b", "i"])
    if kind != "numpy":
        backend = {"nullable": "numpy_nullable", "arrow": "pyarrow"}[kind]
        frame = frame.convert_dtypes(dtype_backend=backend)
    found = rows.as_rows(frame)
    assert found.dtype.kind in "fi"
    np.testing.assert_allclose(found, np.array(table, dtype=np.float64), rtol=1e-7)
    np.testing.assert_array_equal(rows.as_rows(frame["b"]), [row[1] for row in table])


@pytest.mark.parametrize("dtype", ["Int64", "Float32", "boolean", "object", "int8[pyarrow]"])
def test_gaps_of_a_frame_are_nan(dtype):
    column = pd.Series([1, None, 0], dtype="object").astype(dtype)
    frame = pd.DataFrame({"a": [0.5, 1.5, 2.5], "b": column})
    np.testing.assert_array_equal(rows.as_rows(frame), [[0.5, 1], [1.5, np.nan], [2.5, 0]])
    np.testing.assert_array_equal(rows.as_rows(column), [1, np.nan, 0])


def test_columns_of_a_frame_that_are_no_numbers_are_all_named():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["1", "x"], 3: [1j, 0]})
    frame["when"] = pd.to_datetime(["2024-01-01", None])
    frame["span"] = pd.to_timedelta([None, None])
    message = (
        r"^column 'b' holds text \('x' in row 1\); column '3' holds complex numbers .*; "
        r"column 'when' holds dates or times \(2024.* in row 0\); "
        r"column 'span' holds durations \(all missing\)$"
    )
    with pytest.raises(RequestError, match=message):
        rows.as_rows(frame)
    wide = pd.DataFrame({f"c{n}": ["text"] for n in range(40)})
    with pytest.raises(RequestError, match=r"and 30 more of this kind$"):
        rows.as_rows(wide)


def test_columns_of_one_name_stay_apart():
    frame = pd.DataFrame([[1.0, True], [2.0, False]], columns=["a", "a"])
    assert rows.as_rows(frame).tolist() == [[1, 1], [2, 0]]


def test_objects_and_lists_are_read_as_numbers():
    assert rows.as_rows(np.array([[1, 2.5], [True, 3]], dtype=object)).dtype == np.float64
    np.testing.assert_array_equal(rows.as_rows([[1, None]]), [[1, np.nan]])
    with pytest.raises(RequestError, match=r"column '1' holds text \('a' in row 0\)"):
        rows.as_rows(np.array([[1, "a"]], dtype=object))


def test_masked_values_are_nan_and_others_are_not_copied():
    masked = np.ma.masked_equal(np.arange(6, dtype=np.int8).reshape(3, 2), 4)
    np.testing.assert_array_equal(rows.as_rows(masked), [[0, 1], [2, 3], [np.nan, 5]])
    whole = np.arange(4.0).reshape(2, 2)
    assert np.shares_memory(rows.as_rows(np.ma.masked_array(whole)), whole)


def test_what_reads_like_rows_stays_as_it_is(sharded, tmp_path):
    picked = rows.Picked(sharded, np.array([3, 1]))
    assert rows.as_rows(sharded) is sharded
    assert rows.as_rows(picked) is picked
