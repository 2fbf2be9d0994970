"""`run --model`: a trained model in the place of a suite's recipes."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

import aexbench
from aexbench import RequestError, datasets
from aexbench.digests import value_digest
from aexbench.loading import load
from aexbench.running import matrix, planning
from aexbench.running.cells import GIVEN
from aexbench.running.store import Store
from tests.aexbench.loading.conftest import HELPER

MODEL = """
import numpy as np
import torch
from helper import Net

def build(columns=13):
    return Net(4, columns)

def function(factor=0.9):
    return lambda x: np.float32(factor) * x

def noisy():
    return lambda x: x + np.random.default_rng().normal(size=x.shape)

number = np.random.default_rng().random()

def another():
    return lambda x, number=number: number * x

def refuses():
    def function(x):
        raise KeyError("no such column")
    return function
"""
AXES = {
    "datasets": ["wine"],
    "corruptions": ["random[threshold=0.1,count=9]"],
    "explainers": ["residual", "saliency"],
    "seeds": 2,
}
FEW = AXES | {"explainers": ["residual"], "seeds": 1, "controls": False}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The current folder, with a model in two files and its weights."""
    for name, text in (("helper.py", HELPER), ("model.py", MODEL)):
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    torch.save(load("model.py:build").model.state_dict(), "w.pt")
    return tmp_path


def run(model, store="s", **options):
    return aexbench.run("quickstart", store, model=model, **{**AXES, "quiet": True, **options})


NET = "model.py:build[weights=w.pt]"


def test_a_model_is_explained_on_the_suites_data(home):
    results = run(NET, in_process=True)
    assert results.complete
    cells = results.cells
    assert {(cell.detector.name, cell.detector.text) for cell in cells} == {(GIVEN, GIVEN)}
    assert {cell.detector_seed for cell in cells} == {0}
    assert {(cell.anomaly_seed, cell.explainer_seed) for cell in cells} == {(0, 0), (1, 1)}
    assert len({cell.detector_key for cell in cells}) == 1
    (section,) = results.board().sections
    assert section.target == "network"
    again = run(NET, in_process=True)
    assert again.ran == 0
    assert [cell.key for cell in again.cells] == [cell.key for cell in cells]


def test_its_figures_are_those_of_evaluate(home):
    data = datasets.create("wine")
    detector = load(NET, features=data.features).calibrate(data.validation)
    options = {"corruptions": ["random[threshold=0.1,count=9]"], "explainers": ["residual"]}
    own = aexbench.evaluate(
        detector, data.normal, background=data.train, seeds=2, twins=1, **options
    ).frame
    suite = {"name": "own", **AXES, **options, "model": NET, "twins": 1}
    ran = aexbench.run(suite, "s", quiet=True, in_process=True).frame
    key = ["explainer", "control", "control_seed", "metric", "seed"]
    one, other = (frame.set_index(key).score.sort_index() for frame in (own, ran))
    shared = one.index.intersection(other.index)
    assert len(shared) > 10
    assert np.allclose(one[shared], other[shared])


@pytest.mark.parametrize("model", [NET, "model.py:function"])
def test_cells_are_the_same_however_they_run(home, model):
    one, other = run(model, "a", in_process=True), run(model, "b", jobs=2)
    assert [cell.key for cell in one.cells] == [cell.key for cell in other.cells]
    assert {r.state for r in other.records} == {r.state for r in one.records}
    scores = [{r.cell.key: r.scores for r in results.records} for results in (one, other)]
    assert scores[0] == scores[1]


def test_what_sees_inside_a_function_is_skipped(home):
    results = run("model.py:function", in_process=True)
    states = {(r.cell.explainer.text, r.cell.control, r.state) for r in results.records}
    assert ("residual", "none", "ok") in states
    assert ("residual", "loss-ablated", "ok") in states
    assert ("residual", "initial", "skipped") in states
    assert ("saliency", "none", "skipped") in states
    assert any("floors that are lacking" in note for note in results.board().notes)


def test_the_scale_of_its_scores_is_that_of_validation_rows_and_kept_in_the_store(home):
    results = run(NET, **FEW, in_process=True)
    data = datasets.create("wine")
    own = load(NET, features=data.features).calibrate(data.validation)
    anomalies = results.anomalies(results.cells[0])
    assert np.allclose(own.score(anomalies.x).numpy(), anomalies.score, atol=1e-6)
    assert len(list((home / "s" / "detectors").iterdir())) == 1
    quality = results.board().detectors[0]
    ratio = own.error(data.validation).mean() / np.mean((data.validation - data.train.mean(0)) ** 2)
    assert quality.error_ratio == pytest.approx(float(ratio), rel=0.05)
    assert quality.roc_auc is not None


