"""Models that people have, as detectors: torch modules, scikit-learn's objects, functions, files.

`Detector.of` takes an object, `load` a text that names a file. Nothing is trained here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aexbench.loading.naming import load

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    if name != "load":
        raise AttributeError(f"module 'aexbench.loading' has no attribute {name!r}")
    from aexbench.loading.naming import load  # imports torch

    return load
