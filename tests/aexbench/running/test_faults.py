"""What is done to a store on purpose: bytes change, files are lost, metrics are edited."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from aexbench import files
from aexbench.board.leaderboard import leaderboard
from aexbench.files import DamagedFileError
from aexbench.running.packed import pack
from aexbench.running.store import Store, file_info
from tests.aexbench.running.conftest import bear


def contents(store: Store) -> dict[str, bytes]:
    return {
        f"{path.parent.name}/{path.name}": path.read_bytes()
        for folder in ("cells", "attributions", "scores", "anomalies", "detectors")
        for path in (store.root / folder).iterdir()
    }


def flip(path: Path) -> None:
    """Change a byte of the data, so that the file can still be read."""
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def lose(path: Path) -> None:
    path.unlink()


def of_other_attributions(path: Path) -> None:
    arrays, metadata = files.unpack(path)
    path.write_bytes(files.pack(arrays, metadata | {"derived_from": "0" * 64}))
    bear(path)


def of_another_version(path: Path) -> None:
    arrays, metadata = files.unpack(path)
    older = {"versions": metadata["versions"] | {"recall": "0.1"}}
    path.write_bytes(files.pack(arrays, metadata | older))
    bear(path)


def of_an_earlier_aexbench(path: Path) -> None:
    record = path.parents[1] / "cells" / f"{path.stem}.json"
    values = json.loads(record.read_text())
    del values["files"]["scores"]
    files.write_json(record, values)


DONE_TO_SCORES = {
    lose: "is missing",
    flip: "is not the file of its record",
    of_other_attributions: "is of other attributions",
    of_another_version: "1 cell: scores by another version of recall",
    of_an_earlier_aexbench: "1 cell: scores of an earlier aexbench",
}


@pytest.mark.parametrize(("fault", "said"), DONE_TO_SCORES.items())
def test_scores_that_are_stale_or_lost_are_told_and_derived_again_by_a_run(
    store, go_on, aexbench_cli, monkeypatch, fault, said
):
    expected = contents(store)
    fault(next((store.root / "scores").iterdir()))
    status = aexbench_cli("status", store.root)
    again = f"scores of 1 cell are stale or lost: aexbench score {store.root} derives them again"
    assert (status.code, again in status.out) == (1, True)
    board = leaderboard(store)
    assert len(board.rows) == 1
    assert [said in note for note in board.notes].count(True) == 1
    with pytest.raises(DamagedFileError, match=said.removeprefix("1 cell: ")):
        pack(store, store.root.parent / "packed")
    monkeypatch.setattr("aexbench.running.execution.explain", None)  # no explainer runs
    outcome = go_on()
    assert (outcome.code, "2 of them from before" in outcome.out) == (0, True)
    assert contents(store) == expected
    assert aexbench_cli("status", store.root).code == 0


@pytest.mark.parametrize(
    "changed",
    [
        lambda values: values["scores"].update(recall=0.123),
        lambda values: values["scores"].pop("recall"),
        lambda values: values["scored_by"].update(recall="9.9"),
        lambda values: values["scored_by"].pop("recall"),
    ],
)
def test_what_a_record_says_of_its_scores_is_derived_again_by_score(store, aexbench_cli, changed):
    expected = contents(store)
    path = next((store.root / "cells").iterdir())
    values = json.loads(path.read_text())
    changed(values)
    files.write_json(path, values)
    assert contents(store) != expected
    assert aexbench_cli("score", store.root).code == 0
    assert contents(store) == expected


def test_score_writes_nothing_where_nothing_lacks(store, aexbench_cli):
    before = {path: path.stat().st_mtime_ns for path in store.root.rglob("*.*")}
    assert aexbench_cli("score", store.root).code == 0
    assert {path: path.stat().st_mtime_ns for path in store.root.rglob("*.*")} == before


def test_nothing_is_written_where_nothing_lacks(store, go_on):
    def times() -> dict[str, int]:
        found = [path for path in store.root.rglob("*.*") if path.parent.name != "plans"]
        return {str(path): path.stat().st_mtime_ns for path in found}

    before = times()
    assert go_on().code == 0
    assert times() == before


METRIC = '''
from aexbench import metrics

@metrics.register("share")
def share(attributions, truth):
    """Return a constant."""
    return [{value}] * len(truth)
'''


def test_an_edited_metric_gives_new_scores_and_no_explainer_runs(
    store, go_on, aexbench_cli, monkeypatch, tmp_path
):
    plugin, suite = tmp_path / "own.py", tmp_path / "faults.toml"
    plugin.write_text(METRIC.format(value=0.25))
    suite.write_text(suite.read_text() + 'metrics = ["share", "recall[top=1]"]\n')
    monkeypatch.setattr("aexbench.running.execution.explain", None)
    assert go_on("--plugin", plugin).code == 0
    assert {record.scores["share"] for record in store.records()[0]} == {0.25}
    assert aexbench_cli("status", store.root, "--plugin", plugin).code == 0
    plugin.write_text(METRIC.format(value=0.75))
    assert "2 cells are stale" in aexbench_cli("status", store.root, "--plugin", plugin).out
    board = aexbench_cli("leaderboard", store.root, "--plugin", plugin)
    assert (board.code, "by another version of share" in board.err) == (2, True)
    assert go_on("--plugin", plugin).code == 0
    assert {record.scores["share"] for record in store.records()[0]} == {0.75}
    assert "recall[top=5]" in store.records()[0][0].scores


def change_anomalies(store: Store) -> Path:
    """Change a value of an anomaly set by one bit, and return its file."""
    path = next((store.root / "anomalies").iterdir())
    arrays, metadata = files.unpack(path)
    arrays["error"] = arrays["error"] * 1.5
    path.write_bytes(files.pack(arrays, metadata))
    return path


@pytest.mark.parametrize("here", [["--in-process"], []])
def test_no_new_explainer_explains_anomalies_that_have_changed(store, aexbench_cli, here):
    suite, before = store.root.parent / "faults.toml", len(store.keys())
    path = change_anomalies(store)
    command = ["run", suite, "-e", "lrp", "--store", store.root, *here]
    outcome = aexbench_cli(*command)
    assert (outcome.code, len(store.keys())) == (2, before)
    errors = [line for line in outcome.err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert f"{path} is not the anomaly set that records of this store explain" in errors[0]
    path.rename(path.with_suffix(".away"))
    assert aexbench_cli(*command).code == 0
    assert len(store.keys()) == before + 1
    assert aexbench_cli("score", store.root).code == 0


def test_anomalies_that_come_out_otherwise_do_not_take_the_place_of_lost_ones(store, go_on):
    path = change_anomalies(store)
    for key in [*store.keys()]:  # they explain what cannot be made here
        record = json.loads(store.path("cells", key).read_text())
        record["files"]["anomalies"] = file_info(path).model_dump()
        files.write_json(store.path("cells", key), record)
    path.unlink()
    outcome = go_on("-e", "lrp")
    assert (outcome.code, "comes out otherwise here" in outcome.err) == (2, True)
    assert not path.exists()
    assert go_on("--rerun", "all").code == 0
    assert go_on("-e", "lrp").code == 0


def test_an_anomaly_set_that_no_record_explains_is_used(store, go_on):
    path = next((store.root / "anomalies").iterdir())
    before = path.stat().st_mtime_ns
    for folder in ("cells", "attributions", "scores", "timings"):
        shutil.rmtree(store.root / folder)
        (store.root / folder).mkdir()
    assert go_on().code == 0
    assert path.stat().st_mtime_ns == before


def test_one_bad_cell_is_named_and_the_others_are_scored(store, aexbench_cli):
    bad, good = store.records()[0]
    store.path("attributions", bad.cell.key).unlink()
    (store.root / "cells" / f"{'0' * 32}.json").write_text("{")
    outcome = aexbench_cli("score", store.root, "-m", "recall[top=2]")
    assert outcome.code == 1
    assert "1 cell scored by recall[top=2]" in outcome.out
    errors = outcome.err.splitlines()
    assert [line.startswith("error: ") for line in errors] == [True, True]
    assert any(f"{'0' * 32}.json is no record" in line for line in errors)
    assert any(f"{bad.cell.key}.safetensors is missing" in line for line in errors)
    scored = {record.cell.key: "recall[top=2]" in record.scores for record in store.records()[0]}
    assert scored == {bad.cell.key: False, good.cell.key: True}


def outcome_of(store: Store) -> dict[str, bytes | dict[str, float]]:
    """Return what must not differ after a fault: scores, and all files but records."""
    kept = {name: c for name, c in contents(store).items() if not name.startswith("cells")}
    return kept | {record.cell.key: record.scores for record in store.records()[0]}


@pytest.mark.parametrize("fault", [flip, lose])
def test_damaged_attributions_are_made_again_and_no_others(store, go_on, aexbench_cli, fault):
    expected = outcome_of(store)
    fault(sorted((store.root / "attributions").iterdir())[0])
    assert aexbench_cli("score", store.root).code == 1
    outcome = go_on()
    assert (outcome.code, "1 of them from before" in outcome.out) == (0, True)
    assert aexbench_cli("score", store.root).code == 0  # by what other suites ask for
    assert outcome_of(store) == expected


def test_lost_anomalies_are_made_again_for_a_new_explainer(store, go_on, aexbench_cli):
    path = next((store.root / "anomalies").iterdir())
    expected = path.read_bytes()
    lose(path)
    outcome = aexbench_cli("score", store.root)
    assert (outcome.code, outcome.err.count("put it back, or run the cells on it")) == (1, 2)
    assert aexbench_cli("leaderboard", store.root).code == 0
    assert go_on("-e", "lrp").code == 0
    assert path.read_bytes() == expected
    assert aexbench_cli("score", store.root).code == 0


def test_weights_with_a_changed_byte_are_not_explained(store, go_on):
    path, before = next((store.root / "detectors").iterdir()), len(store.keys())
    flip(path)
    outcome = go_on("-e", "lrp")
    assert (outcome.code, len(store.keys())) == (2, before)
    assert f"was made with other weights than {path}: move one of them away" in outcome.err


def test_lost_weights_are_trained_again_to_the_same(store, go_on):
    path = next((store.root / "detectors").iterdir())
    expected = path.read_bytes()
    lose(path)
    assert go_on("-e", "lrp").code == 0
    assert path.read_bytes() == expected


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def older(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 1}))


@pytest.mark.parametrize(
    ("fault", "said"),
    [(truncate, "is no record"), (empty, "is no record"), (older, "of an earlier aexbench")],
)
def test_a_record_that_cannot_be_read_is_named_and_its_cell_run_again(
    store, go_on, aexbench_cli, fault, said
):
    expected = outcome_of(store)
    fault(sorted((store.root / "cells").iterdir())[0])
    for command in ("status", "score"):
        outcome = aexbench_cli(command, store.root)
        assert (outcome.code, outcome.err.count(said)) == (1, 1)
    board = aexbench_cli("leaderboard", store.root)
    assert (board.code, said in " ".join(board.out.split())) == (0, True)
    outcome = go_on()
    assert (outcome.code, "1 of them from before" in outcome.out) == (0, True)
    assert aexbench_cli("score", store.root).code == 0
    assert outcome_of(store) == expected


def test_a_record_of_a_newer_schema_is_named_and_never_replaced(store, go_on, aexbench_cli):
    path = sorted((store.root / "cells").iterdir())[0]
    newer = json.dumps(json.loads(path.read_text()) | {"schema_version": 3})
    path.write_text(newer)
    for command, code in (("status", 1), ("score", 1), ("leaderboard", 0)):
        outcome = aexbench_cli(command, store.root)
        assert outcome.code == code
        assert "was written by a newer aexbench" in " ".join((outcome.out + outcome.err).split())
    assert go_on().code == 2
    assert path.read_text() == newer


@pytest.fixture
def forbid(monkeypatch) -> Callable[[Path, str], None]:
    """Let the system refuse what is done to a file or below a folder; root may do all of it."""

    def forbidden(path: Path, mode: str) -> None:
        usual = io.open

        def refuse(file: object, *arguments: str, **named: object) -> object:
            asked = str(arguments[0] if arguments else named.get("mode", "r"))
            if str(file).startswith(str(path)) and asked.startswith(mode):
                raise PermissionError(13, "Permission denied", str(file))
            return usual(file, *arguments, **named)

        monkeypatch.setattr(io, "open", refuse)

    return forbidden


@pytest.mark.parametrize("folder", ["cells", "scores", "attributions"])
def test_what_another_user_keeps_to_himself_is_named_and_never_replaced(
    store, go_on, aexbench_cli, forbid, folder
):
    path = sorted((store.root / folder).iterdir())[0]
    before = path.read_bytes()
    forbid(path, "r")
    outcomes = {name: aexbench_cli(name, store.root) for name in ("status", "score")}
    outcomes["run"] = go_on()
    told = {"cells": (1, 1, 2), "scores": (2, 1, 2), "attributions": (0, 1, 2)}[folder]
    assert tuple(outcome.code for outcome in outcomes.values()) == told
    for outcome in outcomes.values():
        if outcome.code:
            assert f"{path} cannot be read: Permission denied" in outcome.err
    board = aexbench_cli("leaderboard", store.root)
    assert board.code == 0
    named = "".join(board.out.split()).count(f"{path.name}cannotberead")
    assert named == (folder != "attributions")
    with os.fdopen(os.open(path, os.O_RDONLY), "rb") as file:
        assert file.read() == before


def test_a_store_that_may_only_be_read_is_read(store, go_on, aexbench_cli, forbid):
    expected = contents(store)
    forbid(store.root, "w")
    for command in ("status", "leaderboard", "score"):  # which finds nothing to write
        assert aexbench_cli(command, store.root).code == 0
    outcome = aexbench_cli("score", store.root, "-m", "recall[top=2]")
    assert outcome.code == 2
    assert (outcome.err.count("\n"), "cannot write" in outcome.err) == (1, True)
    assert go_on().code == 2
    assert contents(store) == expected
