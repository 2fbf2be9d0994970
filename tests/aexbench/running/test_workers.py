"""What an explainer does to its process reaches no other cell, and ends no run."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import aexbench
from aexbench import RequestError, families
from aexbench.running.store import Store

FAULTS = '''
import ctypes, os, signal, sys, threading, time
import numpy as np, torch
from aexbench import explainers


def fault(name):
    def register(act):
        @explainers.register(name)
        def explain(detector, x):
            """Do what it must not."""
            act(detector, x)
            return detector.error_map(x)
    return register


@fault("raises")
def raises(detector, x):
    print("before it broke")
    raise ValueError("no answer")

@fault("hangs")
def hangs(detector, x):
    print("still here")
    while True:
        pass

@fault("hangs-in-a-lock")
def locked(detector, x):
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()

@fault("hangs-in-c")
def native(detector, x):
    ctypes.PyDLL(None).pause()  # holds the interpreter

@fault("grows")
def grows(detector, x):
    held = []
    while True:
        held.append(bytearray(2**24))

@fault("grows-in-c")
def grows_in_c(detector, x):
    held = []
    while True:
        held.append(np.ones(2**24))

@fault("leaves")
def leaves(detector, x):
    sys.exit(0)

@fault("leaves-at-once")
def leaves_at_once(detector, x):
    os._exit(0)

@fault("interrupts")
def interrupts(detector, x):
    raise KeyboardInterrupt

@fault("kills")
def kills(detector, x):
    os.kill(os.getpid(), signal.SIGKILL)

@fault("segfaults")
def segfaults(detector, x):
    ctypes.string_at(0)

@fault("talks")
def talks(detector, x):
    for number in range(9_000):
        print("line", number)

@fault("closes")
def closes(detector, x):
    os.closerange(1, 3)

@fault("forks")
def forks(detector, x):
    os.fork()

@fault("threads")
def threads(detector, x):
    for daemon in (True, False):
        threading.Thread(target=time.sleep, args=(1e6,), daemon=daemon).start()

@fault("children")
def children(detector, x):
    import subprocess
    subprocess.Popen(["sleep", "1000000"])

@fault("opens")
def opens(detector, x):
    torch.kept = open(os.devnull)
'''
PRYING = '''
import sys
import torch
from aexbench import explainers

@explainers.register("prying")
def prying(detector, x):
    """Return the truth, where it stands in a frame above."""
    frame = sys._getframe()
    while frame is not None:
        for value in list(frame.f_locals.values()):
            for held in (value, getattr(value, "truth", None)):
                if getattr(held, "dtype", None) == bool and held.shape == x.shape:
                    return torch.as_tensor(held).to(x)
        frame = frame.f_back
    return torch.zeros_like(x)
'''
SUITE = {
    "name": "faults",
    "datasets": ["wine"],
    "detectors": ["mlp[widths=[6, 3],epochs=10,learning_rate=0.02,batch_size=16]"],
    "corruptions": ["random[threshold=0.2,count=12]"],
    "controls": False,
}
EXPECTED = {
    "raises": ("failed", "ValueError: no answer"),
    "hangs": ("timeout", "no answer within 2 s"),
    "hangs-in-a-lock": ("timeout", "no answer within 2 s"),
    "hangs-in-c": ("timeout", "no answer within 2 s"),
    "grows": ("out-of-memory", "its process held more than 1 GB"),
    "grows-in-c": ("out-of-memory", "its process held more than 1 GB"),
    "leaves": ("failed", "SystemExit: 0"),
    "leaves-at-once": ("failed", "its process ended with exit code 0"),
    "interrupts": ("failed", "KeyboardInterrupt: "),
    "kills": ("failed", "its process died of signal 9 (SIGKILL)"),
    "segfaults": ("failed", "its process died of signal 11 (SIGSEGV)"),
    **dict.fromkeys(["talks", "closes", "forks", "threads", "children", "opens"], ("ok", "")),
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """Results of explainers that do what they must not, and of `residual` after each."""
    folder = tmp_path_factory.mktemp("faulty")
    (folder / "faults.py").write_text(FAULTS)
    names = [name for name in EXPECTED if not name.startswith("grows")]
    after = [f"residual[nsamples={at + 50}]" for at in range(len(names))]
    pairs = [entry for pair in zip(names, after, strict=True) for entry in pair]
    with pytest.MonkeyPatch.context() as patch:  # what is registered here is forgotten
        patch.setattr(families, "files", dict(families.files))
        for family in families.FAMILIES.values():
            patch.setattr(family, "_plugins", dict(family._plugins))
        for explainers, limit in (
            (["residual", *pairs], {"timeout": 2.0}),
            (["grows", "grows-in-c", "residual[nsamples=49]"], {"memory": 1.0}),
        ):
            suite, plugins = SUITE | {"explainers": explainers}, [folder / "faults.py"]
            aexbench.run(suite, folder / "s", plugins=plugins, **limit)
    return aexbench.open(folder / "s")


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPECTED)
def test_every_fault_is_a_state_with_its_reason(faulty, name):
    found = {r.cell.explainer.name: (r.state, r.reason) for r in faulty.records}
    assert found[name] == EXPECTED[name]


@pytest.mark.slow
def test_the_others_score_as_without_them(faulty, tmp_path):
    alone = aexbench.run(SUITE | {"explainers": ["residual"]}, tmp_path, in_process=True)
    expected = {r.cell.key: r.scores for r in alone.records}
    assert {r.cell.key: r.scores for r in faulty.records if r.cell.key in expected} == expected
    others = [r for r in faulty.records if r.cell.explainer.name == "residual"]
    assert len(others) == len(EXPECTED)
    assert {r.state for r in others} == {"ok"}


@pytest.mark.slow
def test_what_it_printed_is_kept(faulty):
    printed = {r.cell.explainer.name: r.output for r in faulty.records}
    assert printed["hangs"] == "still here\n"
    assert printed["raises"] == "before it broke\n"
    assert printed["talks"].endswith("line 8999\n")
    assert len(printed["talks"]) == 2**16
    assert printed["residual"] == ""


@pytest.mark.slow
def test_a_cell_that_ran_into_its_time_out_took_that_long(faulty):
    late = [r.seconds["explaining"] for r in faulty.records if r.state == "timeout"]
    assert all(2.0 <= seconds < 10.0 for seconds in late)
    assert late


@pytest.mark.slow
def test_nothing_is_left_running(faulty):
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert "sleep 1000000" not in listed.stdout.splitlines()


WARNS = '''
import warnings
from aexbench import datasets, explainers

@datasets.register("warns")
def warns():
    """Warn of the data."""
    warnings.warn("3 rows were left out")
    return datasets.create("wine")

@explainers.register("murmurs")
def murmurs(detector, x):
    """Warn of the answer."""
    warnings.warn("hardly converged")
    return detector.error_map(x)
'''


def test_warnings_of_data_are_passed_on_once_and_those_of_explainers_kept(tmp_path):
    (tmp_path / "warns.py").write_text(WARNS)
    suite = SUITE | {"datasets": ["warns"], "explainers": ["murmurs", "residual"]}
    with pytest.warns(UserWarning, match="left out") as caught:
        results = aexbench.run(suite, tmp_path / "s", plugins=[tmp_path / "warns.py"], jobs=2)
    texts = [str(one.message) for one in caught]
    assert texts.count("3 rows were left out") <= 2  # planning looks at the data, and a worker
    assert not any("converged" in text for text in texts)
    printed = {r.cell.explainer.name: r.output for r in results.records}
    assert printed == {"murmurs": "warning: hardly converged\n", "residual": ""}


def test_no_truth_stands_in_a_frame_above(tmp_path):
    (tmp_path / "prying.py").write_text(PRYING)
    plugins = [tmp_path / "prying.py"]
    for here in (False, True):
        suite, store = SUITE | {"explainers": ["prying"]}, tmp_path / str(here)
        results = aexbench.run(suite, store, plugins=plugins, in_process=here)
        assert not results.attributions(results.cells[0]).any()


def test_a_component_of_this_process_alone_runs_here_and_cannot_be_limited(
    tmp_path, capsys, monkeypatch
):
    registry = families.explainers
    monkeypatch.setattr(registry, "_plugins", dict(registry._plugins))

    @aexbench.explainers.register("at-hand")
    def at_hand(detector, x):
        """Return the error map."""
        return detector.error_map(x)

    suite = SUITE | {"explainers": ["at-hand"]}
    assert aexbench.run(suite, tmp_path / "a").complete
    assert "explainer at-hand is known to it alone" in capsys.readouterr().err
    with pytest.raises(RequestError, match="known to this process alone"):
        aexbench.run(suite, tmp_path / "b", timeout=5.0)


@pytest.mark.parametrize("limit", [{"timeout": 0.0}, {"memory": -1.0}, {"timeout": float("nan")}])
def test_limits_that_nothing_can_keep_are_refused(limit, tmp_path):
    with pytest.raises(RequestError, match="must be greater than 0"):
        aexbench.run(SUITE | {"explainers": ["residual"]}, tmp_path, **limit)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"jobs": 0}, "jobs must be at least 1"),
        ({"in_process": True, "timeout": 5.0}, "nothing is contained in this process"),
        ({"in_process": True, "jobs": 2}, "nothing is contained in this process"),
    ],
)
def test_what_cannot_be_contained_is_refused(how, said, tmp_path):
    with pytest.raises(RequestError, match=said):
        aexbench.run(SUITE | {"explainers": ["residual"]}, tmp_path, **how)


def test_several_jobs_make_the_same_scores_and_say_how_many_they_were(tmp_path):
    corruptions = ["random[threshold=0.2,count=12]", "null[threshold=0.1,count=8]"]
    suite = SUITE | {"explainers": ["residual", "deviation"], "corruptions": corruptions}
    found = [aexbench.run(suite, tmp_path / str(jobs), seeds=2, jobs=jobs) for jobs in (1, 2)]
    assert found[0].frame.score.tolist() == found[1].frame.score.tolist()
    assert [{r.provenance["hardware"]["jobs"] for r in one.records} for one in found] == [{1}, {2}]


SLOW = """
import time
from aexbench import explainers

