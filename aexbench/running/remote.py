"""What runs in a Dask worker: it has a worker process of this program beside it, which is limited,
killed and replaced as on one machine, and sends back what that has answered.

Where the store's folder is not seen, what a cell needs comes with it, and what it has written goes
back with its answer.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
import warnings
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
    setup
        `Setup` without plugins, from `wire.dumps`.
    probe, plugins
        A file of the store's folder, and the files that register components.
    needs
        The detector and the anomaly set, as far as they are there.
    gives
        What the request may write, for whoever does not see the store.
    """

    request: Request
    setup: bytes
    limits: Limits
    probe: Seen
    plugins: tuple[Seen, ...] = ()
    needs: Mapping[At, bytes] = field(default_factory=dict)
    gives: tuple[At, ...] = ()


@dataclass
class Reply:
    """What comes back: an answer, warnings, files that the sender does not see, and whether there
    are none as the store is shared; or an error with which the run must end, and whether it is one
    of files.
    """

    answer: Answer | None = None
    shared: bool = False
    warned: list[tuple[str, type[Warning]]] = field(default_factory=list)
    files: dict[At, bytes] = field(default_factory=dict)
    error: tuple[bool, str] | None = None


@dataclass
class Place:
    """Where a thread of a Dask worker works: its worker process, and its store."""

    made_for: tuple[bytes, Any]
    worker: Worker
    store: Store
    shared: bool


PLACES: dict[int, Place] = {}  # by thread


def reply(task: Task) -> Reply:
    """Have a worker process answer, which stays warm for the next task."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            place = _place(task)
            place.worker.give(task.request)
            answer = Hearing(task.limits, Show()).awaited(place.worker)
        except RequestError as error:
            end(threading.get_ident())
            return Reply(error=(isinstance(error, StoreError), str(error)))
    warned = [(str(one.message), one.category) for one in caught]
    written = {} if place.shared else _written(place.store, task)
    return Reply(answer, place.shared, warned, written)


def end(thread: int | None = None) -> None:
    """End the worker process of a thread, or all of them."""
    for one in [*PLACES] if thread is None else [thread]:
        if (place := PLACES.pop(one, None)) is not None:
            place.worker.end()
            if not place.shared:
                shutil.rmtree(place.store.root, ignore_errors=True)


def _place(task: Task) -> Place:
    """Return the place of this thread, with all that a task needs."""
    thread, made_for = threading.get_ident(), (task.setup, task.plugins)
    place = PLACES.get(thread)
    if place is None or place.made_for != made_for:
        end(thread)
        place = PLACES[thread] = _made(task, made_for)
    for at, content in {} if place.shared else task.needs.items():
        files.write_once(place.store.path(*at), content)
    if place.worker.process is None:
        _start(place.worker)
    return place


def _made(task: Task, made_for: tuple[bytes, Any]) -> Place:
    """Return a place in the store itself where that is seen, or else in a folder of its own."""
    _as_parent()
    setup: Setup = wire.loads(task.setup)
    shared = task.probe.here()
    root = setup.store if shared else Path(tempfile.mkdtemp(prefix="aexbench-"))
    store = Store(root, create=True)
    here = replace(
        setup,
        store=root,
        threads=max(1, torch.get_num_threads() // setup.jobs),
        plugins=tuple(one.copied(root / "plugins") for one in task.plugins),
        folder=os.getcwd(),
        path=tuple(sys.path),
        environment=dict(os.environ),
    )
    return Place(made_for, Worker(here), store, shared)


def _start(worker: Worker) -> None:
    if lacking := worker.start():
        names = ", ".join(map(str, lacking))
        raise RequestError(f"a Dask worker does not know {names}: install it there too")


def _written(store: Store, task: Task) -> dict[At, bytes]:
    """Return what a request has put into the store here."""
    paths = {at: store.path(*at) for at in task.gives}
    return {at: files.read(path) for at, path in paths.items() if path.exists()}


def _as_parent() -> None:
    """Let this process start others, and end them when it ends. Dask makes its own daemonic, and
    Python allows these no children.
    """
    if PLACES:
        return
    config: dict[str, Any] = multiprocessing.current_process()._config  # type: ignore[attr-defined]
    config["daemon"] = False
    Finalize(None, end, exitpriority=100)
