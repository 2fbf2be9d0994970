"""What is done to a store on purpose: bytes change, files are lost, metrics are edited."""

from __future__ import annotations

import json
import shutil
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