def test_a_model_is_its_contents(home, tmp_path):
    first = run(NET, **FEW, in_process=True)
    shutil.copytree(home, tmp_path / "elsewhere", ignore=shutil.ignore_patterns("s", "elsewhere"))
    moved = f"elsewhere/model.py:build[weights={tmp_path}/elsewhere/w.pt]"
    assert run(moved, **FEW).ran == 0
    (home / "helper.py").write_text(HELPER.replace("torch.tanh", "torch.relu"))
    changed = run(NET, **FEW, in_process=True)
    assert changed.ran == len(first.cells)
    assert not {c.key for c in changed.cells} & {c.key for c in first.cells}


def test_a_suite_names_a_model_and_its_plan_no_folder(home):
    suite = {"name": "own", **FEW, "model": f"{home}/{NET.replace('w.pt', str(home / 'w.pt'))}"}
    results = aexbench.run(suite, "s", quiet=True, in_process=True)
    assert results.complete
    ((plan, _),) = Store(home / "s").plans()
    assert plan["model"] == NET
    with pytest.raises(RequestError, match="model stands in the place of detectors"):
        planning.from_values({**suite, "detectors": ["mlp"]}, "own")


def test_a_models_results_go_to_a_folder_of_their_own(home):
    wanted = matrix.asked("quickstart", model=NET)
    assert wanted.folder == "quickstart-model.py-build"
    assert matrix.asked("quickstart").folder == "quickstart"
    assert matrix.asked("beyond", model=NET).detectors == ["default"]


def test_the_command_says_what_would_run_and_runs_it(home, aexbench_cli):
    axes = ("-d", "wine", "-c", "random[threshold=0.1,count=9]", "-e", "residual", "--seeds", "1")
    asked = ("run", *axes, "--model", NET, "--no-controls", "--in-process")
    dry = aexbench_cli(*asked, "--dry-run")
    assert "1 of 1 cells would run, into aexbench-results/quickstart-model.py-build" in dry.out
    assert not (home / "aexbench-results").exists()
    assert "1 of 1 cells ok" in aexbench_cli(*asked).out
    assert "nothing was left to run" in aexbench_cli(*asked).out
    assert "0 of 1 cells would run" in aexbench_cli(*asked, "--dry-run").out


def test_an_archive_needs_trust_here_too(home, aexbench_cli):
    exported = torch.export.export(
        load(NET).model, (torch.rand(3, 13),), dynamic_shapes=({0: torch.export.Dim("n")},)
    )
    torch.export.save(exported, "net.pt2")
    asked = ("run", "-d", "wine", "-c", "random[threshold=0.1,count=9]", "-e", "residual")
    asked = (*asked, "--seeds", "1", "--model", "net.pt2", "--no-controls", "--in-process")
    refused = aexbench_cli(*asked)
    assert refused.code == 2
    assert "--trust" in refused.err
    assert not (home / "aexbench-results").exists()
    assert aexbench_cli(*asked, "--trust").code == 0


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            "model.py:build[columns=9]",
            r"model.py:build does not take the samples of wine, of shape \(13,\)",
        ),
        ("model.py:refuses", r"does not take the samples of wine.*KeyError: 'no such column'"),
        ("model.py:noisy", "it draws noise"),
        ("w.pt", "holds weights and no network"),
        ("model.py:buld", "did you mean 'build'"),
    ],
)
def test_a_model_that_cannot_be_explained_ends_the_run_in_one_line(home, model, message):
    with pytest.raises(RequestError, match=message) as caught:
        run(model, **FEW, in_process=True)
    assert "\n" not in str(caught.value)


def test_workers_end_the_run_in_one_line_too(home):
    with pytest.raises(RequestError, match="does not take the samples of wine"):
        run("model.py:build[columns=9]", **FEW)


def test_a_model_that_is_another_one_each_time_is_refused(home):
    with pytest.raises(RequestError, match="another one each time that it is made"):
        run("model.py:another", **FEW, in_process=True)


def test_a_model_itself_is_for_evaluate(home):
    with pytest.raises(RequestError, match="not a Linear: give that to evaluate"):
        run(torch.nn.Linear(2, 2))


def test_gpu_is_called_cuda(aexbench_cli):
    outcome = aexbench_cli("run", "--device", "gpu", "-d", "wine")
    assert outcome.code == 2
    assert outcome.err == "error: unknown device 'gpu': write cuda for a GPU of NVIDIA, else cpu\n"


def test_names_of_given_models_stay(home):
    """What names a model is declared by its stage: another digest needs another version."""
    cell = run("model.py:function", **FEW, in_process=True).cells[0]
    assert cell.detector.version == "1"
    assert set(cell.detector.parameters) == {"weights", "structure", "class", "own"}
    assert cell.detector_key == value_digest([cell.dataset.identity, cell.detector.identity, 0])
