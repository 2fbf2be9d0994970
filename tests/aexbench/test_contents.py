"""What counts of functions, classes and objects that are given."""

from __future__ import annotations

import copy
import decimal
import fractions
import functools
import importlib
import os
import subprocess
import sys
import threading
import types
from array import array
from collections import deque

import numpy as np
import pandas as pd
import pytest
import torch

from aexbench.contents import content_digest


def one(x):
    return x + 1


def two(x):
    return x + 2


def adding(n):
    return lambda x: x + n


def test_a_function_counts_by_its_text_constants_and_arguments():
    closures = [adding(n) for n in (1, 2, 1)]
    assert content_digest(one) != content_digest(two)
    assert content_digest(closures[0]) == content_digest(closures[2]) != content_digest(closures[1])
    partials = [functools.partial(one, n) for n in (1, 2)]
    assert content_digest(partials[0]) != content_digest(partials[1])
    first, second = lambda x: x + 1, lambda x: x + 2
    assert content_digest(first) != content_digest(second)


class Call:
    """A callable object: what it holds decides what it does."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, detector, x):
        return x * self.factor

    def method(self, detector, x):
        return x * self.factor


class Slots:
    __slots__ = ("factor",)

    def __init__(self, factor):
        self.factor = factor


class Secretive(Call):
    def __getstate__(self):
        return {}


class Text(str):
    def __new__(cls, factor):
        made = super().__new__(cls, "text")
        made.factor = factor
        return made


def nested(value, depth=9):
    return {"deeper": nested(value, depth - 1)} if depth else value


def masked(place):
    return np.ma.array([9, 999999, 999999], mask=np.arange(3) == place)


def linear(weight):
    made = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(made.weight, weight)
    return made


MAKERS = [
    Call,
    Slots,
    Secretive,
    Text,
    nested,
    masked,
    linear,
    decimal.Decimal,
    range,
    hex,
    np.float64,
    torch.tensor,
    np.random.default_rng,
    lambda n: Call(n).method,
    lambda n: [[[linear(n)]]],
    lambda n: fractions.Fraction(n, 3),
    lambda n: deque([n]),
    lambda n: array("d", [n]),
    lambda n: pd.DataFrame({"a": [n]}),
    lambda n: np.array([n, "a"], dtype=object),
    lambda n: np.arange(3000.0) == 500 + n,
    lambda n: (n * torch.eye(3)).to_sparse(),
    lambda n: (n * torch.eye(3)).to_sparse_csr(),
    lambda n: torch.sparse_coo_tensor([[n], [n]], [1.0], (10**9, 10**9)),
    lambda n: torch.full((2,), n, dtype=torch.bfloat16),
    lambda n: torch.full((2,), complex(0, n)).conj(),
    lambda n: torch.Generator().manual_seed(n),
    lambda n: {n: 0},
    lambda n: {(n, n), "a"},
    lambda n: [n].append,
    lambda n: [torch.relu, torch.tanh, torch.sin][n],
    lambda n: [np.sin, np.cos, np.tan][n],
]


@pytest.mark.parametrize("make", MAKERS)
def test_a_value_counts_by_what_it_holds(make):
    assert content_digest(make(1)) == content_digest(make(1)) != content_digest(make(2))
    assert content_digest(Call(make(1))) != content_digest(Call(make(2)))


def test_what_is_equal_to_python_but_another_thing_differs():
    same = [True, 1, 1.0, np.float64(1), torch.tensor(1), torch.tensor(1.0), "1", [1], (1,), {1}]
    assert len({content_digest(value) for value in same}) == len(same)
    assert content_digest({1: "a"}) != content_digest({"1": "a"})
    assert content_digest({"a": 1, "b": 2}) != content_digest({"b": 2, "a": 1})


def deep():
    value = []
    for _ in range(5000):
        value = [value]
    return value


@pytest.mark.parametrize(
    "make", [threading.Lock, deep, lambda: memoryview(b"a"), lambda: (n for n in "ab")]
)
def test_what_cannot_be_read_matches_nothing(make):
    value = make()
    assert content_digest(value) != content_digest(value)
    assert content_digest(Call(value)) != content_digest(Call(value))


def test_a_copy_is_the_same_and_cycles_end():
    model = torch.nn.Sequential(torch.nn.LSTM(2, 2), linear(1.0))
    assert content_digest(model) == content_digest(copy.deepcopy(model))
    rings = [[number] for number in (1, 1, 2)]
    for ring in rings:
        ring.append(ring)
    first, second, other = map(content_digest, rings)
    assert first == second != other


FUNCTIONS = {
    "a global": "def f(x): return x * K",
    "in a function within": "def f(x): return [(lambda y: y * K)(one) for one in x]",
    "of a helper's helper": "def g(x): return x * K\ndef h(x): return g(x)\ndef f(x): return h(x)",
    "of two that call each other": "def g(x): return f(x) * K\ndef f(x): return g(x)",
    "of a method": "class A:\n  def __call__(self, x): return x * K\nf = A()",
    "of a property of a base": (
        "class B:\n  @property\n  def k(self): return K\nclass A(B): pass\ndef f(x): return A().k"
    ),
    "of a class method": "class f:\n  @classmethod\n  def k(cls): return K",
    "behind a decorator of torch's": "@torch.no_grad()\ndef f(x): return x * K",
    "behind a cache": "@functools.cache\ndef g(x): return x * K\ndef f(x): return g(x)",
    "of a module": "def f(x): return module.part.K * x",
    "as a default": "def f(x, *, k=K): return x * k",
    "as an attribute": "def f(x): return x * f.k\nf.k = K",
    "as an attribute of a class": "class A:\n  k = K\ndef f(x): return x * A.k",
    "in a decorator": (
        "def twice(g):\n  @functools.wraps(g)\n  def h(x): return K * g(x)\n  return h\n"
        "@twice\ndef f(x): return x"
    ),
}


def defined(text, value):
    """Return `f` of a text, as somebody defines it at a prompt."""
    part, module = types.ModuleType("mine_part"), types.ModuleType("mine_module")
    part.K, module.part = value, part
    space = {"torch": torch, "functools": functools, "__name__": "mine"}
    space |= {"module": module, "K": value}
    exec(text, space)
    return space["f"]


@pytest.mark.parametrize("text", FUNCTIONS.values(), ids=FUNCTIONS)
def test_the_globals_that_code_names_count(text):
    digests = [content_digest(defined(text, value)) for value in (1, 1, 2, one, two)]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 4


def test_other_globals_and_libraries_do_not():
    module = types.ModuleType("mine_module")
    module.K = 1

    def named(other):
        module.unnamed = other
        space = {"torch": torch, "other": other, "module": module, "__name__": "mine"}
        exec("def f(x): return torch.relu(x).other * module.K", space)
        return content_digest(space["f"])

    assert named(1) == named(threading.Lock())


SCRIPT = """
import math
from pathlib import Path
from aexbench.contents import content_digest
HERE = Path(__file__).parent
NAMES = {"d", "e", ("f", math.sin)}
def mine(x): return x in {"a", "b", "c"} and (NAMES, HERE, __file__)
print(content_digest(mine), content_digest([{"g", "h"}, math.cos, "i".join, lambda x: x]))
"""


def test_a_digest_is_the_same_in_every_process_and_every_folder(tmp_path):
    found = set()
    for seed in ("1", "2"):
        path = tmp_path / seed / "script.py"
        path.parent.mkdir()
        path.write_text(SCRIPT)
        environment = os.environ | {"PYTHONHASHSEED": seed}
        found.add(subprocess.check_output([sys.executable, path], env=environment))
    assert len(found) == 1


OWN = ("lazy_package", "lazy_other", "lazy_namespace")
PACKAGE = {
    "lazy_package/__init__.py": "",
    "lazy_package/core.py": "SCALE = 1\n",
    "lazy_package/util.py": "from . import core\nimport lazy_other\nfrom .deep.low import DEEP\n",
    "lazy_package/deep/low.py": "DEEP = 1\n",
    "lazy_package/unused.py": "",
    "lazy_other.py": "import json\n\n\ndef f():\n    from lazy_package.deep import lower\n",
    "lazy_package/deep/lower.py": "",
    "lazy_namespace/inner.py": "from .. import beyond\n",
}
BEHIND_UTIL = {
    "lazy_package/__init__.py",
    "lazy_package/core.py",
    "lazy_package/util.py",
    "lazy_package/deep/low.py",
    "lazy_package/deep/lower.py",
    "lazy_other.py",
}
CORE = {"lazy_package/__init__.py", "lazy_package/core.py"}
INNER = {"lazy_namespace/inner.py"}
LAZY = {
    "from lazy_package import core": CORE,
    "from lazy_package.core import SCALE": CORE,
    "import lazy_package.core as c": CORE,
    "from lazy_package import util": BEHIND_UTIL,
    "import lazy_package.util": BEHIND_UTIL,
    "import lazy_other, json, numpy.linalg": {
        "lazy_other.py",
        "lazy_package/__init__.py",
        "lazy_package/deep/lower.py",
    },
    "from lazy_namespace import inner": INNER,
    "import lazy_namespace.inner": INNER,
    "return (lambda: __import__('lazy_namespace.inner'))()": INNER,
    "return importlib.import_module('lazy_package.core')": CORE,
    "from .core import SCALE": CORE,
    "return importlib.import_module('.core', __package__)": CORE,
    "import nowhere_at_all": set(),
}


@pytest.mark.parametrize("line", LAZY)
def test_files_count_that_a_function_imports_when_it_runs(tmp_path, monkeypatch, line):
    for name, text in PACKAGE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    space = {"importlib": importlib, "__name__": "mine", "__package__": "lazy_package"}
    exec(f"def f():\n    {line}", space)
    before, counted = content_digest(space["f"]), set()
    for name, text in PACKAGE.items():
        (tmp_path / name).write_text(text + "# edited\n")
        if content_digest(space["f"]) != before:
            counted.add(name)
        (tmp_path / name).write_text(text)
    assert counted == LAZY[line]
    assert content_digest(space["f"]) == before
    assert not [module for module in sys.modules if module.startswith(OWN)]
