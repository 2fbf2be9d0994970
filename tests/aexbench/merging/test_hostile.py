"""Stores of strangers: what they hold is refused by a line or shown as text, and never executed."""

from __future__ import annotations

import json
import os
import pickle
import shutil

import numpy as np
import pytest

from aexbench import files
from aexbench.running.packed import pack
from aexbench.running.store import Store, file_info
from tests.aexbench.merging.conftest import board, timeless

DEEP = "[" * 900 + "]" * 900
RECORDS = {
    "no number": ("state", "NaN"),
    "other schema": ("schema_version", "9"),
    "earlier schema": ("schema_version", "1"),
    "endless figure": ("measures", '{"a": 1e400}'),
    "deep": ("anomalies", DEEP),
    "huge": ("reason", json.dumps("x" * 2_000_000)),
    "lineage": ("cell", '{"lineage": "<b>"}'),
}


@pytest.fixture
def merged(copied, aexbench_cli, tmp_path):
    """Merge the halves, of which one was damaged, without and with leaving out."""

    def outcome(form=""):
        names = [copied / f"{name}{form}" for name in ("first", "second")]
        refused = aexbench_cli("merge", *names, "--to", tmp_path / "merged")
        assert (tmp_path / "merged").exists() is (refused.code == 0)
        assert all(line.startswith("error: ") for line in refused.err.splitlines())
        assert all(len(line) < 1000 for line in refused.err.splitlines())
        left = aexbench_cli("merge", *names, "--to", tmp_path / "merged", "--leave-out")
        return refused, left

    return outcome


def first_record(store, explainer="saliency"):
    return next(r for r in store.records()[0] if r.cell.explainer.text == explainer)


@pytest.mark.parametrize("fault", RECORDS)
def test_odd_records_are_refused_by_name(copied, merged, tmp_path, fault):
    store = Store(copied / "second")
    path = store.path("cells", first_record(store).cell.key)
    key, value = RECORDS[fault]
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | {key: "@"}).replace('"@"', value))
    refused, left = merged()
    assert (refused.code, left.code) == (1, 0)
    assert refused.err.count("\n") == 2
    assert str(copied / "second") in refused.err.splitlines()[0]
    assert len(Store(tmp_path / "merged").keys()) > 20


@pytest.mark.parametrize("folder", ["attributions", "anomalies", "scores", "timings", "detectors"])
@pytest.mark.parametrize("fault", ["changed", "lost"])
def test_files_that_are_not_those_of_their_records_are_refused(copied, merged, folder, fault):
    store = Store(copied / "second")
    record = next(r for r in store.records()[0] if r.timing and r.cell.explainer.text == "saliency")
    cell = record.cell
    key = {"anomalies": cell.anomaly_key, "detectors": cell.detector_key}.get(folder, cell.key)
    path = store.path(folder, key)
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    if fault == "lost":
        path.unlink()
    refused, left = merged()
    if (folder, fault) == ("detectors", "lost"):  # as of a network that is given
        assert (refused.code, left.code) == (0, 2)
        return
    assert (refused.code, left.code) == (1, 0)
    assert str(cell) in refused.err or path.name in refused.err


class Evil:
    def __reduce__(self):
        return os.system, ("touch executed",)


