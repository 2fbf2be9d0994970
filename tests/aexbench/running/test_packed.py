"""A packed store says what the store said, and says what it lacks."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import aexbench
from aexbench import RequestError
from aexbench.board.leaderboard import leaderboard
from aexbench.board.rendering import VERSION
from aexbench.files import DamagedFileError
from aexbench.running.packed import Packed, open_store, pack
from aexbench.running.store import Store


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A store of 28 cells, and the same packed."""
    home = tmp_path_factory.mktemp("packed")
    suite = {
        "name": "small",
        "datasets": ["wine"],
        "detectors": ["mlp[widths=[6, 3],epochs=10,learning_rate=0.02,batch_size=16]"],
        "corruptions": ["random[threshold=0.2,count=12]", "null[threshold=0.1,count=8]"],
        "explainers": ["residual", "lrp"],
        "twins": 1,
    }
    aexbench.run(suite, home / "store")
    pack(Store(home / "store"), home / "packed")
    return home


@pytest.mark.parametrize("by", [None, "gain", "deviation", "feature"])
def test_its_boards_are_those_of_the_store(folder, by):
    boards = [leaderboard(open_store(folder / name), by=by) for name in ("store", "packed")]
    assert str(boards[0]) == str(boards[1])


def test_its_records_frame_and_plan_are_those_of_the_store(folder):
    store, packed = (aexbench.open(folder / name) for name in ("store", "packed"))
    assert isinstance(packed.store, Packed)
    records, complaints = store.store.records()
    for record in records:
        del record.files["scores"]  # whose file is not packed
    assert packed.store.records() == (records, complaints)
    assert packed.frame.equals(store.frame)
    assert packed.store.planned() == store.store.planned()


def test_packing_again_changes_nothing_and_a_packed_store_can_be_packed(folder, tmp_path):
    for source in ("store", "packed"):
        for path in pack(open_store(folder / source), tmp_path / source):
            assert path.read_bytes() == (folder / "packed" / path.name).read_bytes()


def test_what_records_share_stands_once(folder):
    lines = [json.loads(li) for li in (folder / "packed/records.jsonl").read_text().splitlines()]
    shared = [line for line in lines if "shared" in line]
    assert len({json.dumps(line["value"], sort_keys=True) for line in shared}) == len(shared)
    assert len(lines) == 1 + len(shared) + 28
    keys = [line["key"] for line in lines if "key" in line]
    assert keys == sorted(keys)


def test_every_file_bears_its_version(folder, aexbench_cli, tmp_path):
    assert aexbench_cli("pack", folder / "store", "--to", tmp_path).code == 0
    head = json.loads((tmp_path / "records.jsonl").read_text().splitlines()[0])
    assert (
        head["schema_version"] == json.loads((tmp_path / "plan.json").read_text())["schema_version"]
    )
    assert np.load(tmp_path / "scores.npz")["schema_version"] == head["schema_version"]
    assert json.loads((tmp_path / "board.json").read_text())["schema_version"] == VERSION
    assert f"version {VERSION}" in (tmp_path / "board.md").read_text()


@pytest.mark.parametrize(
    ("command", "lacking"),
    [("score", "attributions"), ("gallery", "anomalies")],
)
def test_what_it_lacks_is_said_in_one_line(folder, aexbench_cli, command, lacking):
    outcome = aexbench_cli(command, folder / "packed")
    assert outcome.code == 2
    assert f"is packed and has no {lacking}: take the store" in outcome.err
    assert outcome.err.count("\n") == 1


def test_commands_that_read_read_it(folder, aexbench_cli):
    assert aexbench_cli("status", folder / "packed").code == 0
    assert aexbench_cli("leaderboard", folder / "packed", "--format", "csv").code == 0
    assert aexbench_cli("leaderboard", folder / "packed", "--by", "gain").code == 0


