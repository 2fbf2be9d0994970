from __future__ import annotations

import subprocess
import sys

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
