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
    >>> optional("a_package_of_nobody")
    Traceback (most recent call last):
    aexbench.errors.SkipError: this needs the package a_package_of_nobody: pip install 'aexbench[explainers]'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name != package:
            raise
        reason = f"this needs the package {PACKAGES.get(package, package)}: pip install 'aexbench[{extra}]'"
        raise SkipError(reason) from None
