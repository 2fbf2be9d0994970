"""From the command line to the board, with a real data set, and what happens when it is cut off."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from aexbench import families, files, specs
from aexbench.running import execution, matrix, planning
from aexbench.running.store import Store

CELLS = 2 * (
    2 * (1 + 1 + 2) + 3 + 3
)  # corruptions × (explainers × (itself, ablated, twins) + floors + references)


def scores(folder: Path) -> dict[str, dict[str, float]]:
    records, complaints = Store(folder).records()
    assert not complaints
    return {record.cell.key: record.scores for record in records}


def test_a_run_ends_in_a_board_and_says_what_to_type_next(aexbench_cli, small, tmp_path):
    outcome = aexbench_cli("run", small, "--store", tmp_path / "store")
    assert outcome.code == 0, outcome.err
    assert f"{CELLS} of {CELLS} cells ok" in outcome.out
    assert "recall@1" in outcome.out
    assert "recall@3" in outcome.out
    assert "A suite for tests." in outcome.out
    assert "Next: aexbench leaderboard" in outcome.out
    assert len(scores(tmp_path / "store")) == CELLS
    assert aexbench_cli("status", tmp_path / "store").code == 0


def test_finished_cells_are_not_run_again_and_scores_repeat(aexbench_cli, small, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    aexbench_cli("run", small, "--store", first)
    before = {path: path.stat().st_mtime_ns for path in (first / "cells").iterdir()}
    again = aexbench_cli("run", small, "--store", first)
    assert f"{CELLS} of them from before" in again.out
    assert before == {path: path.stat().st_mtime_ns for path in (first / "cells").iterdir()}
    aexbench_cli("run", small, "--store", second)
    assert scores(first) == scores(second)


def test_a_lost_or_damaged_file_is_made_again_and_nothing_else(aexbench_cli, small, tmp_path):
    folder = tmp_path / "store"
    aexbench_cli("run", small, "--store", folder)
    expected = scores(folder)
    records = sorted((folder / "cells").iterdir())
    records[0].write_text('{"schema_version": 1, "cell"')
    (folder / "attributions" / f"{records[1].stem}.safetensors").unlink()
    outcome = aexbench_cli("run", small, "--store", folder)
    assert f"{CELLS - 2} of them from before" in outcome.out
    assert scores(folder) == expected


def test_a_changed_byte_is_found_and_made_again(aexbench_cli, small, tmp_path):
    folder = tmp_path / "store"
    aexbench_cli("run", small, "--store", folder)
    expected = scores(folder)
    for kind in ("attributions", "anomalies", "detectors"):
        path = sorted((folder / kind).iterdir())[0]
        content = bytearray(path.read_bytes())
        content[3 if kind != "attributions" else -3] ^= 1
        path.write_bytes(content)
        damaged = aexbench_cli("score", folder)
        if kind != "detectors":  # scores need none
            assert damaged.code == 1, kind
        assert (
            aexbench_cli("run", small, "-e", f"lrp[low=-{len(kind)}]", "--store", folder).code == 0
        )
        assert aexbench_cli("run", small, "--store", folder).code == 0
        assert scores(folder).items() >= expected.items()


def test_anomalies_are_never_explained_by_other_weights(aexbench_cli, small, tmp_path):
    folder = tmp_path / "store"
    aexbench_cli("run", small, "--store", folder)
    path = sorted((folder / "detectors").iterdir())[0]
    arrays, metadata = files.unpack(path)
    path.write_bytes(files.pack({name: array * 1.5 for name, array in arrays.items()}, metadata))
    outcome = aexbench_cli("run", small, "-e", "residual[loss=l1]", "--store", folder)
    assert outcome.code == 2
    assert "was made with other weights" in outcome.err


def test_an_explainer_that_changes_its_samples_fails_and_harms_nobody(
    aexbench_cli, small, tmp_path
):
    @families.explainers.register("vandal")
    def vandal(detector, x):
        """Write where it must not."""
        return x.zero_()

    outcome = aexbench_cli(
        "run", small, "-e", "vandal", "-e", "residual", "--no-controls", "--store", tmp_path / "a"
    )
    assert "the explainer changed the samples" in outcome.out
    aexbench_cli("run", small, "-e", "residual", "--no-controls", "--store", tmp_path / "b")
    assert scores(tmp_path / "a").items() >= scores(tmp_path / "b").items()


def test_controls_explain_other_networks_and_everyone_gets_the_training_split_and_its_seed(
    aexbench_cli, small, tmp_path
):
    seen = []

    @families.explainers.register("recorder")
    class Recorder:
        def __init__(self, detector, *, background=None, seed: int = 7) -> None:
            self.detector = detector
            weights = torch.cat([p.flatten() for p in detector.model.parameters()])
            figures = (float(weights.sum()), float(weights.min()))
            seen.append((type(detector).__name__, *figures, background, seed))

        def explain(self, x):
            return self.detector.error_map(x)

    options = ["-e", "recorder", "-c", "random[threshold=0.2,count=5]", "--seeds", "2", "--store"]
    aexbench_cli("run", small, *options, tmp_path)
    train = families.datasets.create("wine").train
    assert all(np.array_equal(background, train) for *_, background, _ in seen)
    seeds = [seed for *_, seed in seen]
    assert (seeds[:8], set(seeds[8:])) == ([0] * 4 + [1] * 4, {0})  # the last ones are timed
    (_, whole, least, *_), (ablated, *_), (_, initial, *_), (_, permuted, permuted_least, *_) = (
        seen[:4]
    )
    assert ablated == "LossAblated"
    assert initial != pytest.approx(whole)
    assert (permuted, permuted_least) == (pytest.approx(whole, abs=1e-4), least)
    store = Store(tmp_path)
    maps = {
        r.cell.control: store.read_attributions(r)
        for r in store.records()[0]
        if r.cell.explainer.name == "recorder"
    }
    for control in ("initial", "permuted", "loss-ablated"):
        assert not np.allclose(maps["none"], maps[control])


def test_scoring_adds_metrics_and_a_suite_that_gains_one_is_scored(aexbench_cli, small, tmp_path):
    folder = tmp_path / "store"
    aexbench_cli("run", small, "--store", folder)
    assert aexbench_cli("score", folder, "-m", "recall[top=2]").code == 0
    assert all(
        {"recall", "recall[top=2]", "recall[top=3]"} <= set(s) for s in scores(folder).values()
    )
    small.write_text(small.read_text().replace('"recall[top=3]"', '{name = "recall", top = 4}'))
    outcome = aexbench_cli("run", small, "--store", folder)
    assert "from before" in outcome.out
    assert all("recall[top=4]" in s for s in scores(folder).values())
    assert aexbench_cli("score", folder).code == 0
    assert aexbench_cli("leaderboard", folder, "-m", "recall[top=4]").code == 0


def test_a_metric_that_fails_changes_nothing(aexbench_cli, small, tmp_path):
    folder = tmp_path / "store"
    aexbench_cli("run", small, "--store", folder)
    before = {
        path: path.read_bytes()
        for kind in ("cells", "scores")
        for path in (folder / kind).iterdir()
    }
    families.metrics.register("nan")(lambda attributions, truth: np.full(len(truth), np.nan))
    outcome = aexbench_cli("score", folder, "-m", "nan")
    assert (outcome.code, "not finite" in outcome.err) == (2, True)
    assert before == {path: path.read_bytes() for path in before}


def test_an_unusable_cache_ends_the_run_and_is_no_result(
    aexbench_cli, small, tmp_path, monkeypatch
):
    (tmp_path / "a-file").write_text("")
    monkeypatch.setenv("AEXBENCH_CACHE", str(tmp_path / "a-file"))
    outcome = aexbench_cli("run", small, "--store", tmp_path / "store")
    assert (outcome.code, "a file is in its way" in outcome.err) == (2, True)
    assert scores(tmp_path / "store") == {}


def test_a_record_of_a_newer_version_is_never_replaced(aexbench_cli, small, tmp_path):
    folder = tmp_path / "store"
    aexbench_cli("run", small, "--store", folder)
    record = sorted((folder / "cells").iterdir())[0]
    newer = json.loads(record.read_text()) | {"schema_version": 3}
    record.write_text(json.dumps(newer))
    outcome = aexbench_cli("run", small, "--store", folder)
    assert outcome.code == 2
    assert "newer aexbench" in outcome.err
    assert json.loads(record.read_text()) == newer


# Runs the command line, and kills its own process when it touches a file of the store for the nth
# time.
KILLED = """
import os, signal, sys

