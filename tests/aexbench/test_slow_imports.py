"""Plugins that hang when they are imported."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from aexbench.cli import shared

HANGS = {
    "in Python": "import time\nwhile True: time.sleep(0.01)",
    "under a lock": "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()",
    "in native code": "import select\nselect.poll().poll()",
}
QUICKLY = (
    "import signal, sys; from aexbench import cli; from aexbench.cli import shared; "
    "signal.signal(signal.SIGINT, signal.default_int_handler); "  # a job behind ignores it
    "shared.SLOW_S = 0.2; sys.exit(cli.main())"
)


def hanging(tmp_path, source: str, *options: str) -> subprocess.Popen[str]:
    (tmp_path / "hangs.py").write_text(source)
    command = [sys.executable, "-c", QUICKLY, "run", "--plugin", "hangs.py", "-d", "wine"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*command, *options], cwd=tmp_path, **pipes)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("source", HANGS.values(), ids=HANGS)
def test_with_a_timeout_it_ends_the_command_in_one_line(tmp_path, source):
    process = hanging(tmp_path, source, "--timeout", "0.5")
    out, err = process.communicate()
    assert (process.returncode, out) == (2, "")
    slow, end = err.splitlines()
    assert slow == "hangs.py is still being imported, after 0.2 s: Ctrl-C ends that"
    assert end == "error: hangs.py hangs when it is imported"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hangs.py"]


def test_without_one_it_is_named_and_ctrl_c_ends_it(tmp_path):
    process = hanging(tmp_path, HANGS["in Python"])
    assert process.stderr is not None
    assert "hangs.py is still being imported" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 130


def test_of_a_quick_one_nothing_is_said_and_nothing_is_left(tmp_path, monkeypatch, capsys):
    (tmp_path / "quick.py").write_text("")
    before = threading.active_count()
    shared.load_plugins([tmp_path / "quick.py"], timeout=60)
    assert threading.active_count() == before
    assert capsys.readouterr().err == ""


def test_half_a_minute_passes_before_it_is_said():
    assert shared.SLOW_S == 30
