"""How long a run still takes, replayed on schedules whose end is known."""

from __future__ import annotations

import heapq
import itertools

import pytest

from aexbench.components import Component
from aexbench.running.cells import GIVEN, Cell
from aexbench.running.estimate import Estimate
from aexbench.running.spent import Spent

COSTS = {"residual": 0.2, "lime": 20.0, "kernelshap": 4.0, "deviation": 0.1}
TRAINING, CORRUPTING = {"small": 2.0, "large": 60.0}, {"null": 0.5, "adversarial": 10.0}


def named(name: str) -> Component:
    return Component(name=name, parameters={}, version="1", text=name)


def cell(explainer="residual", data="small", corruption="null", seed=0, control="none") -> Cell:
    parts = {"dataset": data, "corruption": corruption, "explainer": explainer}
    return Cell(
        **{part: named(name) for part, name in parts.items()},
        detector=named("default"),
        control=control,
        detector_seed=seed,
        anomaly_seed=seed,
    )


MATRIX = [
    cell(explainer, data, corruption, seed, control)
    for data, seed, corruption in itertools.product(TRAINING, range(3), CORRUPTING)
    for explainer, control in itertools.product(COSTS, ("none", "initial", "permuted"))
]


def explaining(one: Cell) -> float:
    """Return what a cell takes: a control is not timed, and large data are three times as slow."""
    scale = 3.0 if one.dataset.text == "large" else 1.0
    return COSTS[one.explainer.text] * scale * (1.0 if one.control == "none" else 0.1)


def made(kind: str, key: str) -> bool:
    """Whether it is no cell: detectors and anomalies are in the store."""
    return kind not in ("explaining", "weighing")


def replay(cells: list[Cell], workers: int = 1, estimate: Estimate | None = None):
    """Yield how many cells are done, what the estimate says, and what is really left."""
    estimate = estimate or Estimate(workers)
    estimate.expect(cells)
    known, free, moments = set(), [0.0] * workers, []
    for one in cells:
        start, seconds = heapq.heappop(free), {"explaining": explaining(one)}
        if one.detector_key not in known:
            seconds["training"] = TRAINING[one.dataset.text]
        if one.anomaly_key not in known:
            seconds["corrupting"] = CORRUPTING[one.corruption.text]
        known |= {one.detector_key, one.anomaly_key}
        moments.append((start + sum(seconds.values()), start, one, seconds))
        heapq.heappush(free, moments[-1][0])
    end = max(moments, key=lambda moment: moment[0])[0]
    moments.sort(key=lambda moment: moment[0])
    for number, (now, _, one, seconds) in enumerate(moments, start=1):
        estimate.done(one, seconds)
        running = [("explaining", c, now - since) for t, since, c, _ in moments if since < now < t]
        yield number, estimate.left(running), end - now


def test_nothing_is_said_of_explainers_that_nobody_has_seen():
    said = {number: left for number, left, _ in replay(MATRIX)}
    assert [said[number] for number in (1, 2, 5)] == [None] * 3
    assert said[7] is not None


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_what_is_left_of_known_data_is_known(workers):
    small = [one for one in MATRIX if one.dataset.text == "small"]
    first = len(COSTS) * 3 * len(CORRUPTING)
    for number, left, truth in replay(small, workers):
        if number > first:  # each explainer has been seen on each corruption
            assert left == pytest.approx(truth, rel=0.1, abs=20.0 if workers > 1 else 0.01)


def test_training_and_corrupting_are_no_measure_of_cells():
    """One slow training before many quick cells: the mean over cells says ten times too much."""
    cells = [cell(explainer, "large", seed=0, control=c) for c in ("none", "initial", "permuted")
             for explainer in ("residual", "deviation")]  # fmt: skip
    (number, left, truth), *_ = list(replay(cells))[3:]
    elapsed = 60.5 + sum(map(explaining, cells[:number]))
    assert left == pytest.approx(truth, rel=0.01)
    assert elapsed / number * (len(cells) - number) > 10 * left