folder, moment, *sys.argv[1:] = sys.argv[1:]
touched = 0

def count(event, arguments):
    global touched
    touches = event in ("open", "os.rename") and str(arguments[0]).startswith(folder)
    touched += touches
    if touches and touched == int(moment):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(count)
from aexbench import cli
cli.main()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("here", "moments"),
    [(["--in-process"], (1, 45, 100)), ([], (1, 40))],
)
def test_killed_at_any_point_and_run_again_it_completes(
    here, moments, aexbench_cli, small, tmp_path
):
    expected, folder = tmp_path / "expected", tmp_path / "killed"
    aexbench_cli("run", small, "--store", expected)
    for moment in moments:  # of some 330 or 220 in a whole run
        command = [sys.executable, "-c", KILLED, folder, moment, "run", small, "--store", folder]
        run = subprocess.run([*map(str, command), *here], capture_output=True)
        assert run.returncode == -signal.SIGKILL
    assert 0 < len(scores(folder)) < CELLS
    outcome = aexbench_cli("run", small, "--store", folder)
    assert outcome.code == 0, outcome.err
    assert scores(folder) == scores(expected)


def test_interrupted_it_says_how_to_go_on(aexbench_cli, small, tmp_path, monkeypatch):
    calls = []

    def interrupt(*arguments):
        calls.append(1)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return execute(*arguments)

    from aexbench.running import execution

    execute = execution.execute
    monkeypatch.setattr(execution, "execute", interrupt)
    outcome = aexbench_cli("run", small, "--store", tmp_path / "store", "--in-process")
    assert outcome.code == 130
    assert f"stopped; 3 of {CELLS} cells are finished" in outcome.out
    status = aexbench_cli("status", tmp_path / "store")
    assert status.code == 1
    assert f"not yet run  {CELLS - 3}" in status.out


