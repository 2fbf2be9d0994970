"""What runs in a worker process: cells, one after the other, with their sources kept warm.

A worker is thrown away with all that its cells have left in it: its process group is its own, it
dies with its coordinator, and nothing that is printed in it reaches a terminal.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aexbench.components import Component
from aexbench.errors import RequestError, StoreError
from aexbench.running import wire
from aexbench.running.cells import Cell
from aexbench.running.stopping import ignore

if TYPE_CHECKING:
    from aexbench.running.sources import Model

PR_SET_PDEATHSIG = 1
HARMLESS = ("TMonitor",)  # threads of libraries: tqdm's


@dataclass(frozen=True)
class Setup:
    """What a worker must know to do as its coordinator would.

    Attributes
    ----------
    plugins, needed
        The files that register components, and what must be known once they have run.
    borne
        The checksums of the anomaly sets that records of the store explain, by their keys.
    model
        The trained model that stands in the place of recipes, where there is one.
    """

    store: Path
    device: str
    jobs: int
    threads: int
    plugins: tuple[Path, ...]
    needed: frozenset[wire.Name]
    metrics: bytes
    borne: Mapping[str, frozenset[str]]
    model: Model | None = None
    folder: str = field(default_factory=os.getcwd)
    path: Sequence[str] = field(default_factory=lambda: tuple(sys.path))
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


def main(link: Connection, output: Connection, setup: bytes) -> None:
    """Answer requests until the coordinator closes the link.

    It is sent `("run", cells)`, `("time", cells)`, or `("look", cells)` to see that data set and
    network can be made, cells as `wire.dumps` has them. It sends `("ready", names)` with what it
    does not know, `("say", text, share)`, `("warn", text, category)`, `("asked",)` when explainers
    are called, and at the end of a request `("record", JSON, spent)`, `("timed", outcomes or a
    reason, spent)`, `("looked", None, spent)`, or `("end", kind, text)` where the run must end. A
    worker that is `spent` answers no more.
    """
    _alone(output)
    _take_place(link, wire.loads(setup))
    with suppress(EOFError, OSError):  # the coordinator is gone
        spent = False
        while not spent:
            request, cells = link.recv()
            spent = _answered(link, request, cells)
    os._exit(0)  # whatever its cells have left does not hold it


def _alone(output: Connection) -> None:
    """Leave the coordinator's process group and terminal, and die when the server does."""
    os.setsid()
    _let_the_server_end()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    ignore()  # the coordinator is asked
    usual = multiprocessing.get_all_start_methods()[0]
    multiprocessing.set_start_method(usual, force=True)  # for what explainers start
    for name, number in (("stdout", 1), ("stderr", 2)):
        os.dup2(output.fileno(), number)
        stream = os.fdopen(number, "w", buffering=1, errors="replace", closefd=False)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    output.close()


def _let_the_server_end() -> None:
    """Close the end of the pipe whose other end the server watches: it ends when nobody holds one
    any more, and a worker that hangs would hold it for ever.
    """
    server: Any = forkserver._forkserver
    if (alive := server._forkserver_alive_fd) is not None:
        os.close(alive)
        server._forkserver_alive_fd = None


@dataclass
class Desk:
    """What a worker works with. It stands in no frame: frames are what an explainer sees above."""

    workspace: Any = None
    metrics: Sequence[Component] = ()
    imported: int = 0  # modules, when garbage was last collected for good
    asking: bool = False
    own: set[object] | None = None  # what was there before the explainer was asked


DESK = Desk()


def _take_place(link: Connection, setup: Setup) -> None:
    """Make this process as the coordinator's is, and say what it does not know."""
    os.environ.clear()
    os.environ.update(setup.environment)
    os.chdir(setup.folder)
    sys.path[:] = setup.path
    import torch

    from aexbench import families
    from aexbench.running.store import Store
    from aexbench.running.workspace import Workspace
    from aexbench.state import exact_convolutions

    torch.set_num_threads(setup.threads)
    exact_convolutions()
    for path in setup.plugins:
        families.load_plugin(path)
    warnings.showwarning = partial(_warned, link)
    lacking = sorted(name for name in setup.needed if wire.found(name) is None)
    link.send(("ready", lacking))
    DESK.metrics = [] if lacking else wire.loads(setup.metrics)
    DESK.workspace = Workspace(
        Store(setup.store),
        setup.device,
        say=lambda text, share: link.send(("say", text, share)),
        jobs=setup.jobs,
        borne=setup.borne,
    )
    if setup.model is not None:
        DESK.workspace.take(setup.model)


def _answered(link: Connection, request: str, cells: bytes) -> bool:
    """Answer one request, and return whether this process can answer no other one."""
    DESK.asking, DESK.own = False, None
    try:
        answer = ANSWERS[request](wire.loads(cells), partial(_begun, link))
    except RequestError as error:
        link.send(("end", isinstance(error, StoreError), str(error)))
        return True
    spent = DESK.own is not None and not _own() <= DESK.own
    with suppress(OSError):  # the explainer has closed them
        sys.stdout.flush()
        sys.stderr.flush()
    link.send((*answer, spent))
    return spent


def _run(cells: list[Cell], begun: Callable[[], None]) -> tuple[str, str]:
    """Return the record of a cell."""
    from aexbench.running import execution

    road = execution.steps(cells[0], DESK.metrics, DESK.workspace)
    return "record", execution.walked(road, begun).model_dump_json()


def _time(cells: list[Cell], begun: Callable[[], None]) -> tuple[str, Any]:
    """Return what the explainers of cells cost, in turns."""
    from aexbench.running import rounds

    ask = rounds.prepared(cells, DESK.workspace)
    begun()
    return "timed", rounds.found(ask, DESK.workspace.device)


def _look(cells: list[Cell], begun: Callable[[], None]) -> tuple[str, None]:
    """See that the data set and the network of a cell can be made."""
    from aexbench.running import execution

    execution.preflight(cells, DESK.workspace, DESK.metrics)
    return "looked", None


ANSWERS: Mapping[str, Callable[..., tuple[Any, ...]]] = {
    "run": _run,
    "time": _time,
    "look": _look,
}


def _warned(
    link: Connection, message: Warning | str, category: type[Warning], *place: object
) -> None:
    """Let the coordinator warn of data, detectors and corruptions; what is warned of while an
    explainer is asked stands in its record.
    """
    if DESK.asking:
        print(f"warning: {message}", file=sys.stderr)
        return
    known = category.__module__.partition(".")[0] in ("builtins", "aexbench")
    link.send(("warn", str(message), category if known else UserWarning))


def _begun(link: Connection) -> None:
    """Say that an explainer is called now. What was imported before stays out of the collections of
    garbage that come before each timing, a fifth of a second each.
    """
    if len(sys.modules) != DESK.imported:
        gc.collect()
        gc.freeze()
        DESK.imported = len(sys.modules)
    DESK.asking, DESK.own = True, _own()
    link.send(("asked",))


def _own() -> set[object]:
    """Return what a cell may leave that only the end of the process takes away: threads, children,
    open files.
    """
    found: set[object] = {
        thread.ident for thread in threading.enumerate() if type(thread).__name__ not in HARMLESS
    }
    found |= {child.pid for child in multiprocessing.active_children()}
    if sys.platform == "linux":
        tasks = Path("/proc/self/task").glob("*/children")
        found |= {f"child {pid}" for task in tasks for pid in task.read_text().split()}
        found |= {f"file {number}" for number in os.listdir("/proc/self/fd")}
    return found
