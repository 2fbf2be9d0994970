"""Commands, snippets and suites of the pages run, as `tests/pages.py` says.

The commands of a page run one after the other in a folder like the project's, with the files of
docs/own-model.md and a finished store.
"""

from __future__ import annotations

import shutil
import tomllib
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

import aexbench
from aexbench.running import planning
from tests.aexbench.conftest import (  # noqa: F401 (fixtures)
    Cli,
    _registries_stay_as_they_are,
    aexbench_cli,
)
from tests.pages import CONSOLE, PAGES, PYTHON, ROOT, TOML, Block


def chosen(found: list[Block]) -> list[Any]:
    """Return the blocks that run, as parameters."""
    return [
        pytest.param(block, id=str(block), marks=[pytest.mark.slow] if block.slow else [])
        for block in found
        if block.mark != "not run"
    ]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of somebody who has the project, a model, rows, and a finished store STORE."""
    folder = tmp_path_factory.mktemp("documents")
    (folder / "results").symlink_to(ROOT / "results")
    for block in PYTHON:
        if block.file:
            (folder / block.file).write_text(block.text)
    with chdir(folder):
        exec(compile((folder / "make.py").read_text(), "make.py", "exec"), {})
        small = {"corruptions": ["random"], "explainers": ["residual"], "seeds": 1}
        aexbench.run("quickstart", datasets=["wine"], controls=False, store="STORE", **small)
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Such a folder of one's own, to work in."""
    place = shutil.copytree(template, tmp_path / "here", symlinks=True)
    monkeypatch.chdir(place)
    return place


def run(block: Block, aexbench_cli: Cli) -> list[str]:  # noqa: F811
    """Run a block's commands and return what they print; none may be refused."""
    if block.mark == "needs":
        pytest.importorskip(block.said)
    printed = []
    for program, *arguments in block.commands:
        assert program == "aexbench", f"{block}: mark it `not run`"
        planned = ["--dry-run"] if block.mark == "dry run" and arguments[0] == "run" else []
        code, out, err = aexbench_cli(*arguments, *planned)
        assert code == 0, f"{block}: {arguments}: {code}\n{err}"
        printed.append(out)
    return printed


def runs(page: Path) -> list[Block]:
    """Return the blocks whose commands run, of a page, but the slow ones."""
    return [b for b in CONSOLE if b.page == page and b.mark != "not run" and not b.slow]


@pytest.mark.parametrize("page", [p for p in PAGES if runs(p)], ids=lambda page: page.stem)
def test_commands_run(page, folder, aexbench_cli):  # noqa: F811
    for block in runs(page):
        if block.mark == "needs":
            continue
        run(block, aexbench_cli)


@pytest.mark.parametrize("block", chosen([b for b in CONSOLE if b.slow or b.mark == "needs"]))
def test_commands_that_take_long_or_need_more_run(block, folder, aexbench_cli):  # noqa: F811
    run(block, aexbench_cli)


@pytest.mark.parametrize("block", chosen(PYTHON))
def test_snippets_run(block, folder):
    exec(compile(block.text, str(block), "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("block", TOML, ids=str)
def test_suites_are_planned(block, folder):
    suite = planning.from_values(tomllib.loads(block.text), str(block))
    assert planning.plan(suite)


def test_the_row_that_the_readme_explains_is_explained_so(folder, aexbench_cli):  # noqa: F811
    shown = next(b for b in CONSOLE if b.page.name == "README.md" and "explain" in b.text)
    (printed,) = run(shown, aexbench_cli)
    lines = [line for line in shown.text.splitlines()[1:] if line not in ("", "…")]
    assert lines[0] == printed.splitlines()[0]
    assert [line.split()[0] for line in lines[3:6]] == ["feature", "proline", "alcohol"]
    assert [line.split()[0] for line in printed.splitlines()[4:7]] == [
        "feature", "proline", "alcohol",
    ]  # fmt: skip
    assert lines[-2:] == printed.splitlines()[-2:]
