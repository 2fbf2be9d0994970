"""Which cell is next, and whose it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from aexbench.running import claims
from aexbench.running.claims import BEAT_S, GONE_S, Claims
from aexbench.running.sharing import Queue, Shared
from aexbench.running.store import SCHEMA, Record, Store
from tests.aexbench.running.test_plans import cell


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store", create=True)


def take(claims: Claims, one=None) -> bool:
    wanted = cell() if one is None else one
    return claims.take(wanted.key, str(wanted))


def test_sources_stay_together_and_are_made_once():
    cells = [cell(name, seed=seed) for seed in (0, 1) for name in ("residual", "lrp", "lime")]
    queue = Queue(cells)
    assert queue.take(0, None) == cells[0]
    assert queue.take(1, None) == cells[3]  # the first detector is being made
    assert queue.take(2, None) is None
    queue.done(cells[0])
    assert queue.take(2, None) == cells[1]  # now anybody may explain on it
    assert queue.take(1, cells[3]) == cells[4]  # a worker stays with its source
    queue.done(cells[1])
    assert queue.take(0, cells[0]) == cells[2]
    assert queue.take(0, cells[2]) is None
    queue.done(cells[3])
    assert queue.take(0, cells[2]) == cells[5]
    assert not queue.waiting


def test_a_claim_has_one_owner(store):
    mine, yours = Claims(store), Claims(store)
    assert (take(mine), take(yours), take(yours, cell("lrp"))) == (True, False, True)
    mine.release_all()
    assert take(yours)
    yours.release_all()
    assert list(mine.folder.iterdir()) == []


def test_the_claim_of_a_dead_process_is_taken_over_and_its_cell_named(store, capsys):
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    dead.wait()
    take(Claims(store))
    path = next((store.root / "claims").iterdir())
    path.write_text(json.dumps(json.loads(path.read_text()) | {"pid": dead.pid}))
    shared = Shared([cell(), cell("lrp")], store)
    assert (
        "begun before and never ended: residual on data / null, seed 0" in capsys.readouterr().err
    )
    assert shared.take(0, None) == cell()


@pytest.mark.parametrize(("age", "gone"), [(GONE_S - 20, False), (GONE_S + 20, True)])
def test_the_claim_of_another_host_lasts_as_long_as_it_is_touched(store, age, gone):
    take(Claims(store))
    path = next((store.root / "claims").iterdir())
    path.write_text(json.dumps(json.loads(path.read_text()) | {"host": "another", "pid": 1}))
    now = path.stat().st_mtime
    os.utime(path, (now - age, now - age))
    assert take(Claims(store)) is gone


def test_claims_are_touched_while_their_owner_lives(store):
    claims = Claims(store)
    take(claims)
    path = next((store.root / "claims").iterdir())
    claims.beat(1000.0)
    os.utime(path, (0, 0))
    claims.beat(1000.0 + BEAT_S - 1)
    assert path.stat().st_mtime == 0
    claims.beat(1000.0 + BEAT_S)
    assert path.stat().st_mtime > 0
    assert (BEAT_S, GONE_S) == (10.0, 60.0)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"host": 3}', '{"host": "a", "pid": "b"}'])
def test_a_claim_that_says_nothing_lasts_as_long_as_it_is_young(store, content):
    take(Claims(store))
    path = next((store.root / "claims").iterdir())
    path.write_text(content)
    assert not take(Claims(store))
    os.utime(path, (0, 0))
    assert take(Claims(store))


def test_what_others_finish_is_not_run_again_and_what_they_leave_is(store, monkeypatch):
    theirs = Claims(store)
    take(theirs)
    take(theirs, cell("lrp"))
    monkeypatch.setattr("aexbench.running.sharing.LOOK_S", -1.0)
    shared = Shared([cell(), cell("lrp")], store)
    assert shared.take(0, None) is None
    assert shared.waits
    store.write_record(Record(schema_version=SCHEMA, cell=cell("lrp"), state="skipped", reason="x"))
    theirs.release_all()
    assert shared.take(0, None) == cell()
    shared.take(0, None)
    assert [record.cell for record in shared.by_others()] == [cell("lrp")]
    shared.done(cell())
    assert not shared.waits


def test_what_is_to_be_run_again_is_not_what_others_have_finished(store):
    store.write_record(Record(schema_version=SCHEMA, cell=cell(), state="skipped", reason="x"))
    assert Shared([cell()], store, {cell().key}).take(0, None) == cell()
    assert Shared([cell()], store).take(0, None) is None  # somebody has finished it since


def test_the_number_of_a_process_may_be_given_again(store):
    take(Claims(store))
    path = next((store.root / "claims").iterdir())
    owner = json.loads(path.read_text())
    path.write_text(json.dumps(owner | {"started": "1"}))  # it ended, and this test has its number
    assert take(Claims(store))
    path.write_text(json.dumps(owner))
    assert not take(Claims(store))
    assert (Claims(store).others(), owner["started"] != "") == (0, True)


def test_what_is_in_the_store_need_not_be_made(store):
    for folder, key in (("detectors", cell().detector_key), ("anomalies", cell().anomaly_key)):
        store.path(folder, key).touch()
    shared = Shared([cell(), cell("lrp")], store)
    assert [shared.take(number, None) for number in range(2)] == [cell(), cell("lrp")]


def test_a_claim_of_a_host_whose_clock_was_set_back_ends_all_the_same(store, monkeypatch):
    theirs, mine, now = Claims(store), Claims(store), [0.0]
    monkeypatch.setattr(claims, "time", SimpleNamespace(monotonic=lambda: now[0]))
    take(theirs)
    path = next((store.root / "claims").iterdir())
    path.write_text(json.dumps(json.loads(path.read_text()) | {"host": "another"}))

    def touched(at: float) -> bool:
        os.utime(path, (at, at))
        return take(mine)

    ahead = path.stat().st_mtime + 3600.0
    assert not touched(ahead)
    now[0] += GONE_S + 1.0
    assert not touched(ahead + 1.0)  # it was touched since
    now[0] += GONE_S - 1.0
    assert not touched(ahead + 1.0)
    now[0] += 2.0
    assert touched(ahead + 1.0)
