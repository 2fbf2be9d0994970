"""Cells on a Dask cluster: the same results, whoever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import aexbench
from aexbench import RequestError, families
from aexbench.running import cluster, remote
from aexbench.running.claims import BEAT_S
from aexbench.running.cluster import Cluster
from aexbench.running.store import Store
from aexbench.running.workers import Limits, Request
from tests.aexbench.running.test_plans import cell

PLUGIN = '''
import os, signal, sys, time
from pathlib import Path
from aexbench import explainers


@explainers.register("deadly")
def deadly(detector, x, folder=""):
    """Kill the Dask worker that this is for, the first time."""
    mark = Path(folder) / "killed"
    if not mark.exists():
        mark.touch()
        server = os.getppid()
        status = Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()
        os.kill(int(status[1]), signal.SIGKILL)
        time.sleep(60)
    return detector.error_map(x)

@explainers.register("hangs")
def hangs(detector, x):
    """Give no answer."""
    while True:
        pass

@explainers.register("slow")
def slow(detector, x, n=0):
    """Take its time."""
    time.sleep(0.2)
    return detector.error_map(x) * (n + 1)
'''
SUITE = {
    "name": "cluster",
    "datasets": ["wine"],
    "detectors": ["mlp[widths=[6, 3],epochs=10,learning_rate=0.02,batch_size=16]"],
    "corruptions": ["random[threshold=0.2,count=12]", "null[threshold=0.1,count=8]"],
    "explainers": ["residual", "lrp", "repair"],
    "seeds": 2,
    "twins": 1,
}
START = """
import sys, time
from distributed import LocalCluster
if __name__ == "__main__":
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as started:
        print(started.scheduler_address, flush=True)
        time.sleep(600)
"""


class Started:
    """A cluster in processes of its own."""

    def __init__(self, folder: Path) -> None:
        (folder / "start.py").write_text(START)
        command = [sys.executable, str(folder / "start.py")]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    pytest.importorskip("distributed")
    started = Started(tmp_path_factory.mktemp("cluster"))
    yield started.address
    started.kill()


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What the suite comes to in this process."""
    return aexbench.run(SUITE, tmp_path_factory.mktemp("alone") / "s", in_process=True)


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    monkeypatch.setattr(families, "files", dict(families.files))
    for family in families.FAMILIES.values():
        monkeypatch.setattr(family, "_plugins", dict(family._plugins))
    path = tmp_path / "of_a_cluster.py"
    path.write_text(PLUGIN)
    return path


def scores(results):
    return results.frame.set_index(["cell", "metric"]).score.to_dict()


@pytest.mark.slow
@pytest.mark.parametrize("shared", [True, False])
def test_it_comes_to_the_same_with_and_without_a_common_disk(
    address, alone, shared, tmp_path, monkeypatch
):
    travelled, keep = set(), Cluster._keep
    monkeypatch.setattr(
        Cluster, "_keep", lambda self, sent: (travelled.update(sent), keep(self, sent))
    )
    if not shared:
        monkeypatch.setattr(Cluster, "_write_probe", lambda self: None)
    found = aexbench.run(SUITE, tmp_path / "s", scheduler=address)
    folders = set() if shared else {"detectors", "anomalies", "attributions", "scores"}
    assert {folder for folder, _ in travelled} == folders
    assert found.complete
    assert scores(found) == scores(alone)
    store = Store(tmp_path / "s")
    assert all(store.finished(record.cell) for record in found.records)
    assert scores(aexbench.run(SUITE, tmp_path / "s", scheduler=address)) == scores(found)
    assert sorted(path.name for path in tmp_path.rglob("*.part")) == []
    timed = [record.timing for record in found.records if record.timing is not None]
    assert len(timed) == 2 * (3 + 3)  # explainers and floors, on two corruptions
    assert {times.hardware["jobs"] for times in timed} == {1}
    assert {record.provenance["hardware"]["jobs"] for record in found.records} == {2}


@pytest.mark.slow
def test_a_dask_worker_that_dies_is_replaced_and_its_cell_run_again(address, plugin, tmp_path):
    (tmp_path / "marks").mkdir()  # not beside the plugin: it would count as a part of that
    names = [f"deadly[folder={tmp_path / 'marks'}]", "residual"]
    suite = SUITE | {"explainers": names, "controls": False, "seeds": 1}
    found = aexbench.run(suite, tmp_path / "s", scheduler=address, plugins=[plugin])
    assert (tmp_path / "marks" / "killed").exists()
    assert found.complete


@pytest.mark.slow
def test_limits_are_kept(address, plugin, tmp_path):
    suite = SUITE | {"explainers": ["hangs", "residual"], "controls": False, "seeds": 1}
    how = {"scheduler": address, "plugins": [plugin], "timeout": 1.0}
    found = aexbench.run(suite, tmp_path / "s", **how)
    states = {(r.cell.explainer.name, r.state, r.reason) for r in found.records}
    assert states == {("hangs", "timeout", "no answer within 1 s"), ("residual", "ok", "")}


