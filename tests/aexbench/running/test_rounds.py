"""What explainers cost: who is timed, in turns, and what comes of those who cannot be."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import aexbench
from aexbench import Detector, explainers, families, rows
from aexbench.components import component
from aexbench.running import arithmetic, planning, rounds, turns
from aexbench.running import store as store_module
from aexbench.running.arithmetic import UncountedError
from aexbench.running.cells import Cell
from aexbench.running.claims import Claims
from aexbench.running.progress import Show
from aexbench.running.rounds import Outcome
from aexbench.running.store import SCHEMA, Record, Store, Times
from aexbench.running.turns import Turns
from aexbench.running.workers import Limits, Worker, timing
from aexbench.running.workspace import Lent

SMALL = {
    "name": "small",
    "datasets": ["wine"],
    "detectors": ["mlp[widths=[6, 3],epochs=10,learning_rate=0.02,batch_size=16]"],
    "corruptions": ["random[threshold=0.2,count=12]"],
    "explainers": ["residual", "repair"],
    "controls": False,
}
TIMES = Times(prepare_s=1, latency_s=2, samples_per_s=3, hardware={"jobs": 1})


def cell(name: str = "residual", seed: int = 0, corrupted: str = "null") -> Cell:
    data, network = component(families.datasets, "wine"), planning.detector("default", images=False)
    draw = planning.Draw(data, network, seed, planning.corruption(corrupted), seed)
    return next(draw.cells([planning.explainer(name)], None))


def detector() -> Detector:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 4))
    return Detector(model.eval())


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store", create=True)


def explained(store: Store, *names: str) -> list:
    cells = [cell(name) for name in names]
    for one in cells:
        store.write_record(Record(schema_version=SCHEMA, cell=one, state="ok"))
    return cells


def test_an_explainer_is_timed_once_for_each_corruption_on_the_first_seed():
    cells = [
        cell(name, seed, corrupted)
        for seed in (3, 1)
        for name, corrupted in (("residual", "null"), ("lrp", "null"), ("residual", "random"))
    ]
    cells += [cells[0].model_copy(update={"control": "initial"})]
    cells += [cell("oracle", seed=3), cell("feature-prior", seed=3)]  # these ask no detector
    planned = rounds.planned(cells)
    assert [[(c.explainer.text, c.corruption.name) for c in one] for one in planned] == [
        [("residual", "null"), ("lrp", "null")],
        [("residual", "random")],
    ]
    assert {(c.anomaly_seed, c.control) for one in planned for c in one} == {(3, "none")}


def test_what_is_timed_or_cannot_be_does_not_wait(store):
    cells = explained(store, "residual", "lrp", "lime", "saliency")
    store.write_record(Record(schema_version=SCHEMA, cell=cells[3], state="failed"))
    rounds.write(store, cells[0].key, Outcome(TIMES, {"latency": [2.0]}))
    rounds.write(store, cells[1].key, Outcome(reason="it hangs"))
    assert rounds.waiting([*cells, cell("repair")], store) == [[cells[2]]]
    timed, untimed = (store.record(one.key) for one in cells[:2])
    assert (timed.timing, timed.files["timings"].bytes) == (TIMES, len('{"latency": [2.0]}\n'))
    assert (untimed.timing, untimed.untimed) == (None, "it hangs")


def test_who_spoils_a_round_is_found_by_asking_each_alone():
    cells = [cell(name) for name in ("residual", "lrp", "lime")]
    asked = []

    def ask(some):
        asked.append([one.explainer.text for one in some])
        return "it hangs" if cells[1] in some else {one.key: Outcome(TIMES) for one in some}

    found = rounds.outcomes(cells, ask, lambda: False)
    assert [found[one.key].reason for one in cells] == ["", "it hangs", ""]
    assert asked == [["residual", "lrp", "lime"], ["residual"], ["lrp"], ["lime"]]
    assert rounds.outcomes(cells[:1], ask, lambda: True) == {cells[0].key: Outcome(TIMES)}
    assert rounds.outcomes(cells, ask, lambda: True) == {}  # the run ends: they wait


def test_times_beside_others_say_so():
    assert Outcome(TIMES).beside(2).times.hardware == {"jobs": 3}
    assert Outcome(TIMES).beside(0).times == TIMES
    assert Outcome(reason="it hangs").beside(2) == Outcome(reason="it hangs")


def test_explainers_are_timed_and_their_rows_counted():
    x = np.random.default_rng(0).random((6, 4)).astype(np.float32)
    cells = [cell("residual"), cell("saliency"), cell("integrated-gradients[steps=7]")]
    clocks = rounds.timed(cells, x, detector(), Lent(x))
    asked = {one.explainer.name: clocks[one.key].rows for one in cells}
    assert asked["residual"] == (1, 0)
    assert asked["saliency"] == (1, 1)
    assert asked["integrated-gradients"] == (7 + 2, 7)
    for clock in clocks.values():
        assert (clock.set_size, clock.prepare_s > 0) == (6, True)
        assert min(len(clock.latency.wall_s), len(clock.throughput.wall_s)) >= 3


def test_nobody_who_is_timed_finds_the_background_known_already(monkeypatch):
    x = np.random.default_rng(0).random((6, 4)).astype(np.float32)
    lent, read, moments = Lent(x), [], rows._moments
    monkeypatch.setattr(rows, "_moments", lambda own: (read.append(len(own)), moments(own))[1])
    rows.moments(lent.rows)
    rounds.timed([cell("deviation")], x, detector(), lent)
    assert read == [6] * 3, "before, by the warm-up, and by what is measured"


def test_the_last_answer_must_be_one(monkeypatch):
    monkeypatch.setattr(families.explainers, "_plugins", dict(families.explainers._plugins))

    @explainers.register("tires")
    class Tires:
        """Give up at the fifth call."""

        def __init__(self, detector):
            self.calls = 0

        def explain(self, x):
            self.calls += 1
            return x * (float("nan") if self.calls > 4 else 1.0)

    x = np.ones((6, 4), dtype=np.float32)
    found = rounds.found(lambda: rounds.timed([cell("tires")], x, detector(), Lent(x)), "cpu")
    assert found == "ValueError: attributions are not finite"


def test_backward_rows_are_told_from_forward_rows():
    own, x = detector(), torch.rand(1, 4, requires_grad=True)
    own.error(x.detach().expand(5, 4))  # looks at the model once
    assert arithmetic.rows(lambda: own.error(x.detach().expand(5, 4)), x.detach(), own) == (5, 0)
    both = arithmetic.rows(lambda: own.model(x).sum().backward(), x.detach(), own)
    assert both == (1, 2)  # by the weights too
    with pytest.raises(UncountedError, match="no products"):
        arithmetic.rows(lambda: None, x.detach(), Detector(torch.nn.Identity()))


def test_a_round_has_twelve_times_the_limit_for_each_of_its_explainers():
    request = timing([cell("residual"), cell("lrp")], "a round")
    worker = Worker(None, SimpleNamespace(pid=1), request=request, asked=100.0)  # type: ignore[arg-type]
    for now, over in ((339.9, None), (340.1, ("timeout", "no answer within 240 s"))):
        worker.now = lambda now=now: now  # type: ignore[method-assign]
        assert worker.over(Limits(timeout=10.0)) == over


class Runner:
    """Answers at once."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def times(self, cells, beat):
        self.asked.append([one.explainer.text for one in cells])
        return {one.key: Outcome(TIMES) for one in cells}


