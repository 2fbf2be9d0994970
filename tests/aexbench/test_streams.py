"""Where nobody can read what is said, or a terminal says odd things of itself, the work goes on."""

from __future__ import annotations

import errno
import io
import subprocess
import sys
from pathlib import Path

import pytest

import aexbench
from aexbench import RequestError
from aexbench.cli import shared
from aexbench.errors import tell
from aexbench.running import progress
from aexbench.running.estimate import Estimate
from aexbench.running.store import SCHEMA, Record
from tests.aexbench.running.test_plans import cell

RESULTS = Path(__file__).parents[2] / "results" / "quickstart"
FULL = Path("/dev/full")


class Full(io.StringIO):
    def write(self, text):
        raise OSError(errno.ENOSPC, "No space left on device")


def command(*arguments, **streams):
    run = [sys.executable, "-m", "aexbench", *map(str, arguments)]
    return subprocess.run(run, text=True, check=False, **streams)


@pytest.mark.parametrize("columns", ["0", "-3", "7", "20", "60"])
def test_a_table_is_shown_whatever_the_terminal_says(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    width = shared.console().width
    assert width == {"0": 80, "-3": 80, "7": 20}.get(columns, int(columns))


@pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")
def test_a_full_disk_under_the_streams():
    with FULL.open("w") as full:
        found = command("list", "metrics", stdout=full, stderr=subprocess.PIPE)
        assert (found.returncode, found.stderr.count("\n")) == (1, 1)
        assert "cannot be written: no space left" in found.stderr
        found = command("list", "nonsense", stdout=subprocess.PIPE, stderr=full)
        assert found.returncode == 2


def test_progress_that_cannot_be_written_stops_nothing(monkeypatch):
    closed = io.StringIO()
    closed.close()
    for stream in (Full(), None, closed):
        monkeypatch.setattr(sys, "stderr", stream)
        tell("nobody reads this")
    for stream in (Full(), None, closed):
        monkeypatch.setattr(sys, "stderr", stream)
        with progress.progress(Estimate(), 3) as show:
            show.begin(cell())
            show.say("a cell", 0.5)
            show.end(Record(schema_version=SCHEMA, cell=cell(), state="ok"))


def test_what_a_plugin_is_called_commands_no_terminal(capsys):
    hostile = cell("\x1b[31mred\x07")
    with progress.progress(Estimate(), 1) as show:
        show.begin(hostile)
        assert show.now().isprintable()
        show.end(Record(schema_version=SCHEMA, cell=hostile, state="ok"))
    assert "[31mred  on data" in (err := capsys.readouterr().err)
    assert err[:-1].isprintable()


def test_a_store_named_by_a_relative_path_is_found_from_elsewhere(
    detector, linear_rows, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    results = aexbench.evaluate(
        detector,
        linear_rows[300:],
        background=linear_rows[:300],
        explainers=["residual"],
        corruptions=["random[threshold=0.2]"],
        twins=0,
        count=5,
        store="kept",
    )
    monkeypatch.chdir("/")
    assert "residual" in str(results.board())
    assert len(results.attributions(results.records[0].cell)) == 5


@pytest.mark.parametrize("name", ["a" * 300, "a\0b"])
def test_a_path_that_can_be_no_folder_is_one_line(name, aexbench_cli, detector, linear_rows):
    rows = linear_rows[:300]
    with pytest.raises(RequestError, match="can be no folder"):
        aexbench.evaluate(detector, rows, background=rows, explainers=["residual"], store=name)
    if "\0" not in name:
        for command in (["run", "quickstart", "--store", name], ["leaderboard", name]):
            assert aexbench_cli(*command).code == 2


def test_a_dry_run_refuses_what_a_run_refuses(aexbench_cli, tmp_path):
    (tmp_path / "file").write_text("")
    outcome = aexbench_cli("run", "quickstart", "--store", tmp_path / "file", "--dry-run")
    assert outcome.code == 2
    assert "a file is in its way" in outcome.err


def test_a_broken_plugin_file_ends_the_command(aexbench_cli, tmp_path):
    (tmp_path / "broken.py").write_text("1 / 0\n")
    outcome = aexbench_cli("run", "quickstart", "--plugin", tmp_path / "broken.py", "--dry-run")
    assert outcome.code == 2
    assert "error: plugin broken.py, line 1: ZeroDivisionError: division by zero" in outcome.err


def test_a_suite_in_another_encoding_is_one_line(aexbench_cli, tmp_path):
    (tmp_path / "suite.toml").write_text("name = 'x'", encoding="utf-16")
    outcome = aexbench_cli("run", tmp_path / "suite.toml")
    assert outcome.code == 2
    assert "save it as that" in outcome.err
