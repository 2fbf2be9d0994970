"""Merged stores rank as one run would, and what is unlike is never ranked together."""

from __future__ import annotations

import itertools
import json
import shutil

import numpy as np
import pytest

from aexbench import files
from aexbench.merging.merge import merge
from aexbench.running.cells import Cell
from aexbench.running.packed import Packed, open_store, pack
from aexbench.running.store import Store, file_info
from tests.aexbench.merging.conftest import FIRST, SECOND, board, run, timeless

FORMS = list(itertools.product(["", " packed"], ["", " packed"]))


@pytest.mark.parametrize("forms", FORMS)
def test_two_halves_of_a_run_rank_as_the_run(stores, aexbench_cli, tmp_path, forms):
    halves = [
        stores / f"{name}{form}" for name, form in zip(("first", "second"), forms, strict=True)
    ]
    outcome = aexbench_cli("merge", *halves, "--to", tmp_path / "merged")
    assert (outcome.code, outcome.err) == (0, "")
    assert isinstance(open_store(tmp_path / "merged"), Packed) is any(forms)
    assert timeless(board(tmp_path / "merged")) == timeless(board(stores / "whole"))
    assert len(board(tmp_path / "merged").rows) > len(board(stores / "first").rows)


def test_a_merged_folder_is_a_store_like_others(stores, aexbench_cli, tmp_path):
    merged = tmp_path / "merged"
    aexbench_cli("merge", stores / "first", stores / "second", "--to", merged)
    assert aexbench_cli("status", merged).code == 0
    assert aexbench_cli("score", merged, "-m", "recall[top=2]").code == 0
    assert aexbench_cli("leaderboard", merged, "--by", "gain").code == 0
    before = {path: path.read_bytes() for path in (merged / "attributions").iterdir()}
    run(merged, [*FIRST, *SECOND])  # everything is there
    assert {path: path.read_bytes() for path in (merged / "attributions").iterdir()} == before


def test_merging_again_changes_nothing(stores, aexbench_cli, tmp_path):
    names = [stores / "first packed", stores / "second packed", stores / "other packed"]
    aexbench_cli("merge", *names, "--to", tmp_path / "at once")
    aexbench_cli("merge", *names[::2], "--to", tmp_path / "two")
    aexbench_cli("merge", tmp_path / "two", names[1], "--to", tmp_path / "third")
    aexbench_cli("merge", tmp_path / "third", names[0], "--to", tmp_path / "again")
    boards = [board(tmp_path / name) for name in ("at once", "third", "again")]
    assert timeless(boards[0])[0] == timeless(boards[1])[0] == timeless(boards[2])[0]


@pytest.mark.parametrize("form", ["", " packed"])
def test_other_weights_are_other_groups(stores, aexbench_cli, tmp_path, form):
    merged = tmp_path / "merged"
    names = [stores / f"{name}{form}" for name in ("first", "other")]
    outcome = aexbench_cli("merge", *names, "--to", merged)
    assert outcome.code == 0
    assert "wine: other weights of one recipe, shown apart: weights " in outcome.out
    (section,) = board(merged).sections
    blocks = {name.rpartition(" / ")[0] for name in section.groups}
    assert len(blocks) == 2
    assert all(name.endswith(")") and " (weights " in name for name in blocks)
    explainers = [row for row in section.rows if row.role == "explainer"]
    assert {row.explainer for row in explainers if row.rank is None} == {
        row.explainer for row in explainers
    }
    for row in explainers:
        assert len({name.rpartition(" / ")[0] for name in row.by_group}) == 1
    said = next(note for note in board(merged).notes if "stores were merged" in note)
    assert all(block in said for block in blocks)


def test_a_group_of_other_weights_has_the_figures_of_its_own_store(stores, aexbench_cli, tmp_path):
    merged = tmp_path / "merged"
    aexbench_cli("merge", stores / "first", stores / "other", "--to", merged)
    for name, explainer in (("first", "residual"), ("other", "saliency")):
        own = next(row for row in board(stores / name).rows if row.explainer == explainer)
        row = next(row for row in board(merged).rows if row.explainer == explainer)
        assert row.scores == own.scores
    sets = {record.files["anomalies"].sha256 for record in Store(merged).records()[0]}
    assert len(list((merged / "anomalies").iterdir())) == len(sets) == 8
    assert len(list((merged / "detectors").iterdir())) == 4


def test_other_anomalies_of_the_same_weights_are_other_groups(copied, aexbench_cli, tmp_path):
    path = sorted((copied / "second" / "anomalies").iterdir())[0]
    arrays, metadata = files.unpack(path)
    arrays["x"] = arrays["x"].copy()
    arrays["x"][0] += 1e-3
    path.write_bytes(files.pack(arrays, metadata))
    for record in (copied / "second" / "cells").iterdir():
        values = json.loads(record.read_text())
        if Store(copied / "second").record(record.stem).cell.anomaly_key == path.stem:
            values["files"]["anomalies"] = file_info(path).model_dump()
            files.write_json(record, values)
    merged = tmp_path / "merged"
    outcome = aexbench_cli("merge", copied / "first", copied / "second", "--to", merged)
    assert "wine: other anomalies of one recipe, shown apart" in outcome.out
    assert all("(anomalies " in name for name in board(merged).sections[0].groups)