def test_a_round_that_another_coordinator_times_is_left_to_it(store, monkeypatch):
    cells, runner, theirs = explained(store, "residual", "lrp"), Runner(), Claims(store)
    theirs.take(f"timing-{cells[0].anomaly_key}", "a round")
    waits = []

    def wait(seconds):
        waits.append(seconds)
        for one in cells:
            rounds.write(store, one.key, Outcome(TIMES, {}))

    monkeypatch.setattr(turns, "time", SimpleNamespace(sleep=wait, monotonic=lambda: 0.0))
    Turns(store, runner, Show(), lambda: False).take(cells)
    assert (runner.asked, waits) == ([], [turns.LOOK_S])


def test_rounds_are_timed_unless_the_run_stops(store, monkeypatch):
    cells, runner, show = explained(store, "residual", "lrp"), Runner(), Show()
    sharing = []
    monkeypatch.setattr(show, "begin", lambda cell, kind, at_once: sharing.append(at_once))
    Turns(store, runner, Show(), lambda: True).take(cells)
    assert runner.asked == []
    runner.times = lambda some, beat: {one.key: Outcome(TIMES, {}) for one in some}
    Turns(store, runner, show, lambda: False).take(cells)
    assert [store.record(one.key).timing for one in cells] == [TIMES, TIMES]
    assert sharing == [2, 2]  # both have the time of the round
    assert list((store.root / "claims").iterdir()) == []