def test_nothing_is_unpickled(copied, merged, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez(copied / "second packed" / "scores.npz", metrics=np.array([Evil()], dtype=object))
    refused, _ = merged(" packed")
    assert (refused.code, refused.err.count("\n")) == (1, 2)
    assert "scores.npz holds no scores" in refused.err
    shutil.rmtree(tmp_path / "merged")
    store = Store(copied / "second")
    path = store.path("attributions", first_record(store).cell.key)
    path.write_bytes(pickle.dumps(Evil()))
    record = first_record(store)
    own = record.files | {"attributions": file_info(path)}
    store.write_record(record.model_copy(update={"files": own}))
    refused, _ = merged()
    assert refused.code == 1
    assert not (tmp_path / "executed").exists()


def renamed(store, text):
    """Give an explainer of a store another text for people."""
    for record in store.records()[0]:
        if record.cell.explainer.text == "saliency":
            path = store.path("cells", record.cell.key)
            values = json.loads(path.read_text())
            values["cell"]["explainer"]["text"] = text
            files.write_json(path, values)


MARKUP = "<script>alert(1)</script>[red]\x1b[2J| a | **b** {{7*7}}"


def test_markup_in_names_stays_text(copied, aexbench_cli, tmp_path):
    renamed(Store(copied / "second"), MARKUP)
    pack(Store(copied / "second"), copied / "second packed")
    names = (copied / "first packed", copied / "second packed")
    outcome = aexbench_cli("merge", *names, "--to", tmp_path / "merged")
    assert outcome.code == 0
    assert "\x1b" not in outcome.out
    shown = (tmp_path / "merged" / "board.md").read_text()
    assert "<script>" not in shown
    assert "\x1b" not in shown
    assert "alert" in shown
    assert timeless(board(tmp_path / "merged"))[0][0].groups


@pytest.mark.parametrize("name", ["../../outside", "/tmp/outside", "a/b", "", "x" * 200, "<b>"])
def test_a_suite_cannot_name_a_file_elsewhere(copied, aexbench_cli, tmp_path, name):
    path = copied / "second" / "plans" / "small.json"
    values = json.loads(path.read_text())
    values["suite"]["name"] = name
    path.write_text(json.dumps(values))
    arguments = (copied / "first", copied / "second", "--to", tmp_path / "merged")
    outcome = aexbench_cli("merge", *arguments, "--leave-out")
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert "is no name of a suite" in outcome.err
    assert not (tmp_path / "merged").exists()


def test_means_that_a_record_only_claims_do_not_count(copied, merged, tmp_path):
    store = Store(copied / "second")
    record = first_record(store)
    claimed = dict.fromkeys(record.scores, 123.0)
    store.write_record(record.model_copy(update={"scores": claimed}))
    merged()
    assert Store(tmp_path / "merged").record(record.cell.key).scores == record.scores


def test_scores_that_know_their_samples_otherwise_are_refused(copied, merged):
    store = Store(copied / "second")
    record = first_record(store)
    scores = store.read_scores(record)
    scores.alarmed[:] = False
    info = store.write_scores(record.cell.key, scores, record.files["attributions"])
    store.write_record(record.model_copy(update={"files": record.files_with("scores", info)}))
    refused, left = merged()
    assert (refused.code, left.code) == (1, 0)
    assert "knows other units, labels or alarms of its samples" in refused.err


def test_metrics_that_are_not_known_here_are_carried(copied, aexbench_cli, tmp_path):
    for name in ("first", "second"):
        store = Store(copied / name)
        for record in store.records()[0]:
            path = store.path("scores", record.cell.key)
            arrays, metadata = files.unpack(path)
            arrays["metric:theirs[a=1]"] = arrays["metric:recall"] / 2
            metadata["metrics"]["theirs[a=1]"] = {"title": "theirs"}
            metadata["versions"]["theirs[a=1]"] = "1.7"
            path.write_bytes(files.pack(arrays, metadata))
            own = record.scores | {"theirs[a=1]": 0.5}
            by = record.scored_by | {"theirs[a=1]": "1.7"}
            update = {"scores": own, "scored_by": by}
            update["files"] = record.files_with("scores", file_info(path))
            store.write_record(record.model_copy(update=update))
    arguments = (copied / "first", copied / "second", "--to", tmp_path / "merged")
    assert aexbench_cli("merge", *arguments).code == 0
    for row in board(tmp_path / "merged").rows:
        assert row.scores["theirs[a=1]"].mean == pytest.approx(row.scores["recall"].mean / 2)


@pytest.mark.parametrize("form", ["", " packed"])
def test_results_that_do_not_say_what_they_explain_are_refused(copied, merged, form):
    if form:
        path = copied / "second packed" / "records.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        record = next(line for line in reversed(lines) if line.get("files", {}).get("timings"))
        del record["files"]["anomalies"]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    else:
        store = Store(copied / "second")
        record = first_record(store)
        own = {name: info for name, info in record.files.items() if name != "anomalies"}
        store.write_record(record.model_copy(update={"files": own}))
    refused, left = merged(form)
    assert (refused.code, left.code) == (1, 0)
    assert "does not say which anomalies it explains" in refused.err


SAID = {
    "a floor": ({"role": "floor"}, "calls its explainer a floor"),
    "other anomalies": ({"anomalies": {"found": 99}}, "says other things of its anomalies"),
}


@pytest.mark.parametrize("fault", SAID)
def test_what_all_records_say_alike_one_cannot_say_otherwise(copied, aexbench_cli, tmp_path, fault):
    update, message = SAID[fault]
    shutil.copytree(copied / "first", copied / "again")
    store = Store(copied / "again")
    record = first_record(store, "residual")
    weights = {"detector": record.anomalies["detector"]}
    if "anomalies" in update:
        update = {"anomalies": update["anomalies"] | weights}
    store.write_record(record.model_copy(update=update))
    arguments = (copied / "first", copied / "again", "--to", tmp_path / "merged")
    outcome = aexbench_cli("merge", *arguments)
    assert (outcome.code, outcome.err.count("\n")) == (1, 2)
    assert message in outcome.err


@pytest.mark.parametrize("value", [float("nan"), "x" * 200_000])
def test_a_suite_that_is_none_is_one_line(copied, aexbench_cli, tmp_path, value):
    path = copied / "second" / "plans" / "small.json"
    values = json.loads(path.read_text())
    values["suite"]["description"] = value
    path.write_text(json.dumps(values))
    outcome = aexbench_cli("merge", copied / "first", copied / "second", "--to", tmp_path / "m")
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert "what it says of suite small is none" in outcome.err


def test_long_names_are_refused_in_short_lines(copied, merged):
    renamed(Store(copied / "second"), "x" * 2000)
    refused, left = merged()
    assert (refused.code, left.code) == (1, 0)
    assert "has more than 1000 characters" in refused.err


def test_a_failure_that_claims_files_has_none(copied, aexbench_cli, tmp_path):
    store = Store(copied / "second")
    record = first_record(store, "deviation")
    store.write_record(record.model_copy(update={"state": "failed", "reason": "<i>no</i>"}))
    names = (copied / "first", copied / "second")
    assert aexbench_cli("merge", *names, "--to", tmp_path / "merged").code == 0
    assert Store(tmp_path / "merged").record(record.cell.key).state == "ok"


def test_scores_that_do_not_belong_together_are_refused(copied, aexbench_cli, tmp_path):
    path = copied / "first packed" / "scores.npz"
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    name = next(name for name in arrays if name.endswith(":gain"))
    path.unlink()
    np.savez(path, **arrays | {name: arrays[name][:-1]})
    arguments = (copied / "second packed", copied / "first packed", "--to", tmp_path / "merged")
    assert aexbench_cli("merge", *arguments).code == 1
    assert aexbench_cli("merge", *arguments, "--leave-out").code == 0
    assert aexbench_cli("leaderboard", tmp_path / "merged", "--by", "gain").code == 0