def other_figure(store, explainer="deviation"):
    """Pack a store in which one sample of a cell has another score; return the cell's text."""
    record = next(
        r
        for r in store.records()[0]
        if (r.cell.explainer.text, r.cell.anomaly_seed) == (explainer, 1)
    )
    scores = store.read_scores(record)
    scores.values["recall"][0] = 1 - scores.values["recall"][0]
    info = store.write_scores(record.cell.key, scores, record.files["attributions"])
    store.write_record(record.model_copy(update={"files": record.files_with("scores", info)}))
    return str(record.cell)


@pytest.mark.parametrize("form", ["", " packed"])
def test_other_figures_of_one_cell_are_shown_and_refused(copied, aexbench_cli, tmp_path, form):
    text = other_figure(Store(copied / "second"))
    pack(Store(copied / "second"), copied / "second packed")
    names = [copied / f"{name}{form}" for name in ("first", "second")]
    outcome = aexbench_cli("merge", *names, "--to", tmp_path / "merged")
    assert (outcome.code, (tmp_path / "merged").exists()) == (1, False)
    line, last = outcome.err.splitlines()
    assert line.startswith(f"error: {text}: recall ")
    assert f" in {names[0]} and " in line
    assert line.endswith(f" in {names[1]}")
    assert last == ("error: 1 result refused: nothing is merged (--leave-out merges the others)")
    outcome = aexbench_cli("merge", *names, "--to", tmp_path / "merged", "--leave-out")
    assert outcome.code == 0
    assert "; 1 result refused" in outcome.out
    assert timeless(board(tmp_path / "merged")) == timeless(board(copied / "whole"))


def test_other_figures_of_one_mean_are_other_figures(copied):
    store = Store(copied / "second")
    record = next(r for r in store.records()[0] if r.cell.explainer.text == "deviation")
    scores = store.read_scores(record)
    alone = np.flatnonzero(np.bincount(scores.unit)[scores.unit] == 1)
    scores.values["recall"][alone[:2]] += 0.1, -0.1
    info = store.write_scores(record.cell.key, scores, record.files["attributions"])
    store.write_record(record.model_copy(update={"files": record.files_with("scores", info)}))
    (line,) = merge([copied / "first", copied / "second"]).refused
    assert line.endswith(", by other scores of single samples")


def attributions_times(store, factor):
    """Multiply the attributions of a cell that both halves have, and let its record bear them."""
    record = next(r for r in store.records()[0] if r.cell.explainer.text == "deviation")
    scores = store.read_scores(record)
    info = store.write_attributions(record.cell.key, store.read_attributions(record) * factor)
    again = store.write_scores(record.cell.key, scores, info)
    update = {"files": record.files | {"attributions": info, "scores": again}}
    store.write_record(record.model_copy(update=update))


@pytest.mark.parametrize(("factor", "refused"), [(1 + 1e-6, 0), (2, 1)])
def test_attributions_are_the_same_but_for_their_last_digits(copied, factor, refused):
    attributions_times(Store(copied / "second"), factor)
    merged = merge([copied / "first", copied / "second"])
    assert len(merged.refused) == refused
    assert all("other attributions in" in line for line in merged.refused)


def test_times_of_two_machines_are_never_averaged(copied):
    for number, name in enumerate(("first", "second")):
        store = Store(copied / name)
        for record in store.records()[0]:
            if record.timing is not None:
                own = {"latency_s": 1.0 + number, "hardware": {"cpu": name, "jobs": 1}}
                timing = record.timing.model_copy(update=own)
                store.write_record(record.model_copy(update={"timing": timing}))
    untimed = Store(copied / "first")
    for record in untimed.records()[0]:
        if record.timing is not None and record.cell.explainer.text == "random":
            gone = {key: info for key, info in record.files.items() if key != "timings"}
            untimed.write_record(record.model_copy(update={"timing": None, "files": gone}))
    merged = merge([copied / "first", copied / "second"])
    times = {
        (
            one.record.cell.explainer.text,
            one.record.timing.latency_s,
            one.record.timing.hardware["cpu"],
        )
        for one in merged.results.values()
        if one.record.timing is not None
    }
    assert {("deviation", 1.0, "first"), ("random", 2.0, "second")} <= times
    assert {("residual", 1.0, "first"), ("saliency", 2.0, "second")} <= times
    assert {latency for _, latency, _ in times} == {1.0, 2.0}


def test_a_cell_that_was_explained_somewhere_stands_for_one_that_was_not(copied):
    store = Store(copied / "first")
    record = next(r for r in store.records()[0] if r.cell.explainer.text == "deviation")
    failed = {"state": "timeout", "files": {}, "scores": {}, "timing": None, "anomalies": {}}
    store.write_record(record.model_copy(update=failed))
    merged = merge([copied / "first", copied / "second"])
    assert not merged.refused
    assert merged.results[record.cell.key].record.state == "ok"