for number in range(4):
    @explainers.register(f"slow-{number}")
    def slow(detector, x):
        '''Take its time.'''
        time.sleep(0.7)
        return detector.error_map(x)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_all_processes_lets_what_runs_come_to_its_end(number, tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    command = [sys.executable, "-m", "aexbench", "run", "quickstart", "-d", "wine", "-c", "null"]
    command += ["--plugin", "slow.py", "--no-controls", "--seeds", "1", "--store", "s"]
    command += [part for n in range(4) for part in ("-e", f"slow-{n}")]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    records = tmp_path / "s" / "cells"
    while not list(records.glob("*.json")):
        assert process.poll() is None
    os.killpg(process.pid, number)  # as a terminal does, and a scheduler
    out, _ = process.communicate()
    assert process.returncode == 128 + number
    kept, _ = Store(tmp_path / "s").records()
    assert 1 <= len(kept) < 4
    said = f"stopped; {len(kept)} of 4 cells are finished, {len(kept)} of them to be timed."
    assert f"{said} The same command goes on from here." in out
    assert all(record.state == "ok" for record in kept)


@pytest.mark.slow
def test_workers_die_with_their_coordinator(tmp_path):
    (tmp_path / "faults.py").write_text(FAULTS)
    command = [sys.executable, "-m", "aexbench", "run", "-d", "wine", "-e", "hangs", "--store", "s"]
    process = subprocess.Popen(
        [*command, "--plugin", "faults.py", "--no-controls"], cwd=tmp_path, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    while b"hangs on" not in process.stderr.readline():
        assert process.poll() is None
    ends = [os.pidfd_open(pid) for pid in _descendants(process.pid)]
    process.kill()
    process.wait()
    assert ends
    for end in ends:
        select.select([end], [], [])  # readable once that process is over
        os.close(end)


def _descendants(pid: int) -> list[int]:
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for one in lists for child in one.read_text().split()]
    return [*children, *(below for child in children for below in _descendants(child))]


@pytest.mark.slow
def test_two_coordinators_share_the_cells_of_one_store(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW.replace("0.7", "0.1"))
    command = [sys.executable, "-m", "aexbench", "run", "-d", "wine", "-c", "null", "--seeds", "1"]
    command += [
        "--plugin",
        "slow.py",
        "--store",
        "s",
        *(p for n in range(4) for p in ("-e", f"slow-{n}")),
    ]
    both = [
        subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    outs = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outs
    records, complaints = Store(tmp_path / "s").records()
    assert (len(complaints), {record.state for record in records}) == (0, {"ok"})
    assert list((tmp_path / "s" / "claims").iterdir()) == []
    assert all(f"{len(records)} of {len(records)} cells ok" in out for out in outs)
