"""How alike explanations are to those of controls: derived once both are there."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

import aexbench
from aexbench import AnomalySet, Features, explainers, files
from aexbench.board.leaderboard import leaderboard
from aexbench.correlations import correlation
from aexbench.running import likeness, planning
from aexbench.running.packed import open_store, pack
from aexbench.running.store import Record, Store

SUITE = {
    "name": "alike",
    "datasets": ["wine"],
    "detectors": ["mlp[widths=[6, 3],epochs=10,learning_rate=0.02,batch_size=16]"],
    "corruptions": ["random[threshold=0.2,count=12]"],
    "explainers": ["residual", "lrp[preset=paper-tabular]"],
    "seeds": 2,
    "twins": 2,
}


@pytest.fixture(scope="module")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alike") / "store"
    aexbench.run(SUITE, folder, in_process=True, quiet=True)
    return folder


def records(store: Store, control: str = "") -> list[Record]:
    """Return the records of controls, or of one kind of control."""
    found = [record for record in store.records()[0] if record.role == "explainer"]
    return [r for r in found if r.cell.control == (control or r.cell.control) != "none"]


def trained(store: Store, record: Record) -> Record:
    same = (one for one in store.records()[0] if likeness.place(one) == likeness.place(record))
    return next(one for one in same if one.cell.control == "none")


def slow(one: np.ndarray, other: np.ndarray) -> list[float]:
    """Spearman's correlation sample by sample, of those that have one."""
    with warnings.catch_warnings(action="ignore"):
        found = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(one, other, strict=True)]
    return [value for value in found if not np.isnan(value)]


def test_it_is_scipys_correlation_of_each_sample_and_their_mean(run_once):
    store = Store(run_once)
    assert len(records(store)) == 2 * 2 * (1 + 2 * 2)
    for record in records(store):
        own = store.read_attributions(record)
        expected = slow(own, store.read_attributions(trained(store, record)))
        assert record.likeness.samples == len(expected)
        if expected:
            assert record.likeness.mean == pytest.approx(np.mean(expected), abs=1e-12)


def test_a_constant_map_has_none(run_once):
    store = Store(run_once)
    for record in records(store, "loss-ablated"):
        known = record.likeness
        if record.cell.explainer.name == "residual":
            assert (known.samples, known.mean) == (0, None)
        else:
            assert known.samples == 12
            assert known.mean > 0.9


def test_the_trained_detector_and_floors_have_none(run_once):
    others = [r for r in Store(run_once).records()[0] if r.cell.control == "none"]
    assert {record.role for record in others} == {"explainer", "floor", "reference"}
    assert all(record.likeness is None for record in others)


def rewritten(store: Store, record: Record, attributions: np.ndarray) -> Record:
    """Write other attributions of a cell, as if it had been run again."""
    info = store.write_attributions(record.cell.key, attributions)
    scores = store.read_scores(record)
    kept = {"attributions": info, "scores": store.write_scores(record.cell.key, scores, info)}
    again = record.model_copy(update={"files": {**record.files, **kept}, "likeness": None})
    store.write_record(again)
    return again


@pytest.fixture
def store(run_once, tmp_path) -> Store:
    shutil.copytree(run_once, tmp_path / "store")
    return Store(tmp_path / "store")


def known(store: Store) -> Sequence[float | None]:
    return [r.likeness.mean if r.likeness else None for r in records(store, "initial")]


def test_whichever_is_run_again_it_is_derived_again(store):
    twin = records(store, "initial")[0]
    before = twin.likeness
    first = trained(store, twin)
    attributions = store.read_attributions(first)
    again = rewritten(store, first, -attributions)
    assert likeness.of(twin, again) is None
    assert likeness.derive(store, store.records()[0]) == []
    turned = store.record(twin.cell.key)
    assert turned.likeness.mean == pytest.approx(-before.mean)
    rewritten(store, turned, attributions)
    likeness.derive(store, store.records()[0])
    assert store.record(twin.cell.key).likeness.mean == pytest.approx(-1)


def test_what_is_known_is_not_derived_again(store, monkeypatch):
    monkeypatch.setattr(Store, "read_attributions", None)  # nobody asks
    assert likeness.derive(store, store.records()[0]) == []


def test_a_control_that_was_finished_first_waits_for_the_trained_detector(store):
    twin = records(store, "initial")[0]
    alone = [one.model_copy(update={"likeness": None}) for one in records(store)]
    assert list(likeness.lacking(alone)) == []
    every = [*alone, trained(store, twin)]
    ((_, controls),) = likeness.lacking(every)
    assert {likeness.place(one) for one in controls} == {likeness.place(twin)}


def test_a_run_and_score_derive_what_is_lacking(store, aexbench_cli):
    expected = known(store)
    assert None not in expected
    for derive in ("run", "score"):
        for record in records(store):
            store.write_record(record.model_copy(update={"likeness": None}))
        if derive == "run":
            aexbench.run(SUITE, store.root, in_process=True, quiet=True)
        else:
            assert aexbench_cli("score", store.root).code == 0
        assert known(store) == expected


