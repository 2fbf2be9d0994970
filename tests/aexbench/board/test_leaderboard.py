"""Boards from hand-made stores, so that what they must say is known."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from aexbench import RequestError, files
from aexbench.board.costs import BESIDE, SEVERAL
from aexbench.board.gains import Gain
from aexbench.board.grouping import grouped
from aexbench.board.leaderboard import ALARM, Board, _join, leaderboard
from aexbench.board.notes import _alarms, _leaks, _of_anomalies, _without_scores
from aexbench.board.quality import quality
from aexbench.board.ranking import lines as ranked_lines
from aexbench.board.rendering import FORMATS, as_rich, as_text
from aexbench.board.sections import Row, Score, Section
from aexbench.board.sections import sections as sections_of
from aexbench.board.table import Kind, Place, Table
from aexbench.board.tables import Cell as Shown
from aexbench.board.tidy import COLUMNS
from aexbench.board.wording import COST, above, below, title
from aexbench.board.worth import costs
from aexbench.board.worth import lines as lines_of
from aexbench.components import Component
from aexbench.running.cells import Cell
from aexbench.running.plans import write_grown
from aexbench.running.provenance import describe
from aexbench.running.scoring import MetricInfo
from aexbench.running.store import (
    SCHEMA,
    FileInfo,
    Likeness,
    Record,
    Scores,
    Store,
    Times,
    file_info,
)
from aexbench.running.titles import Seen

HARDWARE = {"cpu": "Test CPU", "cores": 2, "threads": 2, "jobs": 1}


def component(name: str) -> Component:
    """Return a component by its text."""
    plain, brackets, _ = name.partition("[")
    parameters = {"text": name} if brackets else {}
    return Component(name=plain, parameters=parameters, version="1.1", text=name)


def add(
    store: Store, explainer: str, values: np.ndarray, *, wobble: float = 0.0, **given: object
) -> None:
    """Add a cell for each of three seeds, whose values go up, down and back by `wobble`."""
    for seed, by in enumerate((wobble, -wobble, 0.0)):
        add_one(store, explainer, values + by, seed=seed, **given)  # type: ignore[arg-type]


def add_one(
    store: Store,
    explainer: str,
    values: np.ndarray,
    *,
    control: str = "none",
    control_seed: int = 0,
    role: str = "explainer",
    corruption: str = "null",
    seed: int = 0,
    hardware: dict[str, object] = HARDWARE,
    higher: bool = True,
    labels: np.ndarray | None = None,
    metric: str = "m",
    errors: np.ndarray | None = None,
    titled: str = "wrong",
    data: str = "data",
    report: dict[str, object] | None = None,
    unit: np.ndarray | None = None,
    alarmed: np.ndarray | None = None,
    detector: str = "default",
    pooled: bool = False,
    truthless: bool = False,
) -> None:
    cell = Cell(
        dataset=component(data),
        detector=component(detector),
        corruption=component(corruption),
        explainer=component(explainer),
        control=control,  # type: ignore[arg-type]
        detector_seed=seed,
        anomaly_seed=seed,
        explainer_seed=seed,
        control_seed=control_seed,
    )
    n = len(values)
    label = np.full(n, cell.corruption.name) if labels is None else labels
    info = FileInfo(bytes=1, sha256="0" * 64)
    title = "metric" if metric == "m" else metric
    info_of = MetricInfo(title=title, higher_is_better=higher, pooled=pooled, truthless=truthless)
    metrics = {metric: info_of}
    values_by = {metric: values}
    if errors is not None:
        metrics["wrong"] = MetricInfo(title=titled, higher_is_better=False)
        values_by["wrong"] = errors
    versions = dict.fromkeys(metrics, "1.1")
    unit = np.arange(n) if unit is None else unit
    alarmed = np.ones(n, dtype=bool) if alarmed is None else alarmed
    scores = Scores(values_by, metrics, unit, label, alarmed, versions)
    written = {"attributions": info, "scores": store.write_scores(cell.key, scores, info)}
    timing = (
        {"latency_s": 0.002, "samples_per_s": 10.0, "prepare_s": 0.1} if control == "none" else None
    )
    store.write_record(
        Record(
            schema_version=SCHEMA,
            cell=cell,
            state="ok",
            role=role,  # type: ignore[arg-type]
            files=written,
            timing=timing,  # type: ignore[arg-type]
            scores={"m": float(values.mean())},
            provenance={"hardware": hardware},
            anomalies=report or {},
        )
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", create=True)


BASE = np.random.default_rng(0).random(200)
NOISE = np.tile([1.0, -1.0], 100)  # of mean zero


def sections(store: Store) -> Sequence[Section]:
    return leaderboard(store).sections


def rows(store: Store, **options: object) -> dict[str, object]:
    return {row.explainer: row for row in leaderboard(store, **options).rows}  # type: ignore[arg-type]


def test_explainers_that_cannot_be_told_apart_share_their_places(store):
    add(store, "best", BASE + 0.3)
    add(store, "as-good", BASE + 0.301, wobble=0.05)
    add(store, "worse", BASE)
    add(store, "dice", BASE - 0.5, role="floor")
    found = rows(store)
    assert list(found) == ["as-good", "best", "worse", "dice"]  # by the mean alone
    assert [row.rank for row in found.values()] == [(1, 2), (1, 2), (3, 3), None]


def test_one_seed_tells_nothing_apart(store):
    for name, shift in (("one", 0.0), ("other", 1.0)):
        add_one(store, name, BASE + shift)
    add_one(store, "dice", BASE - 1.0, role="floor")
    board = leaderboard(store)
    assert [row.rank for row in board.rows] == [(1, 2), (1, 2), None]
    assert (board.rows[0].scores["m"].low, board.rows[0].gain.low) == (None, None)
    assert board.rows[0].note == "not known to be above its floor"
    assert "one seed has no interval" in " ".join(str(board).split())
    assert "would find a difference" not in str(board)


def test_a_row_must_stand_above_every_floor(store):
    add(store, "real", BASE + 0.5)
    add(store, "geometry", BASE + 0.5)
    add(store, "dice", BASE, role="floor")
    for name, ablated, untrained in (("real", -1.0, -1.0), ("geometry", 0.49, 0.6)):
        add(store, name, BASE + ablated, control="loss-ablated")
        add(store, name, BASE + untrained, control="initial", wobble=0.01 * (name != "real"))
    found = rows(store)
    assert (found["real"].note, found["real"].gain.floor) == ("", "dice")
    assert found["real"].gain.gain == found["real"].gain.low == pytest.approx(0.5)
    assert found["geometry"].note == "not above its floor"
    assert found["geometry"].gain.floor == "initial twin"
    assert found["geometry"].gain.low < found["geometry"].gain.gain < 0


def test_the_least_lower_bound_need_not_be_that_of_the_best_floor(store):
    add(store, "real", BASE)
    add(store, "steady", BASE - 0.10, role="floor")
    add(store, "noisy", BASE - 0.11, role="floor", wobble=3.0)
    gain = rows(store)["real"].gain
    assert gain.gain == pytest.approx(0.1)
    assert gain.low < 0


def test_lower_is_better_turns_everything_round(store):
    add(store, "small", BASE - 1.0, higher=False)
    add(store, "large", BASE + 1.0, higher=False)
    add(store, "dice", BASE, role="floor", higher=False)
    found = rows(store)
    assert (found["small"].rank, found["large"].rank) == ((1, 1), (2, 2))
    assert found["small"].gain.above
    assert found["small"].gain.gain == pytest.approx(1.0)
    assert not found["large"].gain.above
    assert found["small"].by_group["data / null"][1].gain == pytest.approx(1.0)
    assert [one.higher for one in leaderboard(store).sections] == [False]


def test_where_lower_is_better_the_best_floor_is_the_lowest(store):
    add(store, "own", BASE - 0.5, higher=False)
    add(store, "near", BASE, role="floor", higher=False)
    add(store, "far", BASE + 1.0, role="floor", higher=False)
    found = rows(store)
    assert list(found) == ["own", "near", "far"]
    own = found["own"]
    assert (own.gain.floor, own.floor_score) == ("near", pytest.approx(BASE.mean()))
    assert own.gain.gain == own.gain.low == pytest.approx(0.5)


def test_the_metric_that_ranks_says_what_is_better(store):
    add(store, "good", BASE + 1.0, errors=BASE)
    add(store, "bad", BASE, errors=BASE + 1.0)
    add(store, "dice", BASE - 1.0, role="floor", errors=BASE + 0.4)
    found = rows(store, metric="wrong")
    assert (found["good"].rank, found["bad"].rank) == ((1, 1), (2, 2))
    assert found["good"].gain.gain == pytest.approx(0.4)
    assert found["bad"].gain.gain == pytest.approx(-0.6)


def test_a_floor_is_compared_on_the_groups_that_it_has(store):
    for corruption, shift in (("null", 1.0), ("random", 0.5), ("swap", 0.0)):
        add(store, "one", BASE + shift, corruption=corruption)
    for corruption in ("null", "random"):
        add(store, "dice", BASE, role="floor", corruption=corruption)
    found, board = rows(store), FORMATS["markdown"](leaderboard(store))
    gain = found["one"].gain
    assert (gain.gain, gain.low) == (pytest.approx(0.75), pytest.approx(0.75))
    assert found["dice"].note == "floor, in part"
    assert "scored in some groups, and compared in these: dice in 2 of 3" in board
    add(store, "dice", BASE, role="floor", corruption="swap")
    assert rows(store)["dice"].note == "floor"
    assert "in part" not in FORMATS["markdown"](leaderboard(store))


def test_twins_count_by_their_mean(store):
    add(store, "one", BASE)
    for twin, shift in enumerate((-0.6, 0.2)):
        add(store, "one", BASE + shift, control="initial", control_seed=twin)
    gain = rows(store)["one"].gain
    assert (gain.floor, gain.gain) == ("initial twin", pytest.approx(0.2))


def test_beside_a_gain_in_some_groups_stands_the_score_of_the_floor_in_these(store):
    for corruption, shift in (("null", 0.0), ("random", 0.5)):
        add(store, "all", BASE, corruption=corruption)
        add(store, "dice", BASE + shift, role="floor", corruption=corruption)
    add(store, "half", BASE + 1.0)
    assert rows(store)["half"].floor_score == pytest.approx(BASE.mean())


def test_an_incomplete_row_stands_below_all_that_are_ranked(store):
    for name, shift in (("all", 0.0), ("less", -1.0)):
        add(store, name, BASE + shift)
        add(store, name, BASE + shift, corruption="random")
    add(store, "half", BASE + 1.0)
    assert list(rows(store)) == ["all", "less", "half"]


def test_incomplete_rows_are_shown_and_not_ranked(store):
    add(store, "all", BASE)
    add(store, "all", BASE, corruption="random")
    add(store, "half", BASE + 1)
    found = rows(store)
    assert (found["all"].rank, found["half"].rank) == ((1, 1), None)
    assert found["half"].note == "incomplete"
    assert "**incomplete**: and so not ranked: half" in FORMATS["markdown"](leaderboard(store))


def test_a_row_without_the_controls_that_others_have_is_incomplete(store):
    for name in ("whole", "lucky"):
        add(store, name, BASE)
    add(store, "whole", BASE + 1, control="initial")
    found = rows(store)
    assert (found["whole"].note, found["lucky"].note) == ("not above its floor", "incomplete")
    assert found["lucky"].rank is None


def test_who_measures_the_error_itself_is_complete_without_a_loss_ablated_form(store):
    for name in ("mine", "arcana"):  # which declares it
        add(store, name, BASE)
        add(store, name, BASE - 1, control="initial")
    add(store, "mine", BASE - 1, control="loss-ablated")
    add(store, "other", BASE)
    add(store, "other", BASE - 1, control="initial")
    found, board = rows(store), leaderboard(store)
    assert (found["arcana"].note, found["other"].note) == ("", "incomplete")
    assert found["arcana"].rank is not None
    assert [note.rpartition(": ")[2] for note in board.notes if "no loss-ablated" in note] == [
        "arcana"
    ]


def test_what_a_record_says_of_its_error_counts_where_its_plugin_is_not_known(store):
    for name in ("mine", "foreign"):
        add(store, name, BASE)
    add(store, "mine", BASE - 1, control="loss-ablated")
    assert rows(store)["foreign"].note == "incomplete"
    for record in store.records()[0]:
        if record.cell.explainer.name == "foreign":
            store.write_record(record.model_copy(update={"own_error": True}))
    assert rows(store)["foreign"].note == ""


def test_a_loss_ablated_form_of_before_is_no_floor_of_who_measures_the_error_itself(store):
    add(store, "mine", BASE)
    add(store, "mine", BASE, control="loss-ablated")
    add(store, "arcana", BASE)
    add(store, "arcana", BASE, control="loss-ablated")
    add(store, "deviation", BASE - 0.5, role="floor")
    found = rows(store)
    assert (found["mine"].gain.floor, found["mine"].note) == ("loss-ablated", "not above its floor")
    assert (found["arcana"].gain.floor, found["arcana"].note) == ("deviation", "")


def test_floors_that_came_later_are_named_where_floors_were_run(store):
    def said() -> list[str]:
        return [note for note in leaderboard(store).notes if "came later" in note]

    add(store, "mine", BASE)
    for name in ("random", "deviation", "feature-prior"):
        add(store, name, BASE - 1, role="floor")
    assert said() == []
    add(store, "oracle", BASE + 1, role="reference")
    assert said() == ["floors that came later are lacking: pca-residual"]
    add(store, "centre", BASE, role="floor")
    own = "shuffled-truth, blurred-deviation, edges, pca-residual"
    assert said() == [f"floors that came later are lacking: {own}"]
    for name in own.split(", "):
        add(store, name, BASE, role="floor")
    assert said() == []


def test_floors_of_series_that_came_later_are_named_beside_those_that_were_run(store):
    for name in ("random", "deviation", "feature-prior", "pca-residual", "last-value"):
        add(store, name, BASE, role="floor")
    add(store, "oracle", BASE + 1, role="reference")
    (said,) = [note for note in leaderboard(store).notes if "came later" in note]
    assert said == "floors that came later are lacking: own-past, seasonal"


def likened(store: Store, explainer: str, control: str, *means: float | None) -> None:
    """Let the records of a control bear their likeness to the trained detector's, by seed, of one
    sample and of one more for each seed.
    """
    for record in store.records()[0]:
        cell, seed = record.cell, record.cell.anomaly_seed
        if (cell.explainer.text, cell.control) == (explainer, control):
            samples = 0 if means[seed] is None else seed + 1
            found = Likeness(mean=means[seed], samples=samples, to="0" * 12)
            store.write_record(record.model_copy(update={"likeness": found}))


def test_how_alike_maps_are_to_those_of_controls_is_the_mean_over_samples(store):
    for control in ("none", "initial", "permuted", "loss-ablated"):
        add(store, "mine", BASE, control=control)
    add(store, "deviation", BASE, role="floor")
    assert rows(store)["mine"].alike == {}
    assert "How alike" not in as_text(leaderboard(store)) + FORMATS["markdown"](leaderboard(store))
    likened(store, "mine", "initial", 0.5, 0.8, -0.2)
    likened(store, "mine", "permuted", 0.4, None, None)
    likened(store, "mine", "loss-ablated", None, None, None)
    board = leaderboard(store)
    found = rows(store)
    assert found["mine"].alike == {
        "initial": pytest.approx((0.5 + 2 * 0.8 - 3 * 0.2) / 6),
        "permuted": 0.4,
        "loss-ablated": None,
    }
    assert found["deviation"].alike == {}
    assert "| mine | 0.25 | 0.40 | – |" in FORMATS["markdown"](board)
    assert "mine 0.25 0.40 –" in " ".join(as_text(board).split())
    (row, other) = csv.DictReader(io.StringIO(FORMATS["csv"](board)))
    columns = [f"alike {control}" for control in ("initial", "permuted", "loss-ablated")]
    assert [row[name] for name in columns] == ["0.25", "0.4", ""]
    assert [other[name] for name in columns] == ["", "", ""]
    (section,) = json.loads(FORMATS["json"](board))["sections"]
    assert section["rows"][0]["alike"] == found["mine"].alike


def test_a_likeness_to_other_attributions_than_those_of_today_is_not_shown(store):
    for control in ("none", "initial"):
        add(store, "mine", BASE, control=control)
    likened(store, "mine", "initial", 0.5, 0.5, 0.8)
    again = next(
        r for r in store.records()[0] if r.cell.control == "none" and not r.cell.anomaly_seed
    )
    other = FileInfo(bytes=1, sha256="1" * 64)
    scores = store.write_scores(again.cell.key, store.read_scores(again), other)
    files = {"attributions": other, "scores": scores}
    store.write_record(again.model_copy(update={"files": files}))
    assert rows(store)["mine"].alike == {"initial": pytest.approx((2 * 0.5 + 3 * 0.8) / 5)}


def test_another_version_of_an_explainer_is_a_row_of_its_own():
    table = Table()
    versions = [component("a").model_copy(update={"version": v}) for v in ("1.1", "1.2", "1.1")]
    assert [table.text("explainer", one) for one in versions] == ["a", "a (version 2)", "a"]


@pytest.mark.parametrize("report", [{}, {"roc_auc": float("nan")}])
def test_what_is_not_known_of_every_seeds_detector_has_no_mean(report):
    assert quality("s", [{"roc_auc": 0.9}, report]).roc_auc is None
    assert quality("s", [{"roc_auc": 0.9}, {"roc_auc": 0.7}]).roc_auc == pytest.approx(0.8)


def test_a_detectors_error_is_told_in_units_of_the_best_constants():
    reports = [{"validation_error": error, "constant_error": 4.0} for error in (1.0, 2.0)]
    assert quality("s", reports).error_ratio == 0.375


def test_an_explainer_that_failed_once_has_a_score_nevertheless(store):
    add(store, "one", BASE)
    record = store.records()[0][0]
    failed = record.model_copy(update={"state": "failed", "reason": "why"})
    assert _without_scores([failed, record], Seen()) == []
    assert _without_scores([failed, failed], Seen()) == ["one has no score: failed: why"]


def test_a_score_of_a_twin_is_no_score_of_the_explainer(store):
    add(store, "one", BASE, control="initial")
    twin = store.records()[0][0]
    own = twin.cell.model_copy(update={"control": "none"})
    failed = twin.model_copy(update={"cell": own, "state": "failed", "reason": "why"})
    assert _without_scores([failed, twin], Seen()) == ["one has no score: failed: why"]


def test_cells_that_are_not_ok_and_twins_are_counted(store):
    for name in ("one", "other", "bad"):
        add(store, name, BASE)
    for name in ("one", "other"):
        add(store, name, BASE, control="initial")
    bad = next(r for r in store.records()[0] if r.cell.explainer.name == "bad")
    store.write_record(bad.model_copy(update={"state": "failed", "reason": "why"}))
    notes = leaderboard(store).notes
    assert any(note.startswith("1 of 15 cells are not ok") for note in notes)
    assert "untrained twins: 1 at initial weights, 0 permuted" in notes


def test_a_label_stays_apart_where_a_board_is_split():
    found = _join(np.array(["crack", "labels"]), np.array(["low", "high"]), "labels")
    assert found.tolist() == ["crack / low", "high"]


def test_cells_that_no_plan_asks_for_are_counted_and_shown_with_all(store, aexbench_cli):
    add_one(store, "wanted", BASE)
    write_grown(store, {"name": "mine"}, [store.records()[0][0].cell])
    add_one(store, "stray", BASE)
    said, everything = (
        aexbench_cli("leaderboard", store.root, *options).out for options in ((), ("--all",))
    )
    assert "stray" not in said
    assert "1 cell that no suite asks for any more" in " ".join(said.split())
    assert "stray" in everything
    assert "asks for any more" not in " ".join(everything.split())


def test_a_row_without_the_ranking_metric_is_not_ranked(store):
    add(store, "one", BASE)
    add(store, "other", BASE, metric="n")
    assert {name: row.rank for name, row in rows(store, metric="m").items()} == {"one": (1, 1)}


@pytest.mark.parametrize("seeds", [1, 3])
def test_no_reference_stands_on_a_board_by_a_metric_without_truth(store, seeds):
    for name, role in (("one", "explainer"), ("dice", "floor"), ("oracle", "reference")):
        for seed in range(seeds):
            add_one(store, name, BASE, role=role, truthless=True, seed=seed)
    board = leaderboard(store)
    assert [row.explainer for row in board.rows] == ["one", "dice"]
    for text in (as_text(board), *(write(board) for write in FORMATS.values())):
        assert "oracle" not in text
        assert "chance to ceiling" not in text


def unscored(store: Store, corruption: str) -> None:
    """Leave the cells on a corruption without any score."""
    for record in store.records()[0]:
        if record.cell.corruption.name == corruption:
            key, info = record.cell.key, record.files["attributions"]
            none = store.read_scores(record).only([])
            written = {**record.files, "scores": store.write_scores(key, none, info)}
            store.write_record(record.model_copy(update={"files": written, "scores": {}}))


def test_anomalies_that_nobody_has_a_score_of_are_no_section(store):
    add(store, "one", BASE)
    labelled(store, "one", BASE)
    assert len(sections(store)) == 2
    unscored(store, "labels")
    (section,) = sections(store)
    assert section.kind == CAUSES
    unscored(store, "null")
    with pytest.raises(RequestError, match="no scores to rank"):
        leaderboard(store)


def test_a_store_without_scores_says_why_a_cell_is_not_ok(store):
    add_one(store, "one", BASE)
    add_one(store, "two", BASE)
    bad = next(r for r in store.records()[0] if r.cell.explainer.name == "two")
    store.write_record(bad.model_copy(update={"state": "failed", "reason": "it broke"}))
    unscored(store, "null")
    with pytest.raises(RequestError, match="two on data / null, seed 0: it broke"):
        leaderboard(store)


def test_labels_are_groups_and_count_the_same(store):
    labels = np.array(["crack"] * 150 + ["hole"] * 50)
    add(store, "one", np.where(labels == "crack", 0.0, 1.0), labels=labels)
    row = rows(store)["one"]
    assert row.scores["m"].mean == pytest.approx(0.5)
    assert {group: value for group, (value, _) in row.by_group.items()} == {
        "data / null / crack": 0.0,
        "data / null / hole": 1.0,
    }


def test_times_of_different_machines_are_not_put_in_one_row(store):
    add(store, "here", BASE)
    add(store, "both", BASE)
    add(store, "both", BASE, corruption="random", hardware=HARDWARE | {"threads": 8})
    found = rows(store)
    assert found["here"].latency_s == 0.002
    assert (found["both"].latency_s, found["both"].hardware) == (None, SEVERAL)
    said = " ".join(str(leaderboard(store)).split())
    assert f"timed {SEVERAL}, so that times are not shown (run --rerun times" in said


def retimed(store: Store, name: str, **changes: object) -> None:
    """Change what was measured of an explainer."""
    for record in store.records()[0]:
        if record.cell.explainer.name == name:
            times = Times.model_validate(record.timing.model_dump() | changes)
            store.write_record(record.model_copy(update={"timing": times}))


def test_times_count_for_the_machine_that_they_were_measured_on(store):
    add(store, "one", BASE, hardware=HARDWARE | {"threads": 1, "jobs": 2})
    add(store, "beside", BASE, hardware=HARDWARE)
    retimed(store, "one", hardware=HARDWARE, latency_spread=0.055, forward_rows=7.0)
    retimed(store, "beside", hardware=HARDWARE | {"jobs": 2}, forward_rows=9.0)
    found, board = rows(store), leaderboard(store)
    assert (found["one"].latency_s, found["one"].hardware) == (0.002, describe(HARDWARE))
    assert (found["one"].latency_spread, found["one"].forward_rows) == (0.055, 7.0)
    assert (found["beside"].latency_s, found["beside"].hardware) == (None, BESIDE)
    assert found["beside"].forward_rows == 9.0  # counted, whatever ran beside it
    assert "2.00 ms ±6%" in str(board)
    assert f"timed {BESIDE}, so that times are not shown" in " ".join(str(board).split())


def test_a_cost_is_the_median_of_what_was_measured(store):
    add(store, "one", BASE)
    for record, latency in zip(store.records()[0], (0.001, 0.002, 0.009), strict=True):
        times = record.timing.model_copy(update={"latency_s": latency})
        store.write_record(record.model_copy(update={"timing": times}))
    assert rows(store)["one"].latency_s == 0.002


def test_what_an_explanation_costs_stands_in_a_table_where_it_was_counted(store):
    add(store, "one", BASE)
    add(store, "other", BASE)
    assert costs(leaderboard(store)) == []
    assert str(COST[0]) not in as_text(leaderboard(store))
    retimed(store, "one", latency_spread=0.1, forward_rows=71102.3, backward_rows=0.0)
    retimed(store, "other", forward_rows=3.72, uncounted="no")
    rows = {row[0]: row[1:] for row in lines_of(costs(leaderboard(store)))[1]}
    assert rows["one"] == ["2.00 ms ±10%", "10", "100.00 ms", "71,102", "0"]
    assert rows["other"] == ["2.00 ms", "10", "100.00 ms", "3.7", "–"]
    shown = as_text(leaderboard(store))
    assert "What it costs" in shown
    assert all(str(said) in " ".join(shown.split()) for said in COST)
    assert "the rows of other are not counted: no" in shown
    assert "| one | 2.00 ms ±10% | 10 |" in FORMATS["markdown"](leaderboard(store))


def test_no_metric_is_taken_for_a_column_of_the_board(store):
    add(store, "one", BASE)
    (line,) = csv.DictReader(io.StringIO(FORMATS["csv"](leaderboard(store))))
    own = set(line) - {"metric", "metric low", "metric high", "data / null"}
    assert own <= set(COLUMNS)


def test_why_an_explainer_could_not_be_timed_stands_below_the_board(store):
    add(store, "one", BASE)
    record = store.records()[0][0]
    store.write_record(record.model_copy(update={"timing": None, "untimed": "it hangs"}))
    said = "one could not be timed: it hangs (--rerun 'one' tries it again)"
    assert said in leaderboard(store).notes


def test_scores_of_other_attributions_are_not_used(store):
    add_one(store, "good", BASE)
    add_one(store, "stale", BASE)
    record = next(r for r in store.records()[0] if r.cell.explainer.name == "stale")
    other = {**record.files, "attributions": FileInfo(bytes=1, sha256="1" * 64)}
    store.write_record(record.model_copy(update={"files": other}))
    board = leaderboard(store)
    assert [row.explainer for row in board.rows] == ["good"]
    assert any("is of other attributions" in note for note in board.notes)


def test_a_record_that_is_not_of_its_cell_is_not_used(store):
    add_one(store, "good", BASE)
    path = next((store.root / "cells").iterdir())
    forged = json.loads(path.read_text())
    forged["cell"]["explainer"]["name"] = "better"
    (path.parent / f"{'0' * 32}.json").write_text(json.dumps(forged))
    board = leaderboard(store)
    assert [row.explainer for row in board.rows] == ["good"]
    assert any("its cell belongs in" in note for note in board.notes)


def test_an_empty_store_and_an_unknown_metric_are_refused(store):
    with pytest.raises(RequestError, match="no scores to rank"):
        leaderboard(store)
    add(store, "one", BASE)
    with pytest.raises(RequestError, match="did you mean 'metric'"):
        leaderboard(store, "metrik")


@pytest.mark.parametrize(
    ("title", "own"), [("metric", "metric (m)"), ("metric low", "metric (m)"), ("gain", "metric")]
)
def test_metrics_of_one_title_keep_their_columns_in_every_format(store, title, own):
    add(store, "one", np.full(9, 0.25), errors=np.full(9, 0.75), titled=title)
    board, other = leaderboard(store), f"{title} (wrong)"
    assert board.metrics == {"m": own, "wrong": other}
    (found,) = csv.DictReader(io.StringIO(FORMATS["csv"](board)))
    assert (found[own], found[other], found[f"{other} low"]) == ("0.25", "0.75", "0.75")
    for text in (FORMATS["markdown"](board), FORMATS["latex"](board), as_text(board)):
        lines = text.splitlines()
        head = next(line for line in lines if "explainer" in line and "gain" in line)
        assert own in head
        assert other in head
    assert json.loads(FORMATS["json"](board))["metrics"] == {"m": own, "wrong": other}
    assert rows(store, metric=other)["one"].scores["wrong"].mean == 0.75


NASTY = "<b>[red]|=1\\&%$#_{}~^"


@pytest.fixture
def nasty(store):
    add(store, NASTY, BASE)
    return leaderboard(store)


def test_names_are_escaped_for_where_they_are_written(nasty):
    from rich.console import Console

    console = Console(width=120, record=True, file=io.StringIO())
    console.print(as_rich(nasty))
    assert NASTY in console.export_text()
    assert r"\<b\>\[red\]\|=1\\\&%\$\#\_\{\}\~^" in FORMATS["markdown"](nasty)
    assert r"\textbackslash{}\&\%\$\#\_\{\}\textasciitilde{}\textasciicircum{}" in FORMATS["latex"](
        nasty
    )
    assert json.loads(FORMATS["json"](nasty))["sections"][0]["rows"][0]["explainer"] == NASTY
    assert next(csv.DictReader(io.StringIO(FORMATS["csv"](nasty))))["explainer"] == NASTY


def test_brackets_in_names_are_no_markup_in_any_table(store):
    for corruption in ("null", "random"):
        add(store, "a[red]", BASE, corruption=corruption)
    assert as_text(leaderboard(store)).count("a[red]") == 2  # the board's, and that by group


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_csv_holds_no_formula(store, sign):
    add(store, f"{sign}HYPERLINK()", BASE)
    text = FORMATS["csv"](leaderboard(store))
    assert f"'{sign if sign.isprintable() else ' '}HYPERLINK()" in text
    assert next(csv.DictReader(io.StringIO(text, newline="")))["explainer"][0] == "'"


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ({"median_gain": 0.0999}, "the median score rose by 0.10 alone"),
        ({"median_gain": 0.1001}, None),
        ({"median_gain": 0.01, "threshold": "alarm"}, None),
        ({"asked": 10, "found": 9, "draws": 50}, "9 of 10 anomalies found in 50 draws"),
        ({"asked": 10, "found": 10, "draws": 50}, None),
        ({"found": 20, "distinct": 4}, "only 4 distinct pairs"),
        ({"found": 20, "distinct": 5}, None),
    ],
)
def test_what_a_reader_must_know_of_anomalies_is_said(report, said):
    found = list(_of_anomalies(report))
    assert len(found) == (said is not None)
    assert all(one.startswith(said) for one in found)


def test_what_is_said_of_anomalies_names_the_detector_and_its_seeds_once(store):
    low, lower = {"median_gain": 0.05}, {"median_gain": 0.02}
    add(store, "one", BASE, detector="deep", report=low)
    add_one(store, "one", BASE, detector="wide", seed=1, report=low)
    add_one(store, "one", BASE, detector="wide", seed=2, report=lower)
    said = [note.split(" alone")[0] for note in leaderboard(store).notes if "rose by" in note]
    assert sorted(said) == [
        "data / deep / null seeds 0, 1, 2: the median score rose by 0.05",
        "data / wide / null seed 1: the median score rose by 0.05",
        "data / wide / null seed 2: the median score rose by 0.02",
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"cell": {}}', "schema_version Field required"),
        ("not json", "is no record"),
        (None, "is no regular file"),
    ],
)
def test_hostile_records_are_named_and_left_out(store, text, complaint):
    add_one(store, "good", BASE)
    path = store.root / "cells" / f"{'0' * 32}.json"
    path.mkdir() if text is None else path.write_text(text)
    board = leaderboard(store)
    assert [row.explainer for row in board.rows] == ["good"]
    assert any(complaint in note for note in board.notes)


@pytest.mark.parametrize(
    "report",
    [
        {"alarmed": 3},
        {"alarmed": 3, "found": "x", "alarmed_units": 2, "units": 4},
        {"alarmed": 3, "found": 9, "alarmed_units": 2, "units": "x"},
        {"without_cause": 3},
        {"without_cause": 3, "found": {}},
    ],
)
def test_a_strange_report_is_no_reason_to_fail(store, report):
    sound = {"alarmed": 3, "found": 9, "alarmed_units": 2, "units": 4}
    for seed, one in enumerate((sound, report)):
        add_one(store, "good", BASE, corruption="labels", seed=seed, report=one)
    assert [row.explainer for row in leaderboard(store).rows] == ["good"]


@pytest.mark.parametrize("hardware", [None, "a text", {"cpu": ["x"]}])
def test_strange_hardware_is_no_reason_to_fail(store, hardware):
    add(store, "good", BASE, hardware=hardware)
    assert leaderboard(store).rows[0].latency_s == 0.002


def test_sidecars_whose_arrays_do_not_belong_together_are_left_out(store):
    add_one(store, "good", BASE)
    add_one(store, "odd", BASE)
    record = next(r for r in store.records()[0] if r.cell.explainer.name == "odd")
    path = store.path("scores", record.cell.key)
    arrays, metadata = files.unpack(path)
    for name, broken in (
        ("unit", arrays["unit"][:5]),
        ("metric:m", np.ones((200, 2))),
        ("metric:m", np.full(200, np.nan)),
        ("label", arrays["label"] + 9),
        ("label", arrays["label"] - 1),
    ):
        path.write_bytes(files.pack({**arrays, name: broken}, metadata))
        of_files = {**record.files, "scores": file_info(path)}
        store.write_record(record.model_copy(update={"files": of_files}))
        board = leaderboard(store)
        assert [row.explainer for row in board.rows] == ["good"]
        assert any("holds no scores" in note for note in board.notes)


def test_nothing_that_a_terminal_obeys_is_printed(store):
    add(store, "\x1b[31mred\nline", BASE)
    board = leaderboard(store)
    assert "\x1b[31mred" not in FORMATS["markdown"](board)
    assert "[31mred line" in FORMATS["markdown"](board).replace("\\", "")


def test_the_table_fits_80_columns_and_keeps_names(store):
    from rich.console import Console

    for name in ("residual", "lrp[first=z-box,loss=l1]", "a", "b", "c", "d", "e", "f"):
        add(store, name, BASE)
        add(store, name, BASE, corruption="adversarial[threshold=0.2]")
        for metric in ("pixel AP (exact)", "recall@17"):
            add(store, name, BASE, metric=metric)
    add(store, "feature-prior", BASE - 0.1, role="floor")
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(as_rich(leaderboard(store)))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert "residual" in text
    assert "lrp[first=z-b" in text  # folded, not lost


CAUSES = Kind("recipe", "corruptions", "cause")


def board_of_one(*groups: str, note: str = "", **by_group: float) -> Board:
    row = Row(
        explainer="a",
        role="explainer",
        rank=(1, 1),
        scores={"m": Score(0.5, 0.3, 0.6)},
        gain=None,
        floor_score=None,
        by_group={f"{name} / null": (value, None) for name, value in by_group.items()},
        complete=True,
        latency_s=None,
        samples_per_s=None,
        prepare_s=None,
        hardware="",
    )
    units = {name: 20 - (name == "b / null") for name in groups}
    places = {name: Place(name.removesuffix(" / null"), "", "null") for name in units}
    section = Section(CAUSES, "m", [row], units, (5, 5), 1, None, None, ["null"], places=places)
    return Board([section], {"m": "metric"}, [note])


def test_csv_names_both_ends_of_an_interval():
    (row,) = csv.DictReader(io.StringIO(FORMATS["csv"](board_of_one())))
    assert (row["metric"], row["metric low"], row["metric high"]) == ("0.5", "0.3", "0.6")


def test_scores_by_group_stand_beside_their_groups():
    (section,) = board_of_one("z / null", "b / null", z=0.1, b=0.9).sections
    groups = grouped(section)
    assert groups.heads == ["data set", "a"]
    assert groups.names == [["b°"], ["z"]]  # one of 19 units
    assert groups.scores == [[Shown("0.90", True)], [Shown("0.10", True)]]


def test_what_few_units_show_is_said_where_a_group_has_few():
    for groups, few in (({"z": 0.1}, False), ({"z": 0.1, "b": 0.9}, True)):
        board = board_of_one(*(f"{name} / null" for name in groups), **groups)
        assert ("fewer than 20 units" in as_text(board)) == few


def test_every_line_of_a_note_is_a_comment_in_latex():
    assert "% one two" in FORMATS["latex"](board_of_one(note="one\ntwo")).splitlines()


def test_csv_names_every_figure_of_a_row_by_its_name():
    board = board_of_one()
    times = {"latency_s": 0.25, "samples_per_s": 40.0, "prepare_s": 1.5}
    gain = {"gain": Gain("dice", 0.3, -0.1), "floor_score": 0.2}
    row = dataclasses.replace(board.rows[0], rank=(2, 5), **gain, **times)
    section = dataclasses.replace(board.sections[0], rows=[row])
    text = FORMATS["csv"](dataclasses.replace(board, sections=[section]))
    (found,) = csv.DictReader(io.StringIO(text))
    assert (found["best floor"], found["floor score"]) == ("dice", "0.2")
    assert (found["gain"], found["gain low"], found["above floor"]) == ("0.3", "-0.1", "False")
    assert (found["rank low"], found["rank high"]) == ("2", "5")
    assert {name: found[name] for name in times} == {name: str(s) for name, s in times.items()}


def test_what_is_not_above_its_floor_is_marked():
    board = board_of_one("z / null")
    for low, mark in ((-0.1, "·"), (0.1, "")):
        gain = Gain("dice", 0.3, low)
        by_group = {"z / null": (0.4, gain)}
        row = dataclasses.replace(board.rows[0], gain=gain, floor_score=0.2, by_group=by_group)
        section = dataclasses.replace(board.sections[0], rows=[row])
        shown = f"{mark}+0.30 [{low:+.2f}]"
        (found,) = ranked_lines(section, board)
        assert [cell.text for cell in found] == ["1", "a", "0.50 ±0.20", "", "0.20 dice", shown]
        assert grouped(section).scores == [[Shown(f"{mark}0.40", True)]]


def test_a_header_of_csv_is_no_formula():
    board = dataclasses.replace(board_of_one(), metrics={"m": "=SUM(A1)"})
    header = next(csv.reader(io.StringIO(FORMATS["csv"](board))))
    assert "'=SUM(A1)" in header
    assert "=SUM(A1)" not in header


def test_a_terminal_shows_every_group_of_more_than_one_table():
    scores = {name: number / 100 for number, name in enumerate("abcdefghi", start=11)}
    board = board_of_one(*(f"{name} / null" for name in scores), **scores)
    text = as_text(board)
    assert all(f"{score:.2f}" in text for score in scores.values())


def test_tables_in_latex_have_as_many_columns_as_they_say():
    for table in FORMATS["latex"](board_of_one("z / null", z=0.5)).split(r"\begin{tabular}{")[1:]:
        columns, body = table.split("}", 1)
        found = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert found
        assert {line.count(" & ") + 1 for line in found} == {len(columns)}


LABELS = np.array(["labels"] * 200)


def labelled(store, explainer, values, truth="symptom", data="data", **given):
    own = {"corruption": "labels", "report": {"truth": truth}, "data": data}
    add(store, explainer, values, **{**own, **given})


def test_unlike_things_have_sections_of_their_own(store):
    for truth in ("symptom", "cause"):
        labelled(store, "one", BASE, truth, data=truth)
    add(store, "one", BASE)
    add(store, "one", BASE, corruption="random")
    add_one(store, "one", BASE, detector="given", data="mine")
    board = leaderboard(store)
    assert {(section.kind, len(section.groups)) for section in board.sections} == {
        (Kind("recipe", "labels", "symptom"), 1),
        (Kind("recipe", "labels", "cause"), 1),
        (CAUSES, 2),
        (Kind("network", "corruptions", "cause"), 1),
    }
    titles = {one.kind.truth: title(one) for one in board.sections if one.kind.origin == "labels"}
    assert titles == {
        "symptom": "Labelled symptoms (labels)",
        "cause": "Labelled causes (labels)",
    }
    with pytest.raises(RequestError, match="several kinds of anomalies"):
        _ = board.rows
    for text in (as_text(board), *(FORMATS[name](board) for name in ("markdown", "csv", "latex"))):
        for said in ("Labelled causes", "Labelled symptoms", "Injected causes", "network"):
            assert said in text


def test_a_unit_counts_once_however_many_samples_it_has(store):
    unit = np.repeat([3, 5], [190, 10])
    add(store, "one", np.where(unit == 3, 1.0, 0.0), unit=unit)
    assert rows(store)["one"].scores["m"].mean == 0.5
    assert leaderboard(store).sections[0].groups == {"data / null": 2}


def test_what_raises_no_alarm_counts_where_it_is_asked_for_alone(store):
    alarmed = np.arange(200) < 40
    labelled(store, "one", np.where(alarmed, 1.0, 0.0), alarmed=alarmed)
    (section,) = leaderboard(store).sections
    assert (section.rows[0].scores["m"].mean, section.groups) == (1.0, {"data / labels": 40})
    store.strata = lambda record, by: np.where(alarmed, "alarm", "no alarm")
    (section,) = leaderboard(store, by="alarm").sections
    assert section.groups == {"data / labels / alarm": 40, "data / labels / no alarm": 160}
    assert section.rows[0].scores["m"].mean == 1.0  # in the mean no alarm counts there, too
    assert {mean for mean, _ in section.rows[0].by_group.values()} == {0.0, 1.0}
    store.strata = lambda record, by: np.full(200, "far")
    assert leaderboard(store, by="deviation").sections[0].groups == {"data / labels / far": 40}


def test_labels_of_which_none_raises_an_alarm_are_no_board(store):
    labelled(store, "one", BASE, alarmed=np.zeros(200, dtype=bool))
    with pytest.raises(RequestError, match="no labelled row raises an alarm"):
        leaderboard(store)


def test_an_incident_counts_once_whatever_it_belongs_to(store):
    kinds = np.array(["crack"] * 100 + ["hole"] * 50)
    labelled(store, "one", np.ones(150), data="many", labels=kinds)
    labelled(store, "one", np.zeros(50), data="few")
    (section,) = leaderboard(store).sections
    assert section.rows[0].scores["m"].mean == pytest.approx(0.75)
    assert (section.entities, len(section.groups)) == (2, 3)
    for data, value in (("many", 1.0), ("few", 0.0)):
        add(store, "one", np.full(50, value), data=data, corruption="null")
    groups = next(s for s in leaderboard(store).sections if s.kind.origin == "corruptions")
    assert groups.rows[0].scores["m"].mean == pytest.approx(0.5)


def test_what_pools_its_samples_counts_each_kind_of_damage_once(store):
    kinds = np.array(["crack"] * 150 + ["hole"] * 50)
    for data, pooled, mean in (("each", False, 0.25), ("together", True, 0.5)):
        found = Store(store.root.parent / data, create=True)
        values = np.where(kinds == "hole", 1.0, 0.0)
        labelled(found, "one", values, labels=kinds, pooled=pooled)
        assert rows(found)["one"].scores["m"].mean == pytest.approx(mean)


INCIDENTS = "every incident counts the same"
GROUPS = "the mean over 2 groups, each counts the same"


@pytest.mark.parametrize(
    ("pooled", "by", "said"),
    [
        (False, None, INCIDENTS),
        (True, None, GROUPS),
        (False, "alarm", INCIDENTS),
        (True, "alarm", GROUPS),  # four are shown, of which two count
        (False, "deviation", GROUPS),
    ],
)
def test_what_a_mean_is_over_is_said_as_it_is(store, pooled, by, said):
    kinds = np.array(["crack"] * 150 + ["hole"] * 50)
    alarmed = np.arange(200) % 2 == 0
    labelled(store, "one", BASE, labels=kinds, pooled=pooled, alarmed=alarmed)
    store.strata = lambda record, by: np.where(alarmed, "alarm", "no alarm")
    (section,) = leaderboard(store, by=None if pooled else by).sections
    if pooled and by == ALARM:  # without attributions that could be pooled again
        section = split_by_alarm(store)
    assert said in str(next(line for line in above(section, leaderboard(store)) if "about" in line))


def split_by_alarm(store: Store) -> Section:
    """Return the section of scores that are split by what raises an alarm."""
    table = Table()
    for record in store.records()[0]:
        scores = store.read_scores(record)
        label = _join(scores.label, np.where(scores.alarmed, "alarm", "no"), "labels")
        table.add(record, dataclasses.replace(scores, label=label), unalarmed=True)
    (section,) = sections_of(table, ["m"])
    assert len(section.groups) == 4
    return section


@pytest.mark.parametrize(
    ("higher", "said"),
    [
        (True, "the score minus its best floor [at least"),
        (False, "its best floor minus the score: more is better [at least"),
    ],
)
def test_what_a_gain_is_is_said_as_it_is_taken(store, higher, said):
    add(store, "one", BASE, higher=higher)
    add(store, "dice", BASE - 1, role="floor", higher=higher)
    board = leaderboard(store)
    found = {line.term: line.text for line in below(board.sections[0], board)}
    assert found["gain"].startswith(said)


@pytest.mark.parametrize(
    ("floor", "controls", "said"),
    [
        (True, (), "of the floors alone"),
        (True, ("permuted",), "of the floors or of untrained twins"),
        (False, ("initial", "loss-ablated"), "of untrained twins or without an error map"),
        (
            True,
            ("initial", "loss-ablated"),
            "of the floors, of untrained twins, or without an error map",
        ),
    ],
)
def test_only_the_floors_that_there_are_are_named(store, floor, controls, said):
    add(store, "one", BASE)
    for control in controls:
        add(store, "one", BASE - 1, control=control)
    if floor:
        add(store, "dice", BASE - 1, role="floor")
    board = leaderboard(store)
    found = {line.term: line.text for line in below(board.sections[0], board)}
    assert found["best floor"].endswith(f"what the detector has learned: {said}")


def test_a_difference_that_is_shown_as_zero_has_no_minus(store):
    add(store, "one", BASE - 0.001, wobble=0.001)
    add(store, "dice", BASE, role="floor", wobble=0.001)
    assert "-0.00" not in as_text(leaderboard(store))
    assert "·+0.00" in as_text(leaderboard(store))


def test_labels_that_are_asked_for_otherwise_are_labels(store):
    labelled(store, "one", BASE, "cause", corruption="labels[half=later]")
    (section,) = leaderboard(store).sections
    assert section.kind == Kind("recipe", "labels", "cause")
    assert list(section.groups) == ["data / labels[half=later]"]


def test_a_row_is_complete_where_it_has_all_anomalies_of_one_kind(store):
    add(store, "one", BASE)
    add(store, "one", BASE - 1, control="initial")
    for name in ("one", "other"):
        labelled(store, name, BASE)
    found = {s.kind.origin: [(r.explainer, r.complete) for r in s.rows] for s in sections(store)}
    assert found == {"corruptions": [("one", True)], "labels": [("one", True), ("other", True)]}


def test_groups_of_one_detector_may_have_other_seeds_and_other_units(store):
    add(store, "one", BASE)
    for seed, count in ((0, 150), (2, 160)):
        add_one(store, "one", BASE[:count], corruption="random", seed=seed)
    (section,) = sections(store)
    assert section.seeds == (2, 3)
    assert section.groups == {"data / null": 200, "data / random": 150}
    assert section.rows[0].scores["m"].low is not None


def test_a_group_of_twenty_units_has_gains(store):
    for corruption, count in (("null", 20), ("random", 19)):
        add(store, "one", BASE[:count] + 1, corruption=corruption)
        add(store, "dice", BASE[:count], corruption=corruption, role="floor")
    found = {group: gain for group, (_, gain) in rows(store)["one"].by_group.items()}
    assert found["data / null"].above
    assert found["data / random"] is None


def test_what_entities_differ_in_makes_an_interval_wide(store):
    for data, value in (("a", 0.2), ("b", 0.4), ("c", 0.9)):
        labelled(store, "one", np.full(100, value), data=data)
    score = leaderboard(store).sections[0].rows[0].scores["m"]
    assert score.high - score.low > 1


def test_the_interval_of_one_entity_is_that_of_its_incidents(store):
    labelled(store, "one", BASE)
    score = leaderboard(store).sections[0].rows[0].scores["m"]
    half = 1.972 * BASE.std(ddof=1) / 200**0.5
    assert (score.low, score.high) == pytest.approx((BASE.mean() - half, BASE.mean() + half), 1e-3)


def test_a_given_network_has_an_interval_with_one_draw(store):
    add_one(store, "one", BASE, detector="given")
    board = leaderboard(store)
    assert board.rows[0].scores["m"].low < BASE.mean() < board.rows[0].scores["m"].high
    assert "about: this network" in str(board)


def test_a_section_names_its_corruptions(store):
    add(store, "one", BASE, labels=np.array(["x", "y"] * 100), corruption="random[t=1]")
    add(store, "one", BASE, data="other", corruption="null")
    labelled(store, "one", BASE)
    found = {section.kind: section.corruptions for section in leaderboard(store).sections}
    assert found[CAUSES] == ["random[t=1]", "null"]
    assert found[Kind("recipe", "labels", "symptom")] == ["labels"]


def test_chance_and_ceiling_stand_beside_the_scores(store):
    add(store, "one", BASE)
    add(store, "chance", np.full(200, 0.1), role="reference")
    add(store, "oracle", np.full(200, 0.25), role="reference")
    assert "chance to ceiling: metric 0.10 to 0.25 (the truth" in as_text(leaderboard(store))


def test_the_board_says_what_it_could_have_found(store):
    for name, shift in (("one", 0.02), ("other", 0.0), ("third", -0.5)):
        add(store, name, BASE + shift, wobble=0.05 if name == "one" else 0.01)
    (section,) = leaderboard(store).sections
    said = " ".join(as_text(leaderboard(store)).split())
    assert f"detectable: a difference of {section.detectable:.3f} in metric" in said
    assert f"one and other would be told apart by {section.settling} seeds" in said


def test_the_seeds_that_settle_are_those_of_the_first_two_rows(store):
    for name, shift in (("a", -5.0), ("b", 0.02), ("c", 0.0)):
        add(store, name, BASE + shift, wobble=0.05 if name == "b" else 0.01)
    (section,) = sections(store)
    assert [row.explainer for row in section.rows] == ["b", "c", "a"]
    assert section.settling > 10  # a and b would need two


@pytest.mark.parametrize(
    ("reports", "said"),
    [
        (
            [{"alarmed": 3, "found": 9, "alarmed_units": 2, "units": 4}],
            "3 of 9 labelled rows raise",
        ),
        ([{"alarmed": n, "found": 9, "alarmed_units": 2, "units": 4} for n in (3, 5)], "3 to 5 of"),
        ([{"alarmed": 9, "found": 9, "alarmed_units": 4, "units": 4}], None),
        ([{"alarmed": n, "found": 9, "alarmed_units": 2, "units": 4} for n in (9, 3)], "3 to 9 of"),
        ([{}], "made by an earlier aexbench"),
    ],
)
def test_how_many_labelled_rows_raise_an_alarm_is_said(store, reports, said):
    for seed, report in enumerate(reports):
        add_one(store, "one", BASE, corruption="labels", report=report, seed=seed)
    found = list(_alarms(store.records()[0], Seen()))
    assert len(found) == (said is not None)
    assert all(one.startswith(f"data / labels: {said}") for one in found)


def test_of_several_kinds_of_groups_each_mean_stands_in_its_place(store):
    means = np.random.default_rng(1).random(12)
    for number, mean in enumerate(means):
        add(store, f"e{number}", BASE + mean, wobble=0.3 * mean)
    section = leaderboard(store).sections[0]
    shown = [row.scores["m"].mean for row in section.rows]
    assert shown == sorted(shown, reverse=True)
    assert all(row.rank[0] <= place <= row.rank[1] for place, row in enumerate(section.rows, 1))


def test_several_detectors_of_one_data_set_make_no_new_incidents(store):
    for detector in ("default", "mlp[widths=[2]]", "mlp[widths=[3]]"):
        labelled(store, "one", BASE, detector=detector)
    (section,) = leaderboard(store).sections
    score = section.rows[0].scores["m"]
    half = 1.972 * BASE.std(ddof=1) / 200**0.5  # that of 200 incidents
    assert (score.low, score.high) == pytest.approx((BASE.mean() - half, BASE.mean() + half), 1e-3)


def test_a_section_that_lacks_the_boards_metric_ranks_by_its_own_and_says_so(store):
    add(store, "one", BASE, errors=BASE)
    labelled(store, "one", BASE)
    board = leaderboard(store, "wrong")
    assert {s.kind.origin: s.metric for s in board.sections} == {
        "corruptions": "wrong",
        "labels": "m",
    }
    assert "wrong by group" in as_text(board)
    assert "metric by group" in as_text(board)


def test_a_group_of_controls_alone_is_no_group(store):
    add(store, "one", BASE)
    add(store, "one", BASE, corruption="random", control="initial")
    assert leaderboard(store).sections[0].groups == {"data / null": 200}


def with_donor(store, corruption, data="data", **parameters):
    """Give the records of a corruption parameters."""
    for record in store.records()[0]:
        if (record.cell.corruption.name, record.cell.dataset.name) == (corruption, data):
            changed = component(corruption).model_copy(update={"parameters": parameters})
            cell = record.cell.model_copy(update={"corruption": changed})
            yield record.model_copy(update={"cell": cell})


@pytest.mark.parametrize(
    ("group", "labels", "said"),
    [
        ({"donor": "alarm"}, {}, 1),
        ({"threshold": "alarm"}, {"half": "both"}, 1),
        ({"donor": "alarm"}, {"half": "later"}, 0),
        ({"donor": "normal"}, {}, 0),
    ],
)
def test_labels_that_judge_what_was_borrowed_are_said(store, group, labels, said):
    add(store, "one", BASE, corruption="group")
    labelled(store, "one", BASE)
    records = [*with_donor(store, "group", **group), *with_donor(store, "labels", **labels)]
    lines = list(_leaks(records, Seen()))
    assert len(lines) == said
    assert all("labels[half=later] judges the others" in line for line in lines)


def test_a_kind_of_anomaly_that_somebody_calls_no_alarm_counts_as_any(store):
    labels = np.array(["no alarm"] * 100 + ["crack"] * 100)
    labelled(store, "one", np.where(labels == "crack", 1.0, 0.0), labels=labels)
    assert leaderboard(store).sections[0].rows[0].scores["m"].mean == pytest.approx(0.5)


def test_a_metric_of_a_plugin_that_is_not_loaded_is_shown(store):
    add_one(store, "one", BASE, errors=BASE)
    suite = {"name": "s", "metrics": ["wrong", {"name": "elsewhere", "top": 3}]}
    write_grown(store, suite, [record.cell for record in store.records()[0]])
    assert list(leaderboard(store).metrics) == ["wrong", "m"]
