from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from aexbench import cli, families

SMALL = """
name = "small"
notes = "A suite for tests."
datasets = ["wine"]
detectors = ["mlp[widths=[6, 3],epochs=10,learning_rate=0.02,batch_size=16]"]
corruptions = [{name = "random", threshold = 0.2, count = 12}, "null[threshold=0.1,count=8]"]
explainers = ["residual", "lrp"]
metrics = ["recall[top=1]", "recall[top=3]"]
twins = 1
"""


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Cli = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def _registries_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what a test registers, and the folders of its plugin files."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(families, "files", dict(families.files))
    for family in families.FAMILIES.values():
        family.load()
        monkeypatch.setattr(family, "_plugins", dict(family._plugins))
        monkeypatch.setattr(family, "broken", {})


@pytest.fixture
def aexbench_cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run the real command line in this process."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["aexbench", *map(str, arguments)])
        monkeypatch.setattr("warnings.showwarning", cli._show_warning)
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A suite of 24 cells that takes seconds."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path
