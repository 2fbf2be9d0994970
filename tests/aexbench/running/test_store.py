"""What a store keeps is what was written first, and what was changed since is not taken for it."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from aexbench import Features, components, families
from aexbench.components import Component
from aexbench.contracts import AnomalySet
from aexbench.errors import StoreError
from aexbench.files import DamagedFileError, UnreadableError, unpack
from aexbench.running import staleness
from aexbench.running.cells import Cell
from aexbench.running.packed import Packed, ScoreTable, pack, read_records, write_records
from aexbench.running.scoring import MetricInfo
from aexbench.running.store import (
    SCHEMA,
    Record,
    Scores,
    Store,
    file_info,
    pack_anomalies,
    read_record,
)

X = np.arange(6, dtype=np.float32).reshape(3, 2)
ANOMALIES = AnomalySet(
    X, X % 2 > 0, np.ones(3), np.ones(3), np.array([*"bab"]), np.arange(3), Features(("u", "v"))
)


def component(name: str, version: str = "1.1") -> Component:
    return Component(name=name, parameters={}, version=version, text=name)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store", create=True)


def write_scores(store: Store, record: Record, **values: list[float]) -> Record:
    """Write a cell's scores, and return the record that bears their checksum."""
    metrics = {name: MetricInfo(title=name) for name in values}
    versions = dict.fromkeys(values, "2.1")
    arrays = {name: np.array(one) for name, one in values.items()}
    scores = Scores(arrays, metrics, ANOMALIES.unit, ANOMALIES.label, ANOMALIES.alarmed, versions)
    info = store.write_scores(record.cell.key, scores, record.files["attributions"])
    means = {name: float(np.mean(one)) for name, one in arrays.items()}
    update = {"files": {**record.files, "scores": info}, "scores": means, "scored_by": versions}
    record = record.model_copy(update=update)
    store.write_record(record)
    return record


def finished(store: Store, explainer: str = "residual") -> Record:
    """Write a finished cell."""
    cell = Cell(
        dataset=component("data"),
        detector=component("default"),
        corruption=component("null"),
        explainer=component(explainer),
        detector_seed=0,
        anomaly_seed=3,
        explainer_seed=0,
    )
    store.write_anomalies(cell.anomaly_key, pack_anomalies(ANOMALIES))
    of_files = {
        "attributions": store.write_attributions(cell.key, X),
        "anomalies": file_info(store.path("anomalies", cell.anomaly_key)),
    }
    record = Record(
        schema_version=SCHEMA,
        cell=cell,
        state="ok",
        files=of_files,
        scores={"recall": 1.0},
        scored_by={"recall": "2.1"},
    )
    store.write_record(record)
    return record


@pytest.mark.parametrize("change", ["flip", "cut", "remove"])
def test_a_cell_is_finished_only_with_the_very_attributions_of_its_record(store, change):
    record = finished(store)
    assert store.finished(record.cell) == record
    np.testing.assert_array_equal(store.read_attributions(record), X)
    path = store.path("attributions", record.cell.key)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    written = {"flip": content, "cut": content[:-1], "remove": b""}[change]
    path.write_bytes(written)
    if change == "remove":
        path.unlink()
    assert store.finished(record.cell) is None
    with pytest.raises(DamagedFileError, match="not the file of its record"):
        store.read_attributions(record)


def test_the_first_writer_of_an_anomaly_set_wins(store):
    record = finished(store)
    later = dataclasses.replace(ANOMALIES, x=X + 1)
    store.write_anomalies(record.cell.anomaly_key, pack_anomalies(later))
    found = store.anomalies_of(record)
    np.testing.assert_array_equal(found.x, X)
    assert (found.label.tolist(), found.features) == (["b", "a", "b"], ANOMALIES.features)