def test_a_call_that_cannot_be_looked_into_is_timed_and_says_why_its_rows_are_not_counted(
    monkeypatch,
):
    monkeypatch.setattr(families.explainers, "_plugins", dict(families.explainers._plugins))

    @explainers.register("captures")
    def captures(detector, x):
        """Let nobody look on."""
        if torch.utils._python_dispatch._get_current_dispatch_mode() is not None:
            raise RuntimeError("operator prim::device does not exist")
        return detector.error_map(x)

    x = np.random.default_rng(0).random((6, 4)).astype(np.float32)
    (clock,) = rounds.timed([cell("captures")], x, detector(), Lent(x)).values()
    assert clock.rows == "RuntimeError: operator prim::device does not exist"
    times = Times.model_validate(clock.summary())
    assert (times.uncounted, times.forward_rows) == (clock.rows, None)
    assert times.latency_s > 0


def test_who_changes_its_samples_in_a_round_is_not_timed(monkeypatch):
    monkeypatch.setattr(families.explainers, "_plugins", dict(families.explainers._plugins))

    @explainers.register("writes")
    def writes(detector, x):
        """Write into what it was given."""
        return x.add_(1.0)

    x = np.ones((6, 4), dtype=np.float32)
    cells = [cell("writes"), cell("residual")]
    found = rounds.found(lambda: rounds.timed(cells, x, detector(), Lent(x)), "cpu")
    assert "the explainer changed the samples" in found
    assert (x == 1).all()


def test_a_second_run_reads_each_record_once(tmp_path, monkeypatch):
    cells = len(aexbench.run(SMALL, tmp_path, seeds=2))
    reads = []
    read = store_module.read_record
    monkeypatch.setattr(store_module, "read_record", lambda path: reads.append(path) or read(path))
    assert aexbench.run(SMALL, tmp_path, seeds=2).ran == 0
    assert len(reads) == len(set(reads)) == cells


def raised():
    raise aexbench.RequestError("stopped")


def test_times_are_taken_anew_and_nothing_is_explained_again(tmp_path, monkeypatch):
    first = aexbench.run(SMALL, tmp_path, seeds=2)
    before = {record.cell.key: record for record in first.records}
    for record in filter(lambda r: r.timing, before.values()):
        could = record.cell.explainer.name == "repair"
        beside = record.timing.model_copy(update={"hardware": {"jobs": 2}})
        changed = {"timing": beside} if could else {"timing": None, "untimed": "it broke"}
        first.store.write_record(record.model_copy(update=changed))
    assert aexbench.run(SMALL, tmp_path, seeds=2).ran == 0
    assert {r.timing.hardware["jobs"] for r in first.store.records()[0] if r.timing} == {2}
    monkeypatch.setattr(Turns, "_timed", lambda turns, cells: raised())
    with pytest.raises(aexbench.RequestError, match="stopped"):  # times stay until there are others
        aexbench.run(SMALL, tmp_path, seeds=2, rerun="times")
    assert {r.timing.hardware["jobs"] for r in first.store.records()[0] if r.timing} == {2}
    monkeypatch.undo()
    assert aexbench.run(SMALL, tmp_path, seeds=2, rerun="times").ran == 0
    for record in first.store.records()[0]:
        old = before[record.cell.key]
        assert record.files["attributions"] == old.files["attributions"]
        assert bool(record.timing) == bool(old.timing) == ("timings" in record.files)
        assert not record.timing or record.timing.hardware["jobs"] == 1


def test_what_comes_of_timing_stands_in_place_of_what_stood_there(store):
    (one,) = explained(store, "residual")
    for outcome in (Outcome(TIMES, {"rows": [1]}), Outcome(reason="it broke"), Outcome(TIMES, {})):
        rounds.write(store, one.key, outcome)
        record = store.record(one.key)
        assert (record.timing, record.untimed) == (outcome.times, outcome.reason)
        assert ("timings" in record.files) == (outcome.times is not None)
