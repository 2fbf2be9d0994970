"""Models that people have, as detectors: torch modules, scikit-learn's objects, functions, files.

`Detector.of` takes an object, `load` a text that names a file. Nothing is trained here.
"""

from __future__ import annotations

from aexbench.loading.naming import load

__all__ = ["load"]
