"""`aexbench new`: what it writes keeps its contract, passes its tests, and runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from aexbench import templates
from aexbench.families import FAMILIES

KINDS = list(templates.KINDS)
ROOT = Path(__file__).parents[3]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_writes_keeps_its_contract_as_it_is(kind, here, aexbench_cli):
    outcome = aexbench_cli("new", kind, "quite-new")
    assert (outcome.code, outcome.err) == (0, "")
    assert sorted(path.name for path in here.iterdir()) == ["quite_new.py", "test_quite_new.py"]
    assert outcome.out.startswith(
        "wrote quite_new.py\nwrote test_quite_new.py\nNext: aexbench check"
    )
    checked = aexbench_cli("check", "quite_new.py")
    assert (checked.code, checked.err) == (0, "")
    assert "0 broken" in checked.out
    assert "remark" not in checked.out


@pytest.mark.slow
def test_its_tests_and_its_example_pass_and_fail_with_it(here, aexbench_cli):
    for kind in KINDS:
        aexbench_cli("new", kind, f"new-{kind}")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--doctest-modules"]
    passed = subprocess.run(command, cwd=here, capture_output=True, text=True)
    assert f"{2 * len(KINDS)} passed" in passed.stdout
    for kind in KINDS:
        path = here / f"new_{kind}.py"
        *lines, last = path.read_text().splitlines()
        path.write_text("\n".join([*lines, "    np.random.random()", last]))
    (here / "new_explainer.py").write_text(
        (here / "new_explainer.py").read_text().replace("import torch", "import numpy as np, torch")
    )
    broken = subprocess.run([*command, "-rf"], cwd=here, capture_output=True, text=True)
    assert f"{len(KINDS)} failed, {len(KINDS)} passed" in broken.stdout
    failed = [line for line in broken.stdout.splitlines() if line.startswith("FAILED test_new_")]
    assert len(failed) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_written_as_this_project_is(kind, here, aexbench_cli):
    aexbench_cli("new", kind, "quite-new")
    for way in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *way, "--config", ROOT / "pyproject.toml"]
        command += ["--ignore", "D103,I001"] * (way == ["check"])  # as in tests; whose imports
        ruff = subprocess.run([*command, "--no-cache", here], capture_output=True, text=True)
        assert ruff.returncode == 0, ruff.stdout
    assert len((here / "quite_new.py").read_text().splitlines()) <= 40
    for made in here.iterdir():
        assert not {"NAME", "IDENTIFIER", "TEST"} & set(made.read_text().replace('"', " ").split())


def test_an_explainer_runs_at_once(here, aexbench_cli):
    aexbench_cli("new", "explainer", "quite-new")
    few = ("--no-controls", "--seeds", 1, "-c", "random[count=5]", "--in-process", "--quiet")
    outcome = aexbench_cli(
        "run", "--plugin", "quite_new.py", "-d", "wine", "-e", "quite-new", *few, "--store", "store"
    )
    assert outcome.code == 0
    assert "1 of 1 cells ok" in outcome.out


def test_a_folder_is_made(here, aexbench_cli):
    outcome = aexbench_cli("new", "metric", "quite-new", "--to", "my folder/inside")
    assert outcome.code == 0
    assert (here / "my folder/inside/quite_new.py").is_file()
    assert "Next: aexbench check 'my folder/inside/quite_new.py'\n" in outcome.out


@pytest.mark.parametrize("there", ["quite_new.py", "test_quite_new.py"])
def test_no_file_is_overwritten(there, here, aexbench_cli):
    (here / there).write_text("mine")
    outcome = aexbench_cli("new", "metric", "quite-new")
    assert (outcome.code, outcome.out) == (2, "")
    refused = f"error: {there} is there already, and stays as it is: choose another name, or --to"
    assert outcome.err == f"{refused} FOLDER\n"
    assert [(path.name, path.read_text()) for path in here.iterdir()] == [(there, "mine")]


def test_a_link_that_leads_nowhere_is_there_too(here, aexbench_cli):
    (here / "quite_new.py").symlink_to(here / "nowhere.py")
    assert aexbench_cli("new", "metric", "quite-new").code == 2
    assert not (here / "nowhere.py").exists()


@pytest.mark.parametrize("folder", ["file", "file/inside"])
def test_a_file_is_no_folder(folder, here, aexbench_cli):
    (here / "file").write_text("mine")
    outcome = aexbench_cli("new", "metric", "quite-new", "--to", folder)
    assert (outcome.code, outcome.err) == (
        2,
        f"error: {folder} is no folder: name another one with --to\n",
    )


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("metric", "recall", "'recall' is taken (aexbench show recall): try my-recall"),
        ("explainer", "My_Method 2", "'My_Method 2' is no name: lower-case letters, digits and"),
        ("explainer", "My_Method 2", "hyphens make one; try my-method-2"),
        ("explainer", "Random", "make one; try my-random"),
        ("explainer", "--", "make one; try mine"),
        ("metric", "3d", "'3d' is no name of a function in Python: try my-3d"),
        ("metric", "class", "'class' is no name of a function in Python: try my-class"),
        ("metric", "torch", "'torch' would hide the module torch from Python: try my-torch"),
        ("metric", "typing", "'typing' would hide the module typing from Python: try my-typing"),
        ("metric", "aexbench", "would hide the module aexbench"),
        ("dataset", "labels", "'labels' is what the engine calls its own: try my-labels"),
    ],
)
def test_a_name_that_cannot_be_comes_with_the_nearest(kind, name, message, here, aexbench_cli):
    outcome = aexbench_cli("new", kind, "--", name)
    assert outcome.code == 2
    assert message in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert list(here.iterdir()) == []


def test_what_is_tried_next_is_free_too():
    FAMILIES["metrics"].register("my-recall")(lambda attributions, truth: 0.0)
    with pytest.raises(ValueError, match="try my-my-recall"):
        templates.made("metric", "recall")


def test_a_name_of_another_family_is_free(here, aexbench_cli):
    assert aexbench_cli("new", "explainer", "swap").code == 0


def test_a_file_of_the_same_name_in_this_folder_hides_no_module(here, aexbench_cli, monkeypatch):
    monkeypatch.syspath_prepend(here)
    (here / "quite_new.py").write_text("mine")
    assert "is there already" in aexbench_cli("new", "metric", "quite-new").err


def test_another_family_is_a_wrong_request(here, aexbench_cli):
    outcome = aexbench_cli("new", "suite", "quite-new")
    assert outcome.code == 2
    assert "explainer" in outcome.err
    assert list(here.iterdir()) == []