def test_dry_run_runs_and_writes_nothing(aexbench_cli, small, tmp_path):
    outcome = aexbench_cli("run", small, "--store", tmp_path / "store", "--dry-run")
    assert (outcome.code, f"{CELLS} of {CELLS} cells would run" in outcome.out) == (0, True)
    assert not (tmp_path / "store").exists()


def test_options_replace_axes_and_no_controls_leaves_them_out(aexbench_cli, small, tmp_path):
    store = tmp_path / "store"
    options = [
        "-e",
        "lrp[first=z-box]",
        "-c",
        "random[threshold=0.1,count=5]",
        "--seeds",
        2,
        "--no-controls",
    ]
    outcome = aexbench_cli("run", small, *options, "--store", store)
    assert "2 of 2 cells ok" in outcome.out
    assert "no untrained twins were run" in " ".join(outcome.out.split())
    assert {record.cell.explainer.text for record in Store(store).records()[0]} == {
        "lrp[first=z-box]"
    }


def test_a_suites_notes_stay_with_its_data():
    suite = {"name": "s", "notes": "n", "datasets": ["wine"], "corruptions": ["null"]}
    suite["explainers"] = ["residual"]
    assert matrix.asked(suite, datasets=["digits"]).notes == ""
    assert matrix.asked(suite, explainers=["lrp"]).notes == "n"


