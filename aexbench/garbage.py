"""Garbage collection, off for a while: where times are measured, and where much is read that stays.

Python looks through all that there is whenever there is a quarter more of it. While ten thousand
records are read, which are no garbage, that takes as long as their reading.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no garbage until the end of the block."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
