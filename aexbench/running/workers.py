"""Worker processes as their coordinator sees them: started, given a cell, heard, and ended.

They are forked from a server that has imported everything and run nothing, so that a new one costs
milliseconds.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aexbench.errors import RequestError, StoreError
from aexbench.running import wire
from aexbench.running.cells import Cell
from aexbench.running.store import State
from aexbench.running.worker import Setup, main

POLL_S = 0.05  # between looks at the clock and at the memory of workers
OUTPUT = 2**16  # bytes that are kept of what a cell prints
START_S = 120.0  # for a worker to be ready
PATIENCE = 12.0  # times the time-out, for each explainer that is timed
METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else None


@dataclass(frozen=True)
class Limits:
    """What a cell's explainer may take: seconds from its call to its scores, and GB of resident
    memory of its process; None for as much as there is.
    """

    timeout: float | None = None
    memory: float | None = None

    def check(self) -> None:
        """Raise RequestError for limits that cannot be kept."""
        for name, value in (("timeout", self.timeout), ("memory", self.memory)):
            if value is not None and not value > 0:
                raise RequestError(f"{name} must be greater than 0, not {value:g}")
        if self.memory is not None and not Path("/proc/self/status").exists():
            raise RequestError("memory needs Linux, which says how much a process holds")


@dataclass(frozen=True)
class Request:
    """What a worker is asked.

    Attributes
    ----------
    kind, cells
        `run`, `time` or `look`, and for which cells (`wire.dumps` of them).
    task, cell
        The request in words, and the cell that it is shown under.
    patience
        How many times the time-out it may take.
    """

    kind: str
    cells: bytes
    task: str
    cell: Cell | None = None
    patience: float = 1.0


def running(cell: Cell) -> Request:
    """Return the request to run a cell."""
    return Request("run", wire.dumps([cell]), cell.shown, cell)


def looking(cell: Cell) -> Request:
    """Return the request to see that a cell's data set and network can be made."""
    return Request("look", wire.dumps([cell]), cell.shown, cell)


def timing(cells: Sequence[Cell], task: str) -> Request:
    """Return the request to time the explainers of cells, each of which is prepared twice, and
    called up to six times on one sample and four times on all where that takes two seconds.
    """
    return Request("time", wire.dumps(list(cells)), task, cells[0], PATIENCE * len(cells))


class DiedError(Exception):
    """A worker ended in the middle of a request."""


NOTHING = Request("", b"", "")


@dataclass
class Worker:
    """A process that answers one request at a time.

    Attributes
    ----------
    request
        What it works on.
    asked
        Since when explainers are being asked (monotonic seconds).
    printed
        The end of what was printed since it was given its cell.
    """

    setup: Setup
    process: Any = None
    link: Any = None
    output: Any = None
    request: Request = NOTHING
    asked: float | None = None
    printed: bytearray = field(default_factory=bytearray)
    silent: bool = False

    def start(self) -> list[wire.Name]:
        """Start the process, and return the names of what it does not know."""
        context: Any = multiprocessing.get_context(METHOD)
        context.set_forkserver_preload(["aexbench.running.preloaded"])
        self.link, other = context.Pipe()
        self.output, written = context.Pipe(duplex=False)
        process = context.Process(target=main, args=(other, written, wire.dumps(self.setup)))
        with _without_main():
            process.start()
        self.process = process
        other.close()
        written.close()
        os.set_blocking(self.output.fileno(), False)
        self.asked, self.silent = None, False
        if not self.link.poll(START_S):
            self.end()
            raise StoreError(f"a worker did not start within {START_S:.0f} s")
        try:
            _, lacking = self.link.recv()
        except (EOFError, OSError):
            self.drain()
            last = bytes(self.printed).decode(errors="replace").strip().splitlines()[-1:]
            raise StoreError(f"a worker {self.fate()}: {' '.join(last)}") from None
        found: list[wire.Name] = lacking
        return found

    def give(self, request: Request) -> None:
        """Send a request."""
        self.request, self.asked = request, None
        self.printed.clear()
        with suppress(OSError):  # it is dead: that shows when its answer is awaited
            self.link.send((request.kind, request.cells))

    def drain(self) -> None:
        """Take what was printed since, and keep its end."""
        with suppress(OSError):  # nothing is there now
            while content := os.read(self.output.fileno(), OUTPUT):
                self.printed += content
                del self.printed[:-OUTPUT]
            self.silent = True  # it has closed its streams

    def stirs(self) -> list[Any]:
        """Return what to wait for."""
        return [self.link, self.process.sentinel, *([] if self.silent else [self.output])]

    def message(self) -> tuple[Any, ...] | None:
        """Return a message that is there; None where there is none; DiedError where none comes any
        more.
        """
        self.drain()
        try:
            if self.link.poll():
                found: tuple[Any, ...] = self.link.recv()
                return found
        except (EOFError, OSError):
            raise DiedError from None
        if not self.process.is_alive() and not self.link.poll():
            raise DiedError
        return None

    def fate(self) -> str:
        """Return how the process ended, once it has."""
        self.process.join(5)
        code = self.process.exitcode
        if code is not None and code < 0:
            with suppress(ValueError):
                return f"died of signal {-code} ({signal.Signals(-code).name})"
        return f"ended with exit code {code}"

    def end(self) -> None:
        """Kill the process with all that it has started."""
        if self.process is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.join()
        self.drain()
        self.link.close()
        self.output.close()
        self.process = None

    def replace(self) -> None:
        """End the process, and start another one."""
        self.end()
        self.start()

    def text(self) -> str:
        """Return the end of what its cell has printed."""
        return bytes(self.printed).decode(errors="replace")

    @staticmethod
    def now() -> float:
        """Return the seconds of the clock by which limits count."""
        return time.monotonic()

    def over(self, limits: Limits) -> tuple[State, str] | None:
        """Return the state and the reason where the cell has taken more than it may."""
        if self.asked is None:
            return None
        most = None if limits.timeout is None else limits.timeout * self.request.patience
        if most is not None and self.now() - self.asked > most:
            return "timeout", f"no answer within {most:g} s"
        if limits.memory is not None and resident(self.process.pid) > limits.memory * 1e9:
            return "out-of-memory", f"its process held more than {limits.memory:g} GB"
        return None


@contextmanager
def _without_main() -> Iterator[None]:
    """Keep multiprocessing from running the caller's script again in a worker."""
    caller = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = caller


def resident(pid: int) -> int:
    """Return the bytes of anonymous memory that a process has resident; 0 where it is gone."""
    with suppress(OSError), open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("RssAnon"):
                return int(line.split()[1]) * 1024
    return 0