def test_a_file_that_is_damaged_is_named_once(store, aexbench_cli):
    twin = records(store, "initial")[0]
    store.write_record(twin.model_copy(update={"likeness": None}))
    path = store.path("attributions", twin.cell.key)
    path.write_bytes(b"no attributions")
    outcome = aexbench_cli("score", store.root)
    assert outcome.code == 1
    assert outcome.err.count(path.name) == 1
    (complaint,) = likeness.derive(store, store.records()[0])
    assert path.name in complaint


def test_attributions_of_other_samples_are_a_damaged_file(store):
    twin = records(store, "initial")[0]
    rewritten(store, twin, store.read_attributions(twin)[:5])
    (complaint,) = likeness.derive(store, store.records()[0])
    assert "no attributions of its anomalies" in complaint


def alarms(*alarmed: bool, groups: tuple[int, ...] | None) -> AnomalySet:
    """Return three anomalies of four columns, of which some raise an alarm."""
    x, zero = np.zeros((3, 4), dtype=np.float32), np.zeros(3)
    own = Features(groups=groups), {"alarmed": np.array(alarmed)}
    return AnomalySet(x, x == 0, zero, zero, np.full(3, "a"), np.arange(3), own[0], details=own[1])


def test_samples_that_raise_an_alarm_count_and_a_group_is_one_feature():
    one = np.array([[5.0, -5.0, 1.0, 2.0], [1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 5.0, 0.0]])
    made = alarms(True, False, True, groups=(0, 0, 1, 2))
    np.testing.assert_array_equal(likeness.ranks(one, made), [[-1, 0, 1], [0, 1, -1]])


@pytest.mark.parametrize(("groups", "features"), [(None, 4), ((0, 0, 1, 2), 3)])
def test_where_none_raises_an_alarm_there_is_no_rank_and_no_likeness(run_once, groups, features):
    ranks = likeness.ranks(np.ones((3, 4)), alarms(False, False, False, groups=groups))
    assert ranks.shape == (0, features)
    known = likeness.likeness(correlation(ranks, ranks), Store(run_once).records()[0][0])
    assert (known.samples, known.mean) == (0, None)


def test_it_is_said_how_many_are_compared(store, monkeypatch):
    said: list[tuple[str, float]] = []
    told = nullcontext(lambda text, share: said.append((text, share)))
    monkeypatch.setattr(likeness, "waiting", lambda what: told)
    for record in records(store):
        store.write_record(record.model_copy(update={"likeness": None}))
    assert likeness.derive(store, store.records()[0]) == []
    assert [text.rpartition(": ")[2] for text, _ in said] == [f"{n} of 4" for n in (1, 2, 3, 4)]
    assert [share for _, share in said] == [0, 0.25, 0.5, 0.75]


def test_the_disk_is_waited_for_once_for_all_controls_of_an_explanation(store, monkeypatch):
    for record in records(store):
        store.write_record(record.model_copy(update={"likeness": None}))
    expected = len(records(store))
    written: list[int] = []
    together = files.together

    @contextmanager
    def counted():
        with together() as write:
            own: list[Path] = []
            yield lambda path, content: (own.append(path), write(path, content))
        written.append(len(own))

    monkeypatch.setattr(files, "together", counted)
    likeness.derive(store, store.records()[0])
    assert (len(written), sum(written)) == (4, expected)
    assert None not in [record.likeness for record in records(store)]


def test_a_board_shows_the_mean_over_samples(run_once):
    board = leaderboard(Store(run_once))
    own = {row.explainer: row for row in board.rows}
    lrp = own["lrp[preset=paper-tabular]"].alike
    wanted = [r for r in records(Store(run_once), "permuted") if r.cell.explainer.name == "lrp"]
    mean = np.mean([record.likeness.mean for record in wanted])
    assert lrp["permuted"] == pytest.approx(mean)
    assert own["residual"].alike["loss-ablated"] is None
    assert own["deviation"].alike == {}
    shown = board.rows[0]
    assert {"initial", "permuted", "loss-ablated"} == shown.alike.keys()


def test_it_is_packed_with_its_record(run_once, tmp_path):
    pack(Store(run_once), tmp_path / "packed")
    packed = leaderboard(open_store(tmp_path / "packed"))
    plain = leaderboard(Store(run_once))
    assert [row.alike for row in packed.rows] == [row.alike for row in plain.rows]


def test_a_likeness_that_is_none_is_no_record(store):
    path = store.path("cells", records(store)[0].cell.key)
    values = json.loads(path.read_text())
    values["likeness"]["mean"] = 1.5
    files.write_json(path, values)
    assert len(store.records()[1]) == 1


def test_explainers_with_an_error_of_their_own_have_no_loss_ablated_form():
    declared = {n: explainers.describe(n).declaration.own_error for n in explainers.names()}
    assert {n for n, own in declared.items() if own} == {
        "arcana",
        "per-feature-shap",
        "ssim-residual",
    }
    suite = planning.from_values(SUITE | {"explainers": ["arcana", "residual"]}, "alike")
    controls: dict[str, set[str]] = {}
    for cell in planning.plan(suite):
        controls.setdefault(cell.explainer.name, set()).add(cell.control)
    assert controls["arcana"] == {"none", "initial", "permuted"}
    assert controls["residual"] == {"none", "initial", "permuted", "loss-ablated"}