@pytest.mark.slow
def test_when_the_scheduler_dies_a_run_ends_and_goes_on_with_another(plugin, tmp_path):
    first = Started(tmp_path)
    names = [part for n in range(4) for part in ("-e", f"slow[n={n}]")]
    command = [sys.executable, "-m", "aexbench", "run", "quickstart", "-d", "wine", "-c", "null"]
    command += ["--plugin", str(plugin), "--no-controls", "--seeds", "1", "--store", "s", *names]
    process = subprocess.Popen(
        [*command, "--scheduler", first.address], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    while not list((tmp_path / "s" / "cells").glob("*.json")):
        assert process.poll() is None
        time.sleep(0.05)
    first.kill()
    _, said = process.communicate()
    assert (process.returncode, cluster.GONE in said) == (2, True)
    before = set((tmp_path / "s" / "cells").glob("*.json"))
    assert 1 <= len(before) < 4
    second = Started(tmp_path)
    again = subprocess.run([*command, "--scheduler", second.address], cwd=tmp_path, check=False)
    second.kill()
    assert again.returncode == 0
    assert len(set((tmp_path / "s" / "cells").glob("*.json"))) == 4


def test_an_address_where_nobody_answers_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(cluster, "CONNECT_S", 0.5)
    with pytest.raises(RequestError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1"):
        aexbench.run(SUITE, tmp_path, scheduler="tcp://127.0.0.1:1")


def test_without_dask_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(RequestError, match=r"pip install 'aexbench\[cluster\]'"):
        aexbench.run(SUITE, tmp_path, scheduler="tcp://127.0.0.1:1")


def test_jobs_are_those_of_the_cluster(tmp_path):
    with pytest.raises(RequestError, match="leave jobs out"):
        aexbench.run(SUITE, tmp_path, scheduler="tcp://127.0.0.1:1", jobs=2)


def test_a_lost_cell_waits_again(tmp_path):
    from aexbench.running.sharing import Shared

    shared = Shared([cell(), cell("lrp")], Store(tmp_path / "s", create=True))
    taken = shared.take(0, None)
    assert shared.take(1, None) is None  # the source is being made
    shared.again(taken)
    assert {shared.take(1, None).key for _ in range(2)} == {cell().key, cell("lrp").key}


class Ended:
    """Stands for a worker process."""

    def __init__(self, ends: list[str], name: str) -> None:
        self.ends, self.name = ends, name

    def end(self) -> None:
        self.ends.append(self.name)


def test_a_run_that_ends_leaves_others_of_the_same_cluster_at_work(monkeypatch, tmp_path):
    ended: list[str] = []
    places = {
        (run, 1): remote.Place((b"", ()), Ended(ended, run), None)  # type: ignore[arg-type]
        for run in ("mine", "theirs")
    }
    folders = {run: tmp_path / run for run in ("mine", "theirs")}
    for folder in folders.values():
        folder.mkdir()
    monkeypatch.setattr(remote, "PLACES", places)
    monkeypatch.setattr(remote, "FOLDERS", folders)
    remote.end("mine", 1)
    assert (ended, (tmp_path / "mine").exists()) == (["mine"], True)
    remote.end("mine")
    assert (ended, list(places), list(folders)) == (["mine"], [("theirs", 1)], ["theirs"])
    assert (tmp_path / "theirs").exists()
    remote.end()
    assert (ended, places, list(tmp_path.iterdir())) == (["mine", "theirs"], {}, [])


def test_who_hears_nothing_of_a_coordinator_gives_up(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(remote, "time", SimpleNamespace(monotonic=lambda: now[0]))
    remote.beat("mine")
    now[0] += remote.LOST_S
    remote._listen("mine")
    now[0] += 1.0
    with pytest.raises(remote.LostError):
        remote._listen("mine")
    assert remote.LOST_S > 10 * BEAT_S


def test_a_run_that_was_not_heard_of_ends_with_one_line(monkeypatch):
    def lost(task):
        raise remote.LostError

    monkeypatch.setattr(remote, "_place", lost)
    task = remote.Task("mine", Request("run", b"", ""), b"", Limits(), True)
    reply = remote.reply(task)
    assert (reply.answer, reply.error) == (None, (True, remote.LOST))
    assert "mine" not in remote.BEATS


def test_a_trained_model_is_read_by_the_workers(address, tmp_path, monkeypatch):
    (tmp_path / "model.py").write_text("def build(): return lambda x: 0.9 * x")
    monkeypatch.chdir(tmp_path)
    suite = {k: v for k, v in SUITE.items() if k != "detectors"} | {"explainers": ["residual"]}
    suite |= {"model": "model.py:build", "seeds": 1, "controls": False}
    one = aexbench.run(suite, tmp_path / "one", in_process=True, quiet=True)
    other = aexbench.run(suite, tmp_path / "two", scheduler=address, quiet=True)
    assert {r.cell.key: r.scores for r in one.records} == {
        r.cell.key: r.scores for r in other.records
    }