@pytest.mark.parametrize(("length", "written"), [(1000, True), (1001, False)])
def test_a_label_that_could_not_be_read_again_is_not_written(store, length, written):
    made = dataclasses.replace(ANOMALIES, label=np.array(["x" * length] * 3))
    if written:
        store.write_anomalies("key", pack_anomalies(made))
        assert store.read_anomalies("key").label.tolist() == made.label.tolist()
        return
    with pytest.raises(StoreError, match="more than 1000 characters"):
        pack_anomalies(made)


def test_an_anomaly_set_that_was_changed_is_not_the_records(store):
    record = finished(store)
    path = store.path("anomalies", record.cell.anomaly_key)
    path.unlink()
    changed = pack_anomalies(dataclasses.replace(ANOMALIES, x=X + 1))
    store.write_anomalies(record.cell.anomaly_key, changed)
    with pytest.raises(DamagedFileError, match="not the anomaly set of record"):
        store.anomalies_of(record)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
@pytest.mark.parametrize("folder", ["cells", "anomalies", "scores", "plans"])
def test_only_regular_files_are_opened(store, folder, kind):
    record = write_scores(store, finished(store), recall=[1.0] * 3)
    store.write_plan({"name": "mine"}, [record.cell])
    key = {"anomalies": record.cell.anomaly_key, "plans": "mine"}.get(folder, record.cell.key)
    path = store.path(folder, key)
    path.unlink(missing_ok=True)
    make = {"pipe": os.mkfifo, "device": lambda path: path.symlink_to("/dev/zero")}
    make.get(kind, os.mkdir)(path)
    reads = {
        "cells": lambda: read_record(path),
        "anomalies": lambda: store.read_anomalies(record.cell.anomaly_key),
        "scores": lambda: store.read_scores(record),
        "plans": store.planned,
    }
    with pytest.raises(DamagedFileError, match=r"is no regular file|is damaged|is not the file"):
        reads[folder]()


def test_what_cannot_be_read_now_is_not_damaged_and_never_replaced(store):
    record = finished(store)
    path = store.path("cells", record.cell.key)
    path.unlink()
    path.symlink_to("/proc/self/mem")  # a regular file whose reading fails
    with pytest.raises(UnreadableError, match="cannot be read: Input/output error"):
        store.record(record.cell.key)
    assert "cannot be read" in store.records()[1][0]
    sidecar = store.path("anomalies", record.cell.anomaly_key)
    sidecar.unlink()
    sidecar.symlink_to("/proc/self/mem")
    with pytest.raises(StoreError):
        store.read_anomalies(record.cell.anomaly_key)


def test_files_of_one_content_are_the_same_bytes():
    code = (
        "import hashlib, numpy as np; from aexbench import files;"
        "print(hashlib.sha256(files.pack({'b': np.ones(3), 'a': np.zeros(2)},"
        "{'labels': ['x'], 'features': {'names': []}, 'report': {'draws': 3}})).hexdigest())"
    )
    command = [sys.executable, "-c", code]
    runs = [subprocess.run(command, capture_output=True, check=True).stdout for _ in range(5)]
    assert len(set(runs)) == 1


def test_metrics_stay_in_the_order_of_their_suite(store):
    ones = dict.fromkeys(("z", "own", "a"), [1.0] * 3)
    record = write_scores(store, finished(store), **ones)
    assert list(store.read_scores(record).metrics) == ["z", "own", "a"]


def test_files_of_earlier_versions_are_read(tmp_path):
    from safetensors.numpy import save

    texts = {"labels": '["a", "b"]', "report": '{"draws": 3}'}
    (tmp_path / "old.safetensors").write_bytes(save({"x": X}, metadata=texts))
    arrays, metadata = unpack(tmp_path / "old.safetensors")
    np.testing.assert_array_equal(arrays["x"], X)
    assert metadata == {"labels": ["a", "b"], "report": {"draws": 3}}


def test_what_no_plan_asks_for_is_not_packed(store, tmp_path):
    wanted, stray = finished(store), finished(store, "stray")
    for record in (wanted, stray):
        write_scores(store, record, own=[1.0] * 3)
    store.write_plan({"name": "mine"}, [wanted.cell])
    pack(store, tmp_path / "packed")
    assert Packed(tmp_path / "packed").keys() == [wanted.cell.key]