def test_it_takes_no_more_results(folder):
    with pytest.raises(RequestError, match="packed store, which takes no more results"):
        aexbench.run("quickstart", folder / "packed", datasets=["wine"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("records.jsonl", b"{", "holds no records"),
        ("records.jsonl", b'{"schema_version": 9}\n', "newer aexbench"),
        ("records.jsonl", b'{"schema_version": 1}\n', "earlier aexbench"),
        ("records.jsonl", b'{"schema_version": 2}\n{"key": "a"}\n', "line 2: no record"),
        ("records.jsonl", b'{"schema_version": 2}\n[]\n', "line 2: no record"),
        ("scores.npz", b"no archive", "holds no scores"),
        ("scores.npz", b"", "holds no scores"),
        ("scores.npz", b"PK\x03\x04cut", "holds no scores"),
        ("records.jsonl", b'{"schema_version": 2}\n5\n', "line 2: no record"),
        ("records.jsonl", b'{"schema_version": 2}\n{"shared": "x"}\n', "line 2: no record"),
        ("plan.json", b"{}", "is damaged"),
        ("plan.json", b'{"plans": [{"suite": {"metrics": 3}, "cells": []}]}', "is damaged"),
    ],
)
def test_a_damaged_one_is_one_clear_line(folder, aexbench_cli, tmp_path, name, content, message):
    for path in (folder / "packed").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).write_bytes(content)
    outcome = aexbench_cli("leaderboard", tmp_path)
    assert outcome.code == 2
    assert message in outcome.err.replace("\n", " ")
    assert "Traceback" not in outcome.err


def test_scores_may_not_be_pickled(folder, tmp_path):
    for path in (folder / "packed").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    np.savez(tmp_path / "scores.npz", metrics=np.array([{}], dtype=object))
    with pytest.raises(RequestError, match="no scores"):
        leaderboard(open_store(tmp_path))


def test_a_store_of_old_keys_is_named_in_one_line(folder, aexbench_cli, tmp_path):
    (tmp_path / "cells").mkdir()
    for path in (folder / "store" / "cells").glob("*.json"):
        old = json.loads(path.read_text()) | {"schema_version": 1}
        (tmp_path / "cells" / path.name).write_text(json.dumps(old))
    for command in ("status", "leaderboard"):
        outcome = aexbench_cli(command, tmp_path)
        assert outcome.code == (1 if command == "status" else 2)
        assert outcome.err.count("28 records bear the keys of an earlier aexbench") == 1


def test_packing_is_all_or_nothing_and_never_into_a_store(folder, tmp_path):
    with pytest.raises(RequestError, match="is a store itself"):
        pack(open_store(folder / "store"), folder / "store")
    shutil.copytree(folder / "store", tmp_path / "store")
    record = sorted((tmp_path / "store" / "cells").iterdir())[0]
    content = record.read_text()
    record.write_text("{")
    with pytest.raises(RequestError, match="cannot pack"):
        pack(open_store(tmp_path / "store"), tmp_path / "packed")
    record.write_text(content)
    (tmp_path / "store" / "scores" / f"{record.stem}.safetensors").unlink()
    with pytest.raises(RequestError, match="missing"):
        pack(open_store(tmp_path / "store"), tmp_path / "packed")
    assert not (tmp_path / "packed").exists()


def test_as_many_scores_as_samples_belong_to_a_cell(folder, tmp_path):
    for path in (folder / "packed").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with np.load(tmp_path / "scores.npz") as file:
        arrays = {name: file[name] for name in file.files}
    first = next(iter(json.loads(str(arrays["metrics"]))))
    counts = arrays[f"counts:{first}"]
    counts[0] += 1
    counts[1] -= 1
    np.savez(tmp_path / "scores.npz", **arrays)
    packed = Packed(tmp_path)
    with pytest.raises(DamagedFileError, match="has other scores than samples"):
        [packed.read_scores(record) for record in packed.records()[0]]


def complex_scores(arrays):
    return arrays | {n: v.astype(complex) for n, v in arrays.items() if n.startswith("metric:")}


def long_labels(arrays):
    wide = {n: v.astype("<U2000") for n, v in arrays.items() if n.endswith(":label")}
    return arrays | {name: np.char.add(labels, "x" * 1500) for name, labels in wide.items()}


def odd_units(arrays):
    return arrays | {n: v + 0.5 for n, v in arrays.items() if n.endswith(":unit")}


@pytest.mark.parametrize("fault", [complex_scores, long_labels, odd_units])
def test_odd_scores_are_one_line(folder, aexbench_cli, tmp_path, fault):
    for path in (folder / "packed").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with np.load(tmp_path / "scores.npz") as file:
        arrays = {name: file[name] for name in file.files}
    np.savez_compressed(tmp_path / "scores.npz", **fault(arrays))
    outcome = aexbench_cli("leaderboard", tmp_path)
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert "holds no scores" in outcome.err


def test_an_archive_that_would_fill_the_memory_is_not_read(folder, monkeypatch):
    packed = Packed(folder / "packed")
    monkeypatch.setattr("aexbench.running.packed.MOST_BYTES", 1000)
    with pytest.raises(DamagedFileError, match="it holds gigabytes"):
        packed.read_scores(packed.records()[0][0])
