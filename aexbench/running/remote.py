"""What runs in a Dask worker: it has a worker process of this program beside it, which is limited,
killed and replaced as on one machine, and sends back what that has answered.

Where the store's folder is not seen, what a cell needs comes with it, and what it has written goes
back with its answer.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

import torch

from aexbench import files
from aexbench.errors import RequestError, StoreError
from aexbench.running import wire
from aexbench.running.answers import Answer, Hearing
from aexbench.running.progress import Show
from aexbench.running.store import Store
from aexbench.running.worker import Setup
from aexbench.running.workers import Limits, Request, Worker

LOST_S = 120.0  # without a word of the coordinator, which sends one every ten seconds
LOST = (
    f"a Dask worker heard nothing of this run for {LOST_S:.0f} s: the same call goes on from here"
)
At = tuple[str, str]
"""A file of a store: its folder, and the key that names it."""


@dataclass(frozen=True)
class Seen:
    """A file and what it holds, by which a host tells whether it sees a folder; a plugin, too."""

    path: Path
    content: bytes

    def here(self) -> bool:
        """Whether this host sees it."""
        try:
            return files.read(self.path) == self.content
        except (OSError, StoreError):
            return False

    def copied(self, folder: Path) -> Path:
        """Return where it is, or else a copy of it."""
        if self.here():
            return self.path
        copy = files.make_folder(folder) / self.path.name
        files.write_bytes(copy, self.content)
        return copy


@dataclass(frozen=True)
class Task:
    """What a Dask worker is asked.

    Attributes
    ----------
    run
        Tells runs apart that share a cluster.
    setup
        `Setup` without plugins, from `wire.dumps`.
    shared
        Whether the store's folder is seen.
    plugins
        The files that register components.
    needs
        The detector and the anomaly set, as far as they are there.
    gives
        What the request may write, for whoever does not see the store.
    """

    run: str
    request: Request
    setup: bytes
    limits: Limits
    shared: bool
    plugins: tuple[Seen, ...] = ()
    needs: Mapping[At, bytes] = field(default_factory=dict)
    gives: tuple[At, ...] = ()


@dataclass
class Reply:
    """What comes back: an answer, warnings, files that the sender does not see; or an error with
    which the run must end, and whether it is one of files.
    """

    answer: Answer | None = None
    warned: list[tuple[str, type[Warning]]] = field(default_factory=list)
    files: dict[At, bytes] = field(default_factory=dict)
    error: tuple[bool, str] | None = None


@dataclass
class Place:
    """Where a thread of a Dask worker works for a run: its worker process, and its store."""

    made_for: tuple[bytes, Any]
    worker: Worker
    store: Store


PLACES: dict[tuple[str, int], Place] = {}  # by run and thread
FOLDERS: dict[str, Path] = {}  # of runs whose store is not seen here: a store for all threads
BEATS: dict[str, float] = {}  # of runs: when their coordinator was last heard of
ONE = threading.Lock()  # processes are started, and folders made, one at a time


class LostError(Exception):
    """The coordinator of a run is gone."""


def beat(run: str) -> None:
    """Take note that the coordinator of a run is alive."""
    BEATS[run] = time.monotonic()


def sees(probe: Seen) -> bool:
    """Whether this host sees the folder of a store."""
    return probe.here()


def reply(task: Task) -> Reply:
    """Have a worker process answer, which stays warm for the next task."""
    warned: list[tuple[str, type[Warning]]] = []
    hearing = Hearing(task.limits, Show(), lambda *warning: warned.append(warning))
    beat(task.run)
    try:
        place = _place(task)
        place.worker.give(task.request)
        answer = hearing.awaited(place.worker, lambda: _listen(task.run))
    except LostError:
        end(task.run)
        return Reply(error=(True, LOST))
    except RequestError as error:
        end(task.run, threading.get_ident())
        return Reply(error=(isinstance(error, StoreError), str(error)))
    return Reply(answer, warned, {} if task.shared else _written(place.store, task))


def _listen(run: str) -> None:
    """Raise LostError where nothing was heard of a coordinator for long: nobody wants an answer."""
    if time.monotonic() - BEATS.get(run, 0.0) > LOST_S:
        raise LostError


def end(run: str | None = None, thread: int | None = None) -> None:
    """End the worker process of a thread of a run, or all of a run, or all; with a run goes the
    folder of its store.
    """
    for key in [*PLACES]:
        if run in (None, key[0]) and thread in (None, key[1]):
            PLACES.pop(key).worker.end()
    if thread is not None:
        return
    for name in [name for name in BEATS if run in (None, name)]:
        del BEATS[name]
    for name in [name for name in FOLDERS if run in (None, name)]:
        shutil.rmtree(FOLDERS.pop(name), ignore_errors=True)


def _place(task: Task) -> Place:
    """Return the place of this thread, with all that a task needs."""
    key, made_for = (task.run, threading.get_ident()), (task.setup, task.plugins)
    with ONE:
        place = PLACES.get(key)
        if place is None or place.made_for != made_for:
            end(*key)
            place = _made(task, made_for)
            PLACES[key] = place
        if place.worker.process is None:
            _start(place.worker)
    for at, content in task.needs.items():
        files.write_once(place.store.path(*at), content)
    return place


def _made(task: Task, made_for: tuple[bytes, Any]) -> Place:
    """Return a place in the store itself where that is seen, or else in a folder that stands for
    it, one for all threads.
    """
    _as_parent()
    setup: Setup = wire.loads(task.setup)
    if not task.shared and task.run not in FOLDERS:
        FOLDERS[task.run] = Path(tempfile.mkdtemp(prefix="aexbench-"))
    root = setup.store if task.shared else FOLDERS[task.run]
    here = replace(
        setup,
        store=root,
        threads=max(1, torch.get_num_threads() // setup.jobs),
        plugins=tuple(one.copied(root / "plugins") for one in task.plugins),
        folder=os.getcwd(),
        path=tuple(sys.path),
        environment=dict(os.environ),
    )
    return Place(made_for, Worker(here), Store(root, create=True))


def _start(worker: Worker) -> None:
    if lacking := worker.start():
        names = ", ".join(map(str, lacking))
        raise RequestError(f"a Dask worker does not know {names}: install it there too")


def _written(store: Store, task: Task) -> dict[At, bytes]:
    """Return what a request has put into the store here."""
    paths = {at: store.path(*at) for at in task.gives}
    return {at: path.read_bytes() for at, path in paths.items() if path.exists()}


@functools.cache
def _as_parent() -> None:
    """Let this process start others, and end them when it ends. Dask makes its own daemonic, and
    Python allows these no children.
    """
    config: dict[str, Any] = multiprocessing.current_process()._config  # type: ignore[attr-defined]
    config["daemon"] = False
    Finalize(None, end, exitpriority=100)
