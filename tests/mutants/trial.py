"""A trial of a patch: it is put into a copy of the tree, tests run there, and it is taken back."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.mutants.patch import ROOT, Patch, near

FAMILIES = ("explainers", "datasets", "corruptions", "metrics")
GOLDEN = "tests/golden"
TIMEOUT_S = 900
# Exit codes of pytest: a test failed, or nothing could even be imported. That the named files exist
# is tested, so that 4 is an import error of conftest.py.
NOTICED = (1, 2, 3, 4)
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


class Outcome(NamedTuple):
    """Whether tests noticed, the first one that did, and how long it took."""

    noticed: bool
    by: str
    seconds: float


def copy_tree(folder: Path) -> Path:
    """Copy the files of the repository into a folder, so that Python imports the copy there."""
    root = folder / "main"
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True).stdout
    for name in filter(None, names.decode().split("\0")):
        if (source := ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, root / name)
    for family in FAMILIES:
        (root / "aexbench" / family).symlink_to(root / family)
    if (shared := ROOT.parent / "shared").is_dir():
        (folder / "shared").symlink_to(shared)
    return root


def tried(patch: Patch, root: Path, whole: bool = False) -> Outcome:
    """Return whether the tests in a copy of the tree notice a patch."""
    path = root / patch.file
    right = path.read_text()
    begun = time.monotonic()
    path.write_text(patch.applied(right))
    try:
        for tests in _rounds(patch, whole):
            if by := _failure(tests, root):
                return Outcome(True, by, time.monotonic() - begun)
    finally:
        path.write_text(right)
    return Outcome(False, "", time.monotonic() - begun)


def _rounds(patch: Patch, whole: bool) -> list[list[str]]:
    """Return which tests run, one after the other until some notice."""
    return [*near(patch), [GOLDEN], *([["tests"]] if whole else [])]


def _failure(tests: Sequence[str], root: Path) -> str:
    """Return the first of some tests that fails; empty if none does."""
    command = [sys.executable, "-W", "ignore", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    own = {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    try:
        run = subprocess.run(
            [*command, "--benchmark-disable", *tests],
            cwd=root,
            env={**os.environ, **own},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return f"no end within {TIMEOUT_S} s"
    if run.returncode == 0:
        return ""
    if run.returncode not in NOTICED:
        raise RuntimeError(f"pytest ran no test of {tests}: {run.stdout[-500:]}{run.stderr[-500:]}")
    found = FAILED.search(run.stdout)
    return found[1] if found else (run.stdout + run.stderr)[-200:]
