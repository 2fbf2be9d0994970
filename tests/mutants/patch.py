"""Patches as data: a file, what stands there, what a mistake would write, and why that is wrong."""

from __future__ import annotations

import ast
import functools
import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict

ROOT = Path(__file__).parents[2]
PATCHES = Path(__file__).parent / "patches"
DEFAULTS = "tests/test_defaults.py"  # takes no time


class Patch(BaseModel):
    """One wrong version.

    Attributes
    ----------
    file, before, after
        The file, a text that stands in it exactly once, and what stands there instead.
    why
        What is then wrong.
    tests
        Test files that should notice, beside those that import the file's module or bear its name.
    unseen
        Why no test notices, where none does: it is equivalent, or not worth a test.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    number: int
    file: str
    before: str
    after: str
    why: str
    tests: tuple[str, ...] = ()
    unseen: str = ""

    @property
    def name(self) -> str:
        """What it is called, such as `statistics-3`."""
        return f"{self.kind}-{self.number}"

    def applied(self, text: str) -> str:
        """Return a file's text with the mistake; ValueError where the patch does not apply."""
        count = text.count(self.before)
        if count != 1:
            raise ValueError(f"{self.name}: its text stands {count} times in {self.file}")
        found = text.replace(self.before, self.after)
        if self.file.endswith(".py"):
            ast.parse(found)
        return found


def patches() -> list[Patch]:
    """Return all patches, by kind."""
    found = []
    for path in sorted(PATCHES.glob("*.toml")):
        entries = tomllib.loads(path.read_text())["mutant"]
        for number, entry in enumerate(entries, start=1):
            found.append(Patch(kind=path.stem, number=number, **entry))
    return found


def near(patch: Patch, tests: Path = ROOT / "tests") -> list[list[str]]:
    """Return the test files that should notice a patch, the nearest first: those that it names,
    those that bear its file's name, those that import its module or bear its folder's name.
    """
    file, module = Path(patch.file), _module(patch.file)
    paths = sorted(p for p in tests.rglob("test_*.py") if "benchmarks" not in p.parts)
    names = {path.relative_to(tests.parent).as_posix(): path for path in paths}
    own = [name for name, path in names.items() if _bears(path, file.stem)] + [DEFAULTS]
    others = [
        name
        for name, path in names.items()
        if _bears(path, file.parent.name) or module in _imported(path)
    ]
    rounds, seen = [], set()
    for found in (list(patch.tests), own, others):
        rounds.append([name for name in found if name not in seen])
        seen |= set(found)
    return [names for names in rounds if names]


def _module(file: str) -> str:
    """Return the name under which a file is imported."""
    parts = list(Path(file).with_suffix("").parts)
    parts = parts if parts[0] == "aexbench" else ["aexbench", *parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _bears(path: Path, stem: str) -> bool:
    return f"_{stem}_" in f"_{path.stem.removeprefix('test_')}_"


@functools.cache
def _imported(path: Path) -> set[str]:
    """Return the modules that a test file imports, and what it may import from them."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found
