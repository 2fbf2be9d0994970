"""Probes from a suite to the board: cells of their own, stored and scored like all others."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

import aexbench
from aexbench import RequestError, families, metrics
from aexbench.components import component
from aexbench.running import asking, execution, matrix, planning, staleness
from aexbench.running.cells import Cell
from aexbench.running.controls import twin_seed
from aexbench.running.probing import fits, probe_of
from aexbench.running.scoring import by_unit
from aexbench.running.store import Store, read_record

AXES = {
    "datasets": ["wine"],
    "corruptions": ["random[threshold=0.1,count=9]"],
    "explainers": ["residual", "repair"],
    "metrics": ["recall", "repair-curve", "repair-curve[to=reconstruction]", "sparseness"],
    "seeds": 2,
    "twins": 1,
}
ASKED = ["repair-curve", "repair-curve[to=reconstruction]"]
FLOORS = {"random", "deviation", "pca-residual"}  # of tables; that by truths is no explainer
FILE = '''
from aexbench import metrics

@metrics.register("halves", version=1, probe=1)
class Halves:
    """Return half of what a sample's greatest attribution is."""

    def probe(self, asked):
        {body}
        return asked.attributions / 2

    def score(self, outcome, truth):
        return outcome.max(axis=1)
'''


def named(metric):
    return component(families.metrics, metric)


def probed(store):
    records, complaints = Store(store).records()
    assert not complaints
    return [record for record in records if record.cell.probe is not None]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probes") / "store"
    return aexbench.run({"name": "probes", **AXES}, folder, in_process=True, quiet=True)


def test_every_explainer_and_floor_is_asked_and_no_control_or_reference(ran):
    found = [record.cell for record in probed(ran.store.root)]
    asked = {(cell.explainer.text, cell.probe.text) for cell in found}
    assert asked == {(name, probe) for name in [*AXES["explainers"], *FLOORS] for probe in ASKED}
    assert len(found) == 2 * len(asked)
    assert {cell.control for cell in found} == {"none"}


def test_an_outcome_is_stored_and_scored_again_without_a_network(ran, monkeypatch):
    metric = metrics.create("repair-curve")
    plain = {r.cell.explainer.text: r for r in ran.records if r.cell.plain}
    monkeypatch.delattr(type(metric), "probe")
    for record in probed(ran.store.root):
        if record.cell.probe.text != "repair-curve":
            continue
        outcome, truth = ran.attributions(record.cell), ran.anomalies(record.cell).truth
        assert outcome.shape == (9, 14)
        np.testing.assert_allclose(outcome[:, 0], ran.anomalies(record.cell).error, rtol=1e-5)
        unit = ran.anomalies(record.cell).unit
        expected = by_unit(metric.score(outcome, truth), unit).mean()
        assert list(record.scores) == ["repair-curve"]
        assert record.scores["repair-curve"] == pytest.approx(expected)
        assert set(plain[record.cell.explainer.text].scores) == {"recall", "sparseness"}


def test_the_frame_has_one_row_for_each_metric_that_scores_a_cell(ran):
    frame = ran.frame
    assert len(frame) == len(probed(ran.store.root)) + 2 * (len(ran) - len(probed(ran.store.root)))
    assert frame.score.notna().all()
    assert set(frame[frame.metric == "repair-curve"].control) == {"none"}


def test_the_board_has_them_as_columns_and_no_truth_for_them(ran):
    section = ran.board().sections[0]
    rows = {row.explainer: row for row in section.rows}
    assert list(rows["residual"].scores) == AXES["metrics"]
    assert list(rows["oracle"].scores) == ["recall"]
    assert rows["residual"].complete
    assert "chance to ceiling: recall@1" in str(ran.board())
    assert "– to –" not in str(ran.board())


def test_a_board_may_rank_by_one_beside_the_floors_that_were_asked(ran):
    section = ran.board("repair-curve").sections[0]
    ranked = [row for row in section.rows if row.rank]
    assert [row.explainer for row in ranked] == sorted(
        ["residual", "repair"], key=lambda name: _mean(section, name)
    )
    assert {row.gain.floor for row in ranked} <= FLOORS
    assert "of the floors alone" in " ".join(str(ran.board("repair-curve")).split())
    assert _mean(section, "random") > _mean(section, "residual")


def test_a_board_by_one_without_truth_has_no_reference_and_no_ceiling(ran):
    board = ran.board("sparseness")
    assert {row.role for row in board.rows} == {"explainer", "floor"}
    assert "chance to ceiling" not in str(board)
    assert ["has predicted" in str(one) for one in (ran.board(), board)] == [True, False]


def _mean(section, name):
    return next(r.scores["repair-curve"].mean for r in section.rows if r.explainer == name)


def test_nothing_is_run_or_scored_twice(ran):
    before = {p: p.stat().st_mtime_ns for p in ran.store.root.rglob("*") if p.is_file()}
    again = aexbench.run({"name": "probes", **AXES}, ran.store.root, in_process=True, quiet=True)
    assert again.ran == 0
    assert staleness.lacking(ran.store, again.records, {m: named(m) for m in AXES["metrics"]}) == []
    after = {p: p.stat().st_mtime_ns for p in ran.store.root.rglob("*") if p.is_file()}
    changed = {p.parent.name for p in before if before[p] != after[p]}
    assert changed <= {"plans"}


def test_workers_bring_the_same(ran, tmp_path):
    apart = aexbench.run({"name": "probes", **AXES}, tmp_path / "apart", jobs=2, quiet=True)
    assert [r.scores for r in apart.records] == [r.scores for r in ran.records]


def test_the_key_of_a_cell_without_a_probe_is_what_it_was_and_its_record_too(ran):
    plain = next(record for record in ran.records if record.cell.plain)
    path = ran.store.path("cells", plain.cell.key)
    assert "probe" not in json.loads(path.read_text())["cell"]
    bare = Cell.model_validate(json.loads(path.read_text())["cell"])
    asks = bare.model_copy(update={"probe": probe_of(named("repair-curve"))})
    assert bare.key == plain.cell.key != Cell.model_validate(asks.model_dump()).key
    other = probed(ran.store.root)[0]
    assert read_record(ran.store.path("cells", other.cell.key)).cell == other.cell


def test_another_version_of_the_scoring_asks_nothing_again_and_one_of_the_asking_does():
    metric = named("repair-curve")
    key = probe_of(metric).key
    assert probe_of(metric.model_copy(update={"version": "2.9"})) is not None
    scoring = named("repair-curve")
    object.__setattr__(scoring, "version", "2.9")
    assert probe_of(scoring).key == key
    plan = planning.plan(planning.from_values({"name": "probes", **AXES}, "test"))
    cell = next(cell for cell in plan if cell.probe is not None and cell.probe.key == key)
    assert fits(scoring, cell)
    assert not fits(named("repair-curve[steps=3]"), cell)
    assert not fits(named("recall"), cell)
    assert not fits(metric, next(cell for cell in plan if cell.plain))


def test_evaluate_asks_too():
    data = aexbench.datasets.create("wine")
    results = aexbench.evaluate(
        data.detector(),
        data.normal,
        background=data.train,
        explainers=["residual"],
        corruptions=["random"],
        metrics=["recall", "conservation-gap"],
        count=9,
        twins=0,
    )
    gaps = results.frame[results.frame.metric == "conservation-gap"]
    assert set(gaps.explainer) == {"residual", *FLOORS}
    assert gaps[gaps.explainer == "residual"].score.item() == pytest.approx(0, abs=1e-5)


def test_an_explainer_that_cannot_answer_says_so_and_keeps_its_other_columns(tmp_path):
    path = tmp_path / "fails.py"
    path.write_text(FILE.format(body="if asked.seed: raise RuntimeError('not for seed 1')"))
    suite = {"name": "fails", **AXES, "metrics": ["recall", "halves"], "explainers": ["residual"]}
    results = aexbench.run(suite, tmp_path / "s", plugins=[path], in_process=True, quiet=True)
    failed = [record for record in results.records if record.state == "failed"]
    assert {r.cell.anomaly_seed for r in failed if r.cell.explainer.text == "residual"} == {1}
    assert "not for seed 1" in failed[0].reason
    row = next(r for r in results.board().sections[0].rows if r.explainer == "residual")
    assert row.complete
    assert list(row.scores) == ["recall"]
    assert "cells are not ok" in " ".join(results.board().notes)


def test_where_every_probe_fails_a_board_says_why_there_is_none(tmp_path):
    path = tmp_path / "fails.py"
    path.write_text(FILE.format(body="raise RuntimeError('not today')"))
    suite = {"name": "fails", **AXES, "metrics": ["halves"], "seeds": 1, "controls": False}
    results = aexbench.run(suite, tmp_path / "s", plugins=[path], in_process=True, quiet=True)
    with pytest.raises(RequestError, match="not today"):
        results.board()
    assert "not today" in str(results)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return asked.attributions[1:]", "not numbers of 9 samples"),
        ("return asked.attributions / 0", "not finite"),
        ("asked.x += 1", "read-only"),
    ],
)
def test_what_a_probe_brings_is_checked(body, says, tmp_path):
    path = tmp_path / "wrong.py"
    path.write_text(FILE.format(body=body))
    suite = {"name": "wrong", **AXES, "metrics": ["halves"], "seeds": 1, "controls": False}
    results = aexbench.run(suite, tmp_path / "s", plugins=[path], in_process=True, quiet=True)
    reasons = {r.reason for r in results.records if r.cell.probe is not None}
    assert len(reasons) == 1
    assert says in reasons.pop()


@pytest.fixture(scope="module")
def cells():
    """The cells of an explainer with a loss of its own, by what is asked of it."""
    own = {"explainers": ["residual[loss=l1]"], "seeds": 2, "controls": False}
    asking = {"metrics": ["conservation-gap", "model-randomisation"]}
    plan = planning.plan(planning.from_values({"name": "a", **AXES, **own, **asking}, "test"))
    return [cell for cell in plan if cell.probe is not None]


def test_the_error_that_a_probe_is_given_is_by_the_explainers_loss(cells, detector, linear_rows):
    assert detector.loss == "l2"
    cell = next(cell for cell in cells if cell.probe.name == "conservation-gap")
    found = asking.outcome(cell, detector, linear_rows[:50], linear_rows[300:309])
    error = detector.with_loss("l1").error(torch.as_tensor(linear_rows[300:309]).double())
    np.testing.assert_allclose(found[:, 1], error.numpy())


def test_a_probe_permutes_by_the_seeds_of_its_cell(cells, detector, linear_rows, monkeypatch):
    drawn = []
    permuted = asking.permuted_from_the_end
    monkeypatch.setattr(
        asking,
        "permuted_from_the_end",
        lambda own, share, seed, sample: drawn.append(seed) or permuted(own, share, seed, sample),
    )
    own = [cell for cell in cells if cell.probe.name == "model-randomisation"]
    for cell in own:
        asking.outcome(cell, detector, linear_rows[:50], linear_rows[300:309])
    wanted = [twin_seed(cell.detector_seed, cell.explainer_seed) for cell in own]
    assert list(dict.fromkeys(drawn)) == wanted
    assert len(set(wanted)) == 2


@pytest.mark.parametrize("changed", [lambda found: found[:5], lambda found: found * np.nan])
def test_an_outcome_that_is_none_of_its_anomalies_is_a_damaged_file(ran, tmp_path, changed):
    store = Store(shutil.copytree(ran.store.root, tmp_path / "s"))
    record = probed(store.root)[0]
    wrong = changed(store.read_attributions(record))
    info = store.write_attributions(record.cell.key, wrong)
    store.write_record(record.model_copy(update={"files": {**record.files, "attributions": info}}))
    again = [store.record(record.cell.key)]
    (complaint,) = execution.rescore(store, again, [named(record.cell.probe.text)])
    assert "no attributions of its anomalies" in complaint


def test_score_says_that_it_cannot_ask(ran, aexbench_cli):
    outcome = aexbench_cli("score", ran.store.root, "--metric", "repair-curve[steps=3]")
    assert outcome.code == 2
    assert "asks the model" in outcome.err
    assert aexbench_cli("score", ran.store.root).code == 0
    assert aexbench_cli("score", ran.store.root, "-m", "repair-curve").code == 0


def test_a_packed_store_keeps_their_scores(ran, aexbench_cli, tmp_path):
    assert aexbench_cli("pack", ran.store.root, "--to", tmp_path / "packed").code == 0
    packed = aexbench.open(tmp_path / "packed")
    assert str(packed.board()) == str(aexbench.open(ran.store.root).board())
    assert set(packed.frame.metric) == set(AXES["metrics"])


def test_what_is_left_to_run_is_estimated_apart(ran):
    plan = planning.plan(planning.from_values({"name": "probes", **AXES}, "test"))
    found = matrix.estimated(ran.store, plan, 1)
    assert found.left() is not None


def test_a_number_that_no_metric_has_is_refused():
    with pytest.raises(RequestError, match="to"):
        named("repair-curve[to=nothing]")
