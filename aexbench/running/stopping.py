"""Stopping a run: the first signal lets what runs come to its end, the second ends it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from aexbench.errors import tell

SIGNALS = [getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)]


class StoppedError(KeyboardInterrupt):
    """A run was stopped; `number` is the signal that did it."""

    def __init__(self, text: str, number: int = signal.SIGINT) -> None:
        super().__init__(text)
        self.number = number


class Stop:
    """Whether a run is to stop, and by which signal."""

    number: int = 0

    def __call__(self) -> bool:
        """Whether no cell is to be begun any more."""
        return bool(self.number)

    def heard(self, number: int, frame: FrameType | None) -> None:
        """Take note of a signal; raise KeyboardInterrupt at the second one."""
        if self.number:
            raise KeyboardInterrupt
        self.number = number
        tell("stopping when what runs is done; once more stops it at once")


def ignore() -> None:
    """Ignore what stops a run: terminals and schedulers send it to all of its processes."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def is_own(error: BaseException) -> bool:
    """Whether an exception ends the run: somebody has interrupted it. Workers hear of nobody: what
    is raised there an explainer has raised.
    """
    heard = signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    return isinstance(error, KeyboardInterrupt) and heard


@contextmanager
def stopping() -> Iterator[Stop]:
    """Listen to signals while the block runs; in another thread than the first nobody can."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.heard) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
