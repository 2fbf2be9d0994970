"""Rows that windows share are in a file once, and every window comes back as it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aexbench import AnomalySet, Features
from aexbench.running.folding import folded, unfolded
from aexbench.running.store import pack_anomalies, unpack_anomalies

VALUES = st.sampled_from([0.0, -0.0, 0.25, 1.0, -3.5])
SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 5), st.integers(1, 3))
SETS = SHAPES.flatmap(lambda shape: hnp.arrays(np.float32, shape, elements=VALUES))


def overlapping(count: int = 40, steps: int = 8, stride: int = 2) -> np.ndarray:
    rows = np.random.default_rng(0).random((stride * count + steps, 20)).astype(np.float32)
    return np.stack([rows[stride * k : stride * k + steps] for k in range(count)])


@given(SETS, st.booleans())
def test_windows_come_back_bit_by_bit(x, with_clean):
    arrays = {"x": x, "unit": np.arange(len(x))} | ({"clean": x[::-1]} if with_clean else {})
    back = unfolded(folded(arrays))
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert back[name].tobytes() == array.tobytes()
        assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape)


def test_shared_rows_are_kept_once_and_so_are_those_that_nothing_was_made_of():
    clean = overlapping()
    x = clean.copy()
    x[:, 3, 1] += 1
    found = folded({"x": x, "clean": clean})
    assert len(found["rows"]) == len(np.unique(np.concatenate([x, clean]).reshape(-1, 20), axis=0))
    assert sum(a.nbytes for a in found.values()) < (x.nbytes + clean.nbytes) / 2


@pytest.mark.parametrize("shape", [(30, 4), (30, 1, 4, 4)])
def test_rows_and_images_stay_as_they_are(shape):
    arrays = {"x": np.zeros(shape, np.float32), "clean": np.zeros(shape, np.float32)}
    assert folded(arrays).keys() == arrays.keys()
    assert all(folded(arrays)[name] is array for name, array in arrays.items())


def test_what_would_not_be_shorter_stays():
    x = np.random.default_rng(1).random((6, 4, 1)).astype(np.float32)
    assert folded({"x": x}).keys() == {"x"}


def test_a_file_of_overlapping_windows_is_short_and_reads_as_before(tmp_path):
    x = overlapping()
    truth = np.zeros(x.shape, dtype=bool)
    truth[:, 2:5, 1] = True
    ones = np.ones(len(x))
    whole = AnomalySet(x, truth, ones, ones, np.full(len(x), "a"), np.arange(len(x)), Features())
    path = tmp_path / "set.safetensors"
    path.write_bytes(pack_anomalies(whole))
    assert path.stat().st_size < x.nbytes
    back = unpack_anomalies(path)
    assert back.x.tobytes() == x.tobytes()
    assert np.array_equal(back.truth, truth)


@pytest.mark.parametrize("numbers", [[[-1, 0]], [[0, 9]], [[0.0, 1.0]], [0, 1]])
def test_windows_of_rows_that_are_not_there_are_refused(numbers):
    arrays = {"rows": np.zeros((3, 2)), "rows:x": np.array(numbers)}
    with pytest.raises(ValueError, match="rows that are not there"):
        unfolded(arrays)
