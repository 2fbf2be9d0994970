"""Pickles of strangers: arrays of numbers are read, anything else is refused and nothing is run."""

from __future__ import annotations

import contextlib
import os
import pickle
import pickletools
import re
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexbench import RequestError
from aexbench.datasets.tools.pickled import read_array

CODES = ["<f4", "<f8", ">f4", ">i8", "|b1", "|u1", "<i2"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "one.pkl"


@given(
    st.sampled_from(CODES),
    st.integers(0, 5),
    st.integers(0, 4),
    st.booleans(),
    st.sampled_from([3, 4]),
)
def test_an_array_comes_back_as_it_was(tmp_path_factory, code, rows, columns, turned, protocol):
    numbers = np.arange(rows * columns).reshape(rows, columns) % 2
    array = (numbers.T if turned else numbers).astype(code)
    path = tmp_path_factory.mktemp("arrays") / "one.pkl"
    path.write_bytes(pickle.dumps(array, protocol=protocol))
    found = read_array(path)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)
    assert found.flags.writeable


def test_the_names_of_older_numpy_are_known(path):
    text = pickle.dumps(np.arange(4.0), protocol=3)
    path.write_bytes(text.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert read_array(path).tolist() == [0, 1, 2, 3]


class Hostile:
    """Calls a function when it is unpickled."""

    def __init__(self, function, *arguments):
        self.called = (function, arguments)

    def __reduce__(self):
        return self.called


@pytest.mark.parametrize("protocol", [0, 2, 3, 4])
@pytest.mark.parametrize("inside", [False, True])
def test_what_a_pickle_asks_for_is_not_run(path, tmp_path, protocol, inside):
    mark = tmp_path / "mark"
    hostile = Hostile(os.system, f"touch {mark}")
    held = np.array([hostile], dtype=object) if inside else hostile
    path.write_bytes(pickle.dumps(held, protocol=protocol))
    with pytest.raises(RequestError, match=r"one\.pkl: not the pickle of an array") as caught:
        read_array(path)
    assert "\n" not in str(caught.value)
    assert not mark.exists()


@pytest.mark.parametrize(
    "function",
    [eval, exec, open, getattr, __import__, np.load, np.fromfile, np.frombuffer, os.unlink],
)
def test_no_function_but_that_of_arrays_is_found(path, function):
    path.write_bytes(pickle.dumps(Hostile(function, "x"), protocol=4))
    with pytest.raises(RequestError, match=r"it asks for .*; nothing of it was run"):
        read_array(path)


def test_other_names_of_the_module_that_makes_arrays_are_refused(path):
    for name in ("fromfile", "frombuffer", "scalar", "__builtins__.eval", "set_string_function"):
        path.write_bytes(b"\x80\x03cnumpy.core.multiarray\n" + name.encode() + b"\n.")
        with pytest.raises(RequestError, match=re.escape(f"numpy.core.multiarray.{name}")):
            read_array(path)


def test_numpy_itself_is_handed_nothing(path):
    """`ndarray` and `dtype` are names alone: what NumPy makes of odd arguments is not tried out."""
    start = b"\x80\x03cnumpy\nndarray\n"
    for arguments in (b"K\x02\x85R.", b"}b.", b"N}X\x01\x00\x00\x00aK\x01s\x86b."):
        path.write_bytes(start + arguments)
        with pytest.raises(RequestError, match="a damaged pickle"):
            read_array(path)


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ([1.0, 2.0], "it holds a list"),
        ("text", "it holds a str"),
        (None, "it holds a NoneType"),
        (np.dtype("f4"), "it holds a Type"),
        (np.array(["a"]), "its array is of type 'U1'"),
        (np.array([1j]), "its array is of type 'c16'"),
        (np.array([None]), "its array holds objects"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "its array is of type 'M8'"),
        (np.zeros((2, 2, 2)), r"8 numbers has the shape \(2, 2, 2\)"),
        (np.array(1.0), r"1 numbers has the shape \(\)"),
    ],
)
def test_what_is_no_table_of_numbers_is_named(path, held, said):
    path.write_bytes(pickle.dumps(held, protocol=3))
    with pytest.raises(RequestError, match=said):
        read_array(path)


def test_a_shape_that_its_numbers_do_not_fill_is_refused(path):
    text = pickle.dumps(np.arange(6, dtype=np.int8), protocol=3)
    path.write_bytes(text.replace(b"K\x06\x85", b"J" + struct.pack("<i", 2**30) + b"\x85"))
    assert any(argument == 2**30 for _, argument, _ in pickletools.genops(path.read_bytes()))
    with pytest.raises(RequestError, match=r"6 numbers has the shape \(1073741824,\)"):
        read_array(path)


def test_a_missing_file_is_one_line(path):
    with pytest.raises(RequestError, match=r"one\.pkl: No such file"):
        read_array(path)


@given(st.integers(0, 200), st.binary(max_size=3))
def test_damage_is_one_line_or_another_array(tmp_path_factory, place, bytes_):
    text = pickle.dumps(np.arange(12, dtype=np.float32).reshape(3, 4), protocol=3)
    path = tmp_path_factory.mktemp("damaged") / "one.pkl"
    path.write_bytes(text[:place] + bytes_ + text[place + len(bytes_) :])
    with contextlib.suppress(RequestError):
        assert read_array(path).dtype.kind in "fiub"


@pytest.mark.parametrize("end", range(0, 160, 7))
def test_a_file_that_is_cut_off_is_one_line(path, end):
    text = pickle.dumps(np.arange(12, dtype=np.float32), protocol=3)
    path.write_bytes(text[: min(end, len(text) - 1)])
    with pytest.raises(RequestError, match="pickle"):
        read_array(path)
