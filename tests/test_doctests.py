"""Every docstring example runs, collected from the modules as they are imported by users."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import aexbench

FAMILIES = [f"aexbench.{family}" for family in ("explainers", "datasets", "corruptions", "metrics")]


def modules() -> list[str]:
    """Return the names of all modules; `aexbench.__path__` does not show what is in the mapped
    folders.
    """
    packages = [aexbench, *(importlib.import_module(name) for name in FAMILIES)]
    inside = [m.name for p in packages for m in pkgutil.walk_packages(p.__path__, f"{p.__name__}.")]
    return sorted({"aexbench", *FAMILIES, *inside} - {"aexbench.__main__"})


@pytest.mark.parametrize("name", modules())
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_examples_are_found():
    names = ("aexbench.specs", "aexbench.metrics.recall")
    assert sum(doctest.testmod(importlib.import_module(name)).attempted for name in names) >= 4