def test_a_failing_explainer_is_a_result_and_can_be_run_again(aexbench_cli, small, tmp_path):
    broken = [True]

    @families.explainers.register("sometimes")
    def sometimes(detector, x):
        """Fail once."""
        if broken[0]:
            raise ArithmeticError("not [today]")
        return detector.error_map(x)

    options = [
        "run",
        small,
        "-e",
        "sometimes",
        "-e",
        "residual",
        "--no-controls",
        "--store",
        tmp_path / "store",
    ]
    outcome = aexbench_cli(*options)
    assert outcome.code == 1
    assert "failed: ArithmeticError: not [today] (2 cells" in outcome.out
    failed = next(r for r in Store(tmp_path / "store").records()[0] if r.state == "failed")
    assert "raise ArithmeticError" in failed.traceback
    assert str(Path(__file__).parent) not in failed.traceback
    assert aexbench_cli("status", tmp_path / "store").code == 1
    broken[0] = False
    assert aexbench_cli(*options).code == 1  # a failed cell is finished too
    dry = aexbench_cli(*options, "--rerun", "failed", "--dry-run")
    assert "2 of 4 cells would run" in dry.out
    assert aexbench_cli(*options, "--rerun", "failed").code == 0


@pytest.mark.parametrize(
    ("returns", "reason"),
    [
        (lambda d, x: x * float("nan"), "not finite"),
        (lambda d, x: x[:, :2], "attributions have shape"),
        (lambda d, x: x.numpy(), "returns a torch tensor"),
    ],
)
def test_what_an_explainer_returns_is_checked(aexbench_cli, small, tmp_path, returns, reason):
    families.explainers.register("odd")(lambda detector, x: returns(detector, x))
    outcome = aexbench_cli(
        "run", small, "-e", "odd", "--no-controls", "--store", tmp_path / "store"
    )
    assert outcome.code == 1
    assert reason in outcome.out


def test_no_anomaly_at_all_is_skipped_with_the_reason(aexbench_cli, small, tmp_path):
    corruption = "null[threshold=0.99,max_draws=60]"
    outcome = aexbench_cli(
        "run", small, "-c", corruption, "--no-controls", "--store", tmp_path / "store"
    )
    assert outcome.code == 1
    assert "skipped: no anomaly found: 60 draws rejected (" in outcome.out


def test_own_plugin_file_and_table_with_truth(aexbench_cli, plugin_file, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.random((120, 1)) + 0.05 * rng.random((120, 4))
    x[100:, 2] += 1
    rows = [[*row, int(i >= 100), int(i >= 100)] for i, row in enumerate(x.tolist())]
    text = "\n".join(
        ",".join(map(str, row)) for row in [["a", "b", "c", "d", "bad", "why_c"], *rows]
    )
    (tmp_path / "rows.csv").write_text(text)
    network = "mlp[widths=[3],epochs=200,learning_rate=0.02]"
    data = f"file[path={tmp_path}/rows.csv,label=bad,truth=why_,autoencoder='{network}']"
    arguments = [
        "-d",
        data,
        "-c",
        "labels",
        "-e",
        "mine[power=2]",
        "--seeds",
        1,
        "--plugin",
        plugin_file,
    ]
    outcome = aexbench_cli("run", *arguments, "--store", tmp_path / "store")
    assert outcome.code == 0, outcome.err
    record = Store(tmp_path / "store").records()[0][0]
    assert record.cell.dataset.parameters["path"].startswith("sha256:")
    assert str(tmp_path) not in record.model_dump_json()


def test_the_path_of_a_file_does_not_count_and_its_content_does(tmp_path):
    def key(folder: str, content: str) -> str:
        path = tmp_path / folder / "rows.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        values = {
            "name": "x",
            "datasets": [f"file[path={path}]"],
            "corruptions": ["null"],
            "explainers": ["residual"],
        }
        return planning.plan(planning.from_values(values, "x"))[0].key

    assert key("one", "a,b\n1,2\n") == key("two", "a,b\n1,2\n") != key("one", "a,b\n1,3\n")