def test_metrics_of_one_name_and_other_versions_are_refused(copied, aexbench_cli, tmp_path):
    path = copied / "second packed" / "records.jsonl"
    path.write_text(path.read_text().replace('"recall": "2.1"', '"recall": "2.9"'))
    names = (copied / "first packed", copied / "second packed")
    outcome = aexbench_cli("merge", *names, "--to", tmp_path / "merged")
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert "recall is of version 2.1 and 2.9 in" in outcome.err
    assert not (tmp_path / "merged").exists()


def test_metrics_that_one_store_has_more_are_carried(copied, aexbench_cli, tmp_path):
    aexbench_cli("score", copied / "second", "-m", "recall[top=2]")
    outcome = aexbench_cli("merge", copied / "first", copied / "second", "--to", tmp_path / "m")
    assert outcome.code == 0
    rows = {row.explainer: row for row in board(tmp_path / "m").rows}
    assert "recall[top=2]" in rows["saliency"].scores
    assert "recall[top=2]" in rows["deviation"].scores
    assert "recall[top=2]" not in rows["residual"].scores


def test_plans_are_united(copied, aexbench_cli, tmp_path):
    path = copied / "second packed" / "plan.json"
    values = json.loads(path.read_text())
    values["plans"][0]["suite"]["notes"] = "Another one."
    values["plans"].append({"suite": {"name": "more"}, "cells": values["plans"][0]["cells"][:1]})
    path.write_text(json.dumps(values))
    names = (copied / "first packed", copied / "second packed")
    aexbench_cli("merge", *names, "--to", tmp_path / "merged")
    store = open_store(tmp_path / "merged")
    (suite, cells), (more, one) = store.plans()
    assert suite["explainers"] == [*FIRST, *SECOND]
    assert suite["metrics"] == ["recall[top=1]", "recall[top=3]"]
    assert suite["notes"] == "A suite for tests.\nAnother one."
    assert cells.keys() == set(store.keys())
    assert (more, len(one)) == ({"name": "more"}, 1)
    assert board(tmp_path / "merged").title == "small + more"


def test_cells_of_a_store_without_a_plan_are_shown(copied, aexbench_cli, tmp_path):
    shutil.rmtree(copied / "second" / "plans")
    (copied / "second" / "plans").mkdir()
    aexbench_cli("merge", copied / "first", copied / "second", "--to", tmp_path / "merged")
    assert "saliency" in aexbench_cli("leaderboard", tmp_path / "merged", "--format", "csv").out


def test_a_dry_run_writes_nothing_and_says_what_would_come(stores, aexbench_cli, tmp_path):
    before = sorted(tmp_path.iterdir())
    arguments = (stores / "first packed", stores / "second", "--to", tmp_path / "merged")
    outcome = aexbench_cli("merge", *arguments, "--dry-run")
    assert outcome.code == 0
    assert f"cells would come into {tmp_path / 'merged'} (packed: no attributions" in outcome.out
    assert sorted(tmp_path.iterdir()) == before


def test_nothing_is_merged_into_what_is_there_or_from_one_store_twice(
    stores, aexbench_cli, tmp_path
):
    for to, names, said in (
        (stores / "first", ["second"], "is there already"),
        (tmp_path / "m", ["first", "first"], "named twice"),
        (tmp_path / "m", ["first", "nowhere"], "is no store"),
    ):
        outcome = aexbench_cli("merge", *(stores / name for name in names), "--to", to)
        assert (outcome.code, said in outcome.err) == (2, True)
    assert not (tmp_path / "m").exists()


def test_what_was_not_whole_leaves_nothing(stores, aexbench_cli, tmp_path, monkeypatch):
    def full(*arguments, **named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    arguments = (stores / "first", stores / "second", "--to", tmp_path / "merged")
    outcome = aexbench_cli("merge", *arguments)
    assert (outcome.code, "No space left" in outcome.err) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_records_of_earlier_keys_are_refused_with_what_to_do(copied, aexbench_cli, tmp_path):
    for path in (copied / "second" / "cells").iterdir():
        files.write_json(path, json.loads(path.read_text()) | {"schema_version": 1})
    arguments = (copied / "first", copied / "second", "--to", tmp_path / "merged")
    outcome = aexbench_cli("merge", *arguments)
    assert outcome.code == 1
    assert (
        "records bear the keys of an earlier aexbench and do not count: run the suite"
        in outcome.err
    )
    assert aexbench_cli("merge", *arguments, "--leave-out").code == 0
    assert timeless(board(tmp_path / "merged"))[0] == timeless(board(copied / "first"))[0]


def test_components_of_one_name_that_are_not_the_same_are_named(copied):
    record = next(r for r in Store(copied / "first").records()[0] if r.state == "ok")
    cell = record.cell.model_dump()
    cell["explainer"]["version"] = "0.9"
    old = Store(copied / "old", create=True)
    failed = {"state": "failed", "files": {}, "scores": {}, "cell": Cell.model_validate(cell)}
    old.write_record(record.model_copy(update=failed))
    merged = merge([copied / "first", copied / "old"])
    text = record.cell.explainer.text
    assert merged.notes[0].startswith(f"explainer {text} is not the same in {copied / 'first'} and")
