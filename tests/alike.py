"""Whether two values of JSON are the same, but for the last digits of their numbers: these differ
between versions of scipy.
"""

from __future__ import annotations

import math
from typing import Any


def alike(one: Any, other: Any) -> bool:
    """Compare numbers within a relative 1e-6, everything else exactly."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)
    return type(one) is type(other) and bool(one == other)