def test_records_of_before_count_until_the_run_knows_better():
    estimate = Estimate()
    for one in MATRIX:
        estimate.before.add(one, {"explaining": 2 * explaining(one)})
    estimate.expect([cell("lime"), cell("lime", seed=1), cell("kernelshap")])
    estimate.before.add(cell(), {"training": 4.0, "corrupting": 1.0})
    assert estimate.left() == pytest.approx(2 * (20 + 20 + 4) + 2 * (4 + 1))
    estimate.done(cell("lime"), {"explaining": 20.0, "training": 2.0, "corrupting": 0.5})
    assert estimate.left() == pytest.approx(20 + 2 * 4 + 2 + 0.5)


def test_what_runs_counts_by_what_is_left_of_it_and_never_below_zero():
    estimate = Estimate(workers=2)
    estimate.before.add(cell("lime"), {"explaining": 20.0, "training": 2.0, "corrupting": 1.0})
    estimate.expect([cell("lime"), cell("lime", seed=1)])
    assert estimate.left() == pytest.approx(23)
    running = [("explaining", cell("lime"), 5.0), ("explaining", cell("lime", seed=1), 21.0)]
    assert estimate.left(running) == pytest.approx(18)  # it lasts as long as its longest cell
    assert estimate.left([(kind, one, 99.0) for kind, one, _ in running]) == 0.0


def test_workers_without_a_cell_make_nothing_quicker():
    estimate = Estimate(workers=8)
    estimate.before.add(cell("lime"), {"explaining": 20.0})
    estimate.expect([cell("lime", seed=n) for n in range(2)], there=made)
    assert estimate.left() == pytest.approx(20)


def test_explainers_are_timed_one_after_the_other_on_what_is_there():
    estimate = Estimate(workers=4)
    estimate.before.add(cell("lime"), {"explaining": 20.0, "timing": 6.0})
    cells = [cell("lime", seed=n) for n in range(5)]
    estimate.expect(cells, "timing")
    assert estimate.left() == pytest.approx(5 * 6)
    assert estimate.left([("timing", cells[0], 2.0)]) == pytest.approx(4 * 6 + 4)
    estimate.expect(cells, there=made)
    assert estimate.left() == pytest.approx(5 * 20 / 4 + 5 * 6)


def test_what_is_in_the_store_or_given_is_not_made_again():
    estimate = Estimate()
    estimate.before.add(cell(), {"explaining": 1.0, "training": 30.0, "corrupting": 5.0})
    estimate.expect([cell()], there=lambda kind, key: kind == "training")
    assert estimate.left() == pytest.approx(6)
    given = cell(seed=1).model_copy(update={"detector": named(GIVEN)})
    estimate.expect([given])
    assert estimate.left() == pytest.approx(6 + 1 + 5)


def test_another_kind_of_work_is_counted_by_its_name_alone():
    estimate = Estimate()
    estimate.expect([cell(), cell("lime")])
    estimate.expect([cell(), cell("lime")], kind="weighing", there=made)
    for one in (cell(), cell("lime")):
        estimate.done(one, {"explaining": 1.0})
    estimate.done(cell(), {"weighing": 7.0}, kind="weighing")
    assert estimate.left() is None  # of lime's nothing is known
    estimate.before.add(cell("lime"), {"weighing": 9.0})
    assert estimate.left() == pytest.approx(9)
    estimate.done(cell("lime"), {}, kind="weighing")
    assert estimate.left() == 0.0


def test_work_within_other_work_counts_as_itself_alone():
    moments = iter([0.0, 1.0, 2.0, 4.0, 4.5, 5.5, 6.0, 10.0])
    spent = Spent(now=lambda: next(moments))
    with spent.on("training"), spent.on("loading"):
        pass
    with spent.on("corrupting"):
        pass
    assert spent.all("explaining") == {
        "training": 1.5,
        "loading": 2.0,
        "corrupting": 0.5,
        "explaining": 6.0,
    }
