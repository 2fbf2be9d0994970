"""`aexbench check`: does a plugin file keep its contracts, and which line mends it?"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from aexbench.cli import reports
from aexbench.cli.reports import Checked
from aexbench.cli.shared import load_plugins
from aexbench.errors import RequestError, unknown

if TYPE_CHECKING:
    from aexbench.registry import Plugin

LIMIT_S = 120.0  # that a component may take for all its rules

app = typer.Typer()


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A Python file that registers components.")],
    name: Annotated[
        list[str] | None,
        typer.Argument(help="Those alone, with parameters: 'mine[power=2]'; all if left out."),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, metavar="S", help="Seconds that each component may take.")
    ] = LIMIT_S,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Check whether a plugin keeps its contract: what is wrong, and the line that mends it.

    Exit codes: 0 every rule is kept, 1 some are broken, 2 something could not be tried.
    """
    out = sys.stdout
    with redirect_stdout(sys.stderr):  # what a plugin prints
        chosen = _chosen(file, load_plugins([file], timeout), name or [])
        answers = Answers(file, as_json, out, len(chosen))
        for plugin, given in chosen:
            with bounded(timeout, partial(_hung, answers, plugin, timeout)):
                checked = _checked(file, plugin, given)
            answers.add(checked)
    raise typer.Exit(answers.end())


@dataclass
class Answers:
    """What came of the components so far: printed as it comes, or as JSON at the end."""

    file: Path
    as_json: bool
    out: TextIO
    asked: int
    done: list[Checked] = field(default_factory=list)

    def add(self, checked: Checked) -> None:
        """Take what came of a component."""
        self.done.append(checked)
        if not self.as_json:
            with redirect_stdout(self.out):
                reports.show(checked)

    def end(self) -> int:
        """Print what is left to be said, and return the exit code."""
        with redirect_stdout(self.out):
            if self.as_json:
                print(json.dumps([reports.as_json(checked) for checked in self.done], indent=1))
            else:
                reports.sum_up(self.file, self.done, self.asked - len(self.done))
            self.out.flush()
        return reports.exit_code(self.done)


def _chosen(
    file: Path, registered: Sequence[Plugin[Any]], names: Sequence[str]
) -> list[tuple[Plugin[Any], dict[str, Any]]]:
    """Return what is to be checked, with its parameters; all that is registered without names."""
    from aexbench import specs

    if not registered:
        register = f'@aexbench.explainers.register("{file.stem}", version=1)'
        raise RequestError(f"{file} registers nothing: put {register} above a function")
    if not names:
        return [(plugin, {}) for plugin in registered]
    chosen: list[tuple[Plugin[Any], dict[str, Any]]] = []
    for name, given in map(specs.parse, names):
        found = [plugin for plugin in registered if plugin.name == name]
        if not found:
            raise unknown(f"component of {file}", name, {one.name for one in registered})
        chosen += [(plugin, given) for plugin in found]
    return chosen


def _checked(file: Path, plugin: Plugin[Any], given: dict[str, Any]) -> Checked:
    from aexbench.checking import remarks, tried

    report = tried(plugin, given)
    return Checked(file, report, [*remarks(plugin), *report.remarks])


@contextmanager
def bounded(seconds: float, over: Callable[[str], None]) -> Iterator[None]:
    """Call `over` in another thread if this one takes longer, with the line of the plugin file that
    it is at, in brackets.
    """
    done, own = threading.Event(), threading.get_ident()

    def watch() -> None:
        if not done.wait(seconds):
            over(_place(own))

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        done.set()
        watching.join()


def _place(thread: int) -> str:
    """Return in brackets the line of a plugin file that a thread is at; empty if it is at none."""
    from aexbench.registry import in_plugin_file

    frame = sys._current_frames().get(thread)
    while frame is not None and not in_plugin_file(frame):
        frame = frame.f_back
    if frame is None:
        return ""
    return f" ({Path(frame.f_code.co_filename).name}, line {frame.f_lineno})"


def _hung(answers: Answers, plugin: Plugin[Any], timeout: float, place: str) -> None:
    """Say which component comes to no end, and end the process: nothing else stops it."""
    from aexbench.checking import Report
    from aexbench.checking.trying import ENDS
    from aexbench.conformance import Finding

    slow = Finding(ENDS, f"no answer within {timeout:g} s{place}")
    answers.add(Checked(answers.file, Report(plugin.family, plugin.name, findings=[slow])))
    os._exit(answers.end())