def test_quickstart_declares_what_it_promises():
    suite = planning.load("quickstart")
    assert (suite.datasets, suite.seed_list) == (["breast-cancer", "digits"], [0, 1, 2, 3, 4])
    assert (len(suite.corruptions), len(suite.explainers)) == (3, 7)
    cells = planning.plan(suite)
    assert {cell.control for cell in cells} == {"none", "initial", "permuted", "loss-ablated"}
    assert len({cell.key for cell in cells}) == len(cells)


@pytest.mark.parametrize("cut", [0, 1])
def test_standard_errors_lie_beside_their_attributions(tmp_path, cut):
    """Those of an explainer that tells them; of another shape they are its failure."""

    @families.explainers.register("unsure")
    class Unsure:
        def __init__(self, detector) -> None:
            pass

        def explain(self, x):
            return x.clone()

        def standard_error(self, x):
            return x[:, cut:] / 4

    axes = {"datasets": ["wine"], "corruptions": ["random[count=5]"], "controls": False}
    suite = {"name": "x", "explainers": ["unsure", "residual"], **axes}
    store = Store(tmp_path, create=True)
    cells = planning.plan(planning.from_values(suite, "x"))
    unsure, residual = execution.run(cells, [], execution.Workspace(store))
    assert store.read_standard_error(residual) is None
    if cut:
        assert unsure.state == "failed"
        assert "standard errors have shape" in unsure.reason
    else:
        error = store.read_standard_error(unsure)
        np.testing.assert_array_equal(error, store.read_attributions(unsure) / 4)


def test_a_record_holds_what_an_explainer_measures_of_its_answers(tmp_path):
    suite = {
        "name": "x",
        "datasets": ["wine"],
        "corruptions": ["random[count=5]"],
        "controls": False,
    }
    suite["explainers"] = ["lrp", "integrated-gradients[steps=50]", "residual"]
    cells = planning.plan(planning.from_values(suite, "x"))
    records = list(execution.run(cells, [], execution.Workspace(Store(tmp_path, create=True))))
    assert [list(record.measures) for record in records] == [
        ["gap to conservation median", "gap to conservation max"],
        ["gap to completeness median", "gap to completeness max"],
        [],
    ]
    assert 0 <= records[0].measures["gap to conservation max"] < 1e-4
    assert 0 < records[1].measures["gap to completeness median"] < 0.05


def test_tabular_has_every_explainer_that_takes_tables():
    named = {specs.parse(entry)[0] for entry in planning.load("tabular").explainers}
    assert named == set(families.explainers.names()) - {
        *("occlusion", "ssim-residual", "blurred-deviation", "centre", "edges"),
        *("last-value", "own-past", "seasonal"),
        "kernelshap-batched",  # asks what kernelshap asks
    }


def test_leftover_temporary_files_are_swept(aexbench_cli, small, tmp_path):
    folder = tmp_path / "store" / "cells"
    folder.mkdir(parents=True)
    old, young = folder / ".a.json.0.part", folder / ".b.json.0.part"
    for path in (old, young):
        path.write_text("{")
    os.utime(old, (0, 0))
    aexbench_cli("run", small, "--store", tmp_path / "store")
    assert (old.exists(), young.exists()) == (False, True)
    shutil.rmtree(folder)


def test_a_metric_that_does_not_take_the_samples_costs_nothing(aexbench_cli, small, tmp_path):
    store, asked = tmp_path / "store", ["run", small, "-m", "step-roc-auc", "--in-process"]
    refused = aexbench_cli(*asked, "--store", store)
    assert refused.code == 2
    assert "step-roc-auc of wine: the steps of windows (T, D) are scored" in refused.err
    assert not list((store / "cells").iterdir())
    assert aexbench_cli(*asked[:2], *asked[4:], "--store", store).code == 0
    before = files_of(store)
    assert aexbench_cli(*asked, "--store", store).code == 2
    refused = aexbench_cli("score", store, "-m", "recall[top=2]", "-m", "step-roc-auc")
    assert refused.code == 2
    assert "cannot score" in refused.err
    assert files_of(store) == before
    assert aexbench_cli("score", store).code == 0


def files_of(store: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
