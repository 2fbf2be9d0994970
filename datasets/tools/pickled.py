"""Reading an array out of a pickle that strangers have published, without running what it names.

A pickle is a program: it names functions, and unpickling calls them. Here it gets stand-ins for the
three names that an array is written with, which keep what they are given and do nothing; any other
name ends the reading. The array is then made from a type, a shape and bytes that have been checked.
"""

from __future__ import annotations

import io
import math
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aexbench.errors import RequestError, plain

MODULES = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")  # of NumPy 1 and 2
CODE = re.compile(r"[fiub][1248]")  # numbers and truth values; never objects
ORDERS = "<>|"
MOST_DIMENSIONS = 2


class StrangerError(Exception):
    """A pickle holds something else than an array."""


class _Array:
    """Stands for an array: keeps the state (version, shape, type, column-major, bytes)."""

    def __init__(self) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Type:
    """Stands for the type of an array's elements: its code, such as `f4`, and the byte order."""

    def __init__(self, code: Any) -> None:
        self.code, self.order = code, "|"

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]


class _Unpickler(pickle.Unpickler):
    """Knows how NumPy writes an array, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a stand-in, new for each use: a pickle can change what it holds."""
        if module in MODULES and name == "_reconstruct":
            return lambda kind, shape, code: _Array()
        if module in MODULES and name == "dtype":
            return lambda code, align, copy: _Type(code)
        if module in MODULES and name == "ndarray":
            return object()
        raise StrangerError(f"it asks for {module}.{name}")


def read_array(path: Path) -> NDArray[Any]:
    """Return the array of numbers, of one or two dimensions, that a pickle holds.

    No function or class that the file names is called, whatever it is.

    Raises
    ------
    RequestError
        If it is missing, damaged, or holds or asks for anything else: it says what.
    """
    try:
        return _array(_Unpickler(io.BytesIO(path.read_bytes())).load())
    except OSError as error:
        raise RequestError(f"{path}: {error.strerror}") from None
    except StrangerError as error:
        reason = f"not the pickle of an array of numbers: {error}; nothing of it was run"
        raise RequestError(plain(f"{path}: {reason}")) from None
    except Exception as error:  # a damaged pickle raises whatever it meets
        reason = f"a damaged pickle: {error or type(error).__name__}"
        raise RequestError(plain(f"{path}: {reason}")) from None


def _array(found: Any) -> NDArray[Any]:
    """Return the array that stand-ins describe."""
    if type(found) is not _Array or type(found.state) is not tuple:
        raise StrangerError(f"it holds a {type(found).__name__.lstrip('_')}")
    _, shape, kind, column_major, content = found.state
    return _shaped(_flat(kind, content), shape, column_major)


def _flat(kind: Any, content: Any) -> NDArray[Any]:
    """Return the numbers that bytes hold, one after another."""
    if type(kind) is not _Type or type(content) is not bytes:
        raise StrangerError("its array holds objects")
    code, order = kind.code, kind.order
    if type(code) is not str or CODE.fullmatch(code) is None or order not in tuple(ORDERS):
        raise StrangerError(f"its array is of type {code!r}")
    return np.frombuffer(content, dtype=np.dtype(order + code))


def _shaped(flat: NDArray[Any], shape: Any, column_major: Any) -> NDArray[Any]:
    whole = type(shape) is tuple and all(type(n) is int and n >= 0 for n in shape)
    if not whole or not 0 < len(shape) <= MOST_DIMENSIONS or math.prod(shape) != len(flat):
        raise StrangerError(f"its array of {len(flat)} numbers has the shape {shape!r}")
    return flat.reshape(shape, order="F" if column_major else "C").copy()
