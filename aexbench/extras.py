"""Optional packages: imported where they are used, and asked for by name where they are missing."""

from __future__ import annotations

import importlib
from typing import Any

from aexbench.errors import SkipError

PACKAGES = {"skimage": "scikit-image"}  # where the distribution is called otherwise than the module


def optional(module: str, extra: str = "explainers") -> Any:
    """Return an optional package's module.

    Raises
    ------
    SkipError
        If it is not installed: says which extra of aexbench brings it.

    Examples
    --------
    >>> optional("a_package")
    Traceback (most recent call last):
    aexbench.errors.SkipError: this needs the package a_package: pip install 'aexbench[explainers]'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name != package:
            raise
        needed = PACKAGES.get(package, package)
        way_out = f"pip install 'aexbench[{extra}]'"
        raise SkipError(f"this needs the package {needed}: {way_out}") from None