def test_a_packed_record_whose_cell_was_changed_does_not_count(store, tmp_path):
    record = finished(store).model_copy(update={"output": "read /home/me/rows.csv"})
    lines = write_records([record]).decode()
    assert "/home/me" not in lines
    path = tmp_path / "records.jsonl"
    path.write_text(lines)
    assert (len(read_records(path)[0]), read_records(path)[1]) == (1, [])
    path.write_text(lines.replace('"anomaly_seed": 3', '"anomaly_seed": 4'))
    found, complaints = read_records(path)
    assert found == {}
    assert complaints == [f"{path}, line 8: its cell has another key"]


def registered(metric, version):
    return components.component(families.metrics, metric).model_copy(update={"version": version})


@pytest.mark.parametrize(
    ("asked", "lacking"),
    [
        (("recall", "2.1"), False),
        (("recall", "3.1"), True),
        (("recall", "1.1"), True),
        (("pixel-ap", "1.1"), True),
    ],
)
def test_scores_of_another_version_of_a_metric_are_lacking(store, asked, lacking):
    record = write_scores(store, finished(store), recall=[1.0] * 3)
    known = {"recall": registered("recall", "2.1"), asked[0]: registered(*asked)}
    assert staleness.lacking(store, [record], known) == ([record] if lacking else [])


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("scores", {"recall": float("nan")}),
        ("measures", {"gap": float("inf")}),
        ("timing", {"prepare_s": 0.0, "latency_s": -1.0, "samples_per_s": 1.0}),
        ("timing", {"prepare_s": 0.0, "latency_s": 1.0, "samples_per_s": float("inf")}),
    ],
)
def test_a_record_holds_numbers_and_times_that_can_be(store, part, value):
    path = store.path("cells", finished(store).cell.key)
    path.write_text(json.dumps(json.loads(path.read_text()) | {part: value}))
    with pytest.raises(DamagedFileError, match="is no record"):
        read_record(path)


def test_a_cell_that_failed_is_packed_with_its_reason(store, tmp_path):
    bad = finished(store, "bad")
    write_scores(store, finished(store), own=[1.0] * 3)
    store.write_record(bad.model_copy(update={"state": "failed", "reason": "why"}))
    pack(store, tmp_path / "packed")
    assert Packed(tmp_path / "packed").record(bad.cell.key).reason == "why"


def test_packed_cells_keep_their_own_metrics_and_values(store, tmp_path):
    one = write_scores(store, finished(store), own=[1.0, 0.0, 0.5], area=[0.1, 0.2, 0.3])
    other = write_scores(store, finished(store, "other"), own=[0.0, 0.25, 1.0])
    pack(store, tmp_path / "packed")
    packed = Packed(tmp_path / "packed")
    found = [packed.read_scores(record).values for record in (one, other)]
    assert {name: values.tolist() for name, values in found[0].items()} == {
        "own": [1.0, 0.0, 0.5],
        "area": [0.1, 0.2, 0.3],
    }
    assert {name: values.tolist() for name, values in found[1].items()} == {"own": [0.0, 0.25, 1.0]}


@pytest.mark.parametrize(
    ("values", "units", "complaint"),
    [
        ([1.0, np.nan], 2, "its scores are no numbers"),
        ([1.0, 0.0], 3, "its arrays do not belong together"),
    ],
)
def test_packed_scores_that_are_none_are_damaged(tmp_path, values, units, complaint):
    known = {"unit": np.arange(units), "label": np.array(["x"] * 2)}
    scores = {"cell": {"recall": np.array(values)}}
    table = ScoreTable({"recall": MetricInfo(title="r")}, scores, {"set": known})
    (tmp_path / "scores.npz").write_bytes(table.to_bytes())
    with pytest.raises(DamagedFileError, match=complaint):
        ScoreTable.read(tmp_path / "scores.npz")
