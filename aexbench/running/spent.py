"""Where a cell's time goes: seconds by kinds of work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

DIGITS = 4  # of a second that are kept


class Spent:
    """Seconds by kinds of work since this was made; what is done within other work counts as itself
    alone.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now, self._start = now, now()
        self._seconds: dict[str, float] = {}
        self._within = 0.0

    @contextmanager
    def on(self, kind: str) -> Iterator[None]:
        """Count the block as this kind of work."""
        outside, self._within, start = self._within, 0.0, self._now()
        try:
            yield
        finally:
            took = self._now() - start
            self._seconds[kind] = self._seconds.get(kind, 0.0) + took - self._within
            self._within = outside + took

    def all(self, kind: str) -> dict[str, float]:
        """Return the seconds so far; what was spent on nothing else counts as this kind of work."""
        rest = self._now() - self._start - self._within
        return {name: round(took, DIGITS) for name, took in (self._seconds | {kind: rest}).items()}
