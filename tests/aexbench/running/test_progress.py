"""What a run shows of itself: on terminals of several widths, in logs, and where nobody looks."""

from __future__ import annotations

import errno
import io
import os
import pty
import re
import select
import signal
import sys
import time
from contextlib import suppress

import pytest
from rich.console import Console, Group

from aexbench import waiting
from aexbench.running import progress
from aexbench.running.estimate import Estimate
from aexbench.running.progress import PREPARING, Bars, Lines, Show
from aexbench.running.store import SCHEMA, Record
from aexbench.waiting import as_lines
from tests.aexbench.running.test_estimate import cell, made

LONG = "integrated-gradients[steps=500,baseline=median,batch=64]"
HIDDEN, SHOWN = b"\x1b[?25l", b"\x1b[?25h"


def record(one, state="ok", **seconds) -> Record:
    return Record(schema_version=SCHEMA, cell=one, state=state, seconds=seconds)


@pytest.fixture
def clock(monkeypatch):
    """Time as a test sets it."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def expecting(*cells, known: float = 1.0, workers: int = 1) -> Estimate:
    estimate = Estimate(workers)
    for one in cells:
        estimate.before.add(one, {"explaining": known})
    estimate.expect(cells, there=made)
    return estimate


def test_a_log_has_a_line_for_each_cell_and_what_came_of_it(clock, capsys):
    cells = [cell("residual"), cell("lime"), cell("kernelshap")]
    lines = Lines(expecting(*cells, known=20.0), 3)
    for one, state in zip(cells, ("ok", "failed", "ok"), strict=True):
        lines.begin(one)
        clock[0] += 20
        lines.end(record(one, state, explaining=19.8))
    assert capsys.readouterr().err.splitlines() == [
        "[1/3, 40 s left] residual on small / null, seed 0: ok, 20 s",
        "[2/3, 20 s left] lime on small / null, seed 0: failed, 20 s",
        "[3/3] kernelshap on small / null, seed 0: ok, 20 s",
    ]


def test_a_log_shows_now_and_then_that_long_work_goes_on(clock, capsys):
    lines = Lines(expecting(cell()), 1)
    lines.begin(cell())
    for _ in range(25):
        clock[0] += 1
        lines.say("training small", 0.5)
    lines.say("of one that hangs", None)
    for _ in range(25):
        clock[0] += 1
        lines.beat()
    err = capsys.readouterr().err
    assert err.count("\n") == 5
    assert "50 s: of one that hangs" in err
    assert "[0/1, 1 s left] 10 s: training small (50% of the epochs)" in err


def test_other_work_bears_its_name(clock, capsys):
    lines = Lines(Estimate(), 1)
    lines.begin(cell(), "weighing")
    clock[0] += 3
    assert lines.now() == "3 s: weighing residual on small / null, seed 0"
    lines.end(record(cell(), weighing=2.0), "weighing")
    assert "weighing residual on small / null, seed 0: ok, 2 s" in capsys.readouterr().err


def test_more_work_of_another_kind_makes_a_run_longer(clock, monkeypatch, capsys):
    cells = [cell("residual"), cell("lime")]
    shown = [Lines(expecting(*cells, known=8.0), 2), Bars(expecting(*cells, known=8.0), 2)]
    for show in shown:
        for one in cells:
            show.end(record(one, explaining=8.0))
        show.expect(cells, "weighing")
        show.estimate.before.add(cells[0], {"weighing": 30.0})
        show.end(record(cells[1]), "weighing")
        assert (show.done, show.total, show.left()) == (3, 4, "30 s left")
    assert shown[1].picture().share == 0.75
    assert "[3/4, 30 s left] weighing lime" in capsys.readouterr().err


def test_cells_that_are_worked_on_together_share_the_time(clock):
    cells = [cell(seed=seed) for seed in range(12)]
    show = Show()
    show.expect(cells, "timing")
    for one in cells[:4]:
        show.begin(one, "timing", sharing=4)
    clock[0] += 20
    for one in cells[:4]:
        show.end(record(one), "timing")
    assert show.estimate.left() == pytest.approx(8 * 5)
    for one in cells[4:8]:
        show.begin(one, "timing", sharing=4)
    clock[0] += 8
    assert show.left() == "32 s left"


def test_what_is_shown_as_running_is_running(clock):
    show, (one, other) = Show(Estimate(2), 2), (cell("residual"), cell("lime"))
    assert show.now() == PREPARING
    show.begin(one)
    clock[0] += 4
    show.begin(other)
    show.say("training small", 0.25, other)
    assert show.now() == f"2 run, longest 4 s: {one}"
    show.end(record(one, explaining=4.0))
    assert show.now() == "0 ms: training small (25% of the epochs)"
    show.say(str(other), None, other)
    assert show.now() == f"0 ms: {other}"
    show.end(record(other, explaining=1.0))
    show.say("of nothing that runs", None, other)
    assert show.now() == ""


def test_the_time_between_cells_counts(clock):
    """Sent, written, taken note of: what a worker measures is not all that a cell takes."""
    cells = [cell(seed=seed) for seed in range(11)]
    show = Show(expecting(*cells), 11)
    show.begin(cells[0])
    clock[0] += 3
    show.end(record(cells[0], explaining=1.0, training=0.5))
    assert show.estimate.left() == pytest.approx(10 * 2.5)


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_bar_and_its_figures_fit_and_what_runs_is_cut(columns, clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    cells = [cell(LONG, seed=seed) for seed in range(10_000)]
    show = Bars(expecting(*cells, known=30.0), len(cells))
    show.begin(cells[0])
    clock[0] += 30
    show.end(record(cells[0]))
    show.begin(cells[1])
    screen = Console(width=columns, file=io.StringIO(), force_terminal=True)
    screen.print(Group(*as_lines(show.picture(), screen)))
    figures, runs = re.sub(r"\x1b\[[\d;]*m", "", screen.file.getvalue()).splitlines()
    assert re.fullmatch(r"━{18,40} +1/10000 \d:\d\d:\d\d 83 h 20 min left *", figures)
    assert len(figures) <= columns
    assert (runs[:8], len(runs) <= columns) == ("0 ms: in", True)
    assert runs.endswith("…" if columns < 200 else "seed 1")


def test_quiet_shows_nothing_and_counts(capsys):
    with progress.progress(expecting(cell()), 1, quiet=True) as show:
        show.begin(cell())
        show.say("training", 0.5)
        show.end(record(cell()))
    assert show.done == 1
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def terminal(monkeypatch):
    """A pseudo-terminal: what shows on it at once, and the stream that writes."""
    monkeypatch.setattr(waiting, "AFTER_S", 0.0)
    monkeypatch.setattr(waiting, "EVERY_S", 0.02)
    master, slave = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    stream = os.fdopen(slave, "w")
    yield master, stream
    for close in (stream.close, lambda: os.close(master)):
        with suppress(OSError):  # closed before
            close()


def read(master: int) -> bytes:
    found = b""
    while select.select([master], [], [], 0.2)[0]:
        found += os.read(master, 2**16)
    return found


def test_however_a_run_ends_the_cursor_is_back(terminal, monkeypatch):
    master, stream = terminal
    monkeypatch.setattr(sys, "stderr", stream)
    for error in (KeyboardInterrupt, ValueError):
        with suppress(error), progress.progress(expecting(cell()), 1) as show:
            show.begin(cell())
            raise error
        written = read(master)
        assert written.count(HIDDEN) == written.count(SHOWN) == 1
        assert written.rindex(SHOWN) > written.index(HIDDEN)


def test_a_terminal_that_closes_ends_nothing(terminal, monkeypatch):
    master, stream = terminal
    monkeypatch.setattr(sys, "stderr", stream)
    with progress.progress(expecting(cell()), 1) as show:
        os.close(master)
        show.begin(cell())
        time.sleep(5 * waiting.EVERY_S)
        show.end(record(cell()))
    assert show.done == 1


class Gone(io.StringIO):
    """A terminal that takes nothing any more, and says so when it is written to."""

    gone = False

    def isatty(self):
        return True

    def write(self, text):
        if self.gone:
            raise OSError(errno.EIO, "Input/output error")
        return super().write(text)

    def flush(self):
        self.write("")


def test_a_terminal_that_takes_nothing_any_more_ends_nothing(monkeypatch):
    stream = Gone()
    monkeypatch.setattr(waiting, "AFTER_S", 0.0)
    monkeypatch.setattr(waiting, "EVERY_S", 0.02)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with progress.progress(expecting(cell()), 1) as show:
        while "0/1" not in stream.getvalue():
            time.sleep(waiting.EVERY_S)
        stream.gone = True
        show.begin(cell())
        time.sleep(5 * waiting.EVERY_S)
        show.end(record(cell()))
    assert show.done == 1
    assert "0/1" in stream.getvalue()


def test_a_terminal_that_draws_nothing_anew_is_shown_lines(terminal, monkeypatch):
    master, stream = terminal
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stderr", stream)
    with progress.progress(expecting(cell()), 1) as show:
        show.end(record(cell()))
    assert read(master) == b"[1/1] residual on small / null, seed 0: ok\r\n"


def test_stopped_by_a_signal_a_run_says_how_to_go_on_and_gives_the_cursor_back(small, tmp_path):
    command = [sys.executable, "-m", "aexbench", "run", str(small), "--store", str(tmp_path / "s")]
    command += ["--seeds", "30"]  # for longer than it is silent
    pid, master = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm", OMP_NUM_THREADS="1")
        os.execv(command[0], command)
    written, sent = b"", False
    with suppress(OSError):  # at its end
        while chunk := os.read(master, 2**16):
            written += chunk
            if not sent and b" wine" in written:
                os.kill(pid, signal.SIGTERM)
                sent = True
    os.close(master)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 128 + signal.SIGTERM
    assert b"The same command goes on from here." in written
    assert written.count(HIDDEN) == written.count(SHOWN)
    assert written.rindex(SHOWN) > written.rindex(HIDDEN)


def test_a_quiet_command_shows_its_board_and_how_long_it_took(aexbench_cli, small, tmp_path):
    outcome = aexbench_cli("run", small, "-e", "residual", "--quiet", "--store", tmp_path)
    assert (outcome.code, outcome.err) == (0, "")
    assert re.search(r"20 of 20 cells ok; 20 run in \d+(\.\d)? (s|min); records in", outcome.out)


def test_a_dry_run_says_how_long_cells_like_these_took(aexbench_cli, small, tmp_path):
    options = ("run", small, "-e", "residual", "--store", tmp_path / "s")
    before = aexbench_cli(*options, "--dry-run")
    assert "How long that takes is not known" in before.out
    aexbench_cli(*options)
    newer = tmp_path / "s" / "cells" / f"{'0' * 32}.json"
    newer.write_text('{"schema_version": 99}')  # of nothing that is asked for
    again = aexbench_cli(*options, "--seeds", 2, "--dry-run", "--jobs", 2)
    assert re.search(r"take about [\d.]+ (s|ms) with 2 at once, as such cells", again.out)
