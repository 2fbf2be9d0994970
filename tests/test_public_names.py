from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import aexbench
from aexbench import corruptions, datasets, explainers, metrics


def test_all_is_sorted_complete_and_importable():
    assert aexbench.__all__ == sorted(aexbench.__all__)
    assert set(aexbench.__all__) == set(aexbench._HOMES)
    assert all(getattr(aexbench, name) is not None for name in aexbench.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = aexbench.nonsense


def test_families_are_attributes_too():
    code = "import aexbench; assert aexbench.metrics.names()"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("family", [explainers, datasets, corruptions, metrics])
def test_every_family_has_the_same_four_verbs(family):
    assert family.__all__ == ["create", "describe", "names", "register"]
    assert family.names() == sorted(family.names())


@pytest.mark.parametrize("arguments", [["-c", "import aexbench"], ["-m", "aexbench", "--help"]])
def test_neither_import_nor_help_imports_torch(arguments):
    command = [sys.executable, "-X", "importtime", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    imported = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines()}
    assert "aexbench" in imported
    assert not imported & {"torch", "numpy", "pandas", "sklearn", "pydantic"}


def test_metrics_and_the_board_need_no_torch():
    imports = "from aexbench import metrics; from aexbench.board import rendering, leaderboard"
    code = f"import sys; {imports}; metrics.names(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("family", ["metrics", "suites"])
def test_what_needs_no_torch_does_not_import_it(family):
    command = [sys.executable, "-X", "importtime", "-m", "aexbench", "list", family]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    imported = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines()}
    assert "aexbench.families" in imported
    assert not imported & {"torch", "sklearn", "pandas", "scipy"}


ENGINE = [
    "",
    "autoencoders",
    "board",
    "cli",
    "conformance",
    "explaining",
    "fetching",
    "plotting",
    "publishing",
    "running",
]


@pytest.mark.parametrize("wing", ENGINE)
def test_no_module_of_the_engine_imports_a_plugin(wing):
    families = {"explainers", "datasets", "corruptions", "metrics"}
    for path in (Path(aexbench.__file__).parent / wing).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            plugins = [n for n in names if n.split(".")[0] == "aexbench" and n.count(".") > 1]
            assert not [n for n in plugins if n.split(".")[1] in families], path
