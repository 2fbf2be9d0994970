"""What the pages say is so: commands and snippets run, links lead somewhere, nothing is left out.

A comment above a block says what is done with it: `<!-- not run: WHY -->` (its commands are only
parsed), `<!-- dry run: WHY -->` (runs are planned), `<!-- needs: MODULE -->`, `<!-- slow -->`. A
Python block that begins with `# NAME.py` is a file, and is there for what follows. The commands of
a page run one after the other in a folder like the project's, with the files of docs/own-model.md.
"""

from __future__ import annotations

import re
import shlex
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer

import aexbench
from aexbench import cli
from aexbench.families import FAMILIES
from aexbench.running import planning
from tests.aexbench.conftest import (  # noqa: F401 (fixtures)
    Cli,
    _registries_stay_as_they_are,
    aexbench_cli,
)

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
LINKED = [*PAGES, ROOT / "CHANGELOG.md", ROOT / "results" / "README.md"]
MARK = re.compile(r"<!-- (not run|dry run|needs|slow)(?:: (.+))? -->")


@dataclass(frozen=True)
class Block:
    """A fenced block, and what the comment above it says."""

    page: Path
    line: int
    language: str
    text: str
    mark: str = ""
    said: str = ""

    @property
    def slow(self) -> bool:
        return self.mark == "slow"

    @property
    def commands(self) -> list[list[str]]:
        """The commands of a console block, without what they print."""
        typed = [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]
        return [shlex.split(line, comments=True) for line in typed]

    @property
    def file(self) -> str | None:
        """The name of the file that a Python block is."""
        found = re.match(r"# (\w+\.py)\n", self.text)
        return found and found[1]

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    lines, start, mark = page.read_text().splitlines(), None, ("", "")
    for number, line in enumerate(lines, start=1):
        if start is not None and line == "```":
            language, text = lines[start - 1][3:], "\n".join(lines[start : number - 1])
            yield Block(page, start, language, f"{text}\n", *mark)
            start, mark = None, ("", "")
        elif start is None and line.startswith("```"):
            start = number
        elif start is None and line:
            found = MARK.fullmatch(line)
            mark = (found[1], found[2] or "") if found else ("", "")


BLOCKS = [block for page in PAGES for block in blocks(page)]
CONSOLE = [block for block in BLOCKS if block.language == "console"]
PYTHON = [block for block in BLOCKS if block.language == "python"]
TOML = [block for block in BLOCKS if block.language == "toml"]


def chosen(found: list[Block]) -> list[Any]:
    """Return the blocks that run, as parameters."""
    return [
        pytest.param(block, id=str(block), marks=[pytest.mark.slow] if block.slow else [])
        for block in found
        if block.mark != "not run"
    ]


@pytest.mark.parametrize("block", CONSOLE, ids=str)
def test_commands_are_spelled_as_the_program_knows_them(block):
    group = typer.main.get_command(cli.app)
    assert block.commands
    for program, *arguments in block.commands:
        if program != "aexbench":
            assert block.mark == "not run"
            continue
        command, context = group, None
        while hasattr(command, "resolve_command"):
            context = command.make_context(program, list(arguments), parent=context)
            rest = [*context._protected_args, *context.args]
            program, command, arguments = command.resolve_command(context, rest)
        command.make_context(program, list(arguments), parent=context)


def test_what_is_not_run_says_why():
    assert all(block.said for block in BLOCKS if block.mark in ("not run", "dry run", "needs"))
    left_out = [block for block in CONSOLE if block.mark == "not run"]
    assert len(left_out) < len(CONSOLE) / 3


def test_a_new_user_needs_two_commands_one_and_six_lines():
    readme = [block for block in BLOCKS if block.page.name == "README.md"]
    commands = [command for b in readme if b.language == "console" for command in b.commands]
    assert sum(command[1] == "audit" for command in commands) == 1
    assert sum(command[1] == "explain" for command in commands) == 1
    (snippet,) = [b for b in readme if b.language == "python" and not b.file]
    assert sum(bool(line) for line in snippet.text.splitlines()) <= 6
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200


def test_the_first_two_commands_of_the_readme_are_those_that_are_tried():
    shell = [block.text for block in BLOCKS if block.language == "sh"]
    assert shell[0] == "python -m pip install -e . && aexbench run\n"
    assert shell[1] == (
        'python -m pip install -e ".[test]" && python -m pytest -n 2 --dist loadfile --ignore '
        'tests/benchmarks && python -m pytest tests/benchmarks -m "not slow"\n'
    )


NAMED = {
    "explainers": ("Formula", "Source", "Cost", "When", "When not", "Measured"),
    "corruptions": ("Formula", "Source", "Cost", "When", "When not"),
    "metrics": ("Formula", "Source", "When", "When not"),
    "datasets": ("What", "When", "When not"),
}
PAGE = {family: DOCS / f"{family}.md" for family in NAMED} | {"datasets": DOCS / "data.md"}


def entries(page: Path) -> dict[str, str]:
    """Return what stands below each heading of the third level."""
    parts = re.split(r"^### (.+)$", page.read_text(), flags=re.MULTILINE)
    return {
        name: re.split(r"^## ", text, flags=re.MULTILINE)[0]
        for name, text in zip(parts[1::2], parts[2::2], strict=True)
    }


@pytest.mark.parametrize("family", NAMED)
def test_every_component_has_its_entry(family):
    found = entries(PAGE[family])
    assert sorted(found) == FAMILIES[family].names()
    for name, text in found.items():
        assert not [part for part in NAMED[family] if f"**{part}.**" not in text], name
        question = text.strip().splitlines()[0]
        assert question.endswith((".", "?")), name


def test_every_autoencoder_is_named():
    lines = (DOCS / "data.md").read_text().split("## Autoencoders")[1].splitlines()
    named = [line.split("`")[1] for line in lines if line.startswith("| `")]
    assert sorted(named) == FAMILIES["autoencoders"].names()


def scores(section: str) -> dict[str, str]:
    """Return the means of a section of the board of results/real, by explainer."""
    text = (ROOT / "results/real/board.md").read_text().split(f"**{section}")[1]
    rows = [line.split(" | ") for line in text.split("\n\n")[1].splitlines()[2:]]
    return {row[1].replace("\\", ""): row[2].split()[0].removeprefix("0") for row in rows}


def test_measured_figures_are_those_of_the_board():
    injected, labelled = scores("Injected causes"), scores("Labelled symptoms")
    checked = 0
    for name, text in entries(DOCS / "explainers.md").items():
        if found := re.search(r"Injected (\.\d\d).*?labelled (\.\d\d)", text, re.DOTALL):
            assert found.groups() == (injected[name], labelled[name]), name
            checked += 1
        for form, *pair in re.findall(r"`(\w[^`]*)` (\.\d\d) and (\.\d\d)", text):
            (full,) = (row for row in injected if row == named(name, form))
            assert pair == [injected[full], labelled[full]], full
            checked += 1
    assert checked >= 18


def named(name: str, form: str) -> str:
    """Return a row's name: `conditional` of `repair` is `repair[values=conditional]`."""
    keys = {"repair": "values", "residual": "form", "integrated-gradients": "baseline"}
    if (name, form) in (("repair", "mean"), ("integrated-gradients", "mean")):
        return name
    return f"{name}[{form}]" if "=" in form else f"{name}[{keys[name]}={form}]"


def slug(heading: str) -> str:
    """Return the anchor that forges make of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return {slug(found) for found in re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(), flags=re.M | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("http"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_reached_from_the_index():
    index = (DOCS / "index.md").read_text()
    assert all(f"({path.name})" in index for path in DOCS.iterdir() if path.name != "index.md")


def test_the_citation_is_one():
    yaml = pytest.importorskip("yaml")
    held = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert held["cff-version"] == "1.2.0"
    assert held["version"] == version("aexbench")
    assert held["authors"] == [{"name": "The aexbench authors"}]
    (paper,) = held["references"]
    assert paper["url"] == "https://arxiv.org/abs/2303.11734"


def test_the_changelog_counts_what_there_is():
    text = " ".join((ROOT / "CHANGELOG.md").read_text().split())
    floors = [n for n, p in FAMILIES["explainers"]._plugins.items() if p.declaration.floor]
    assert "## [Unreleased]" in text
    assert "24 explainers, of which four are floors; seven corruptions; seven metrics" in text
    counts = [len(FAMILIES[family].names()) for family in NAMED] + [len(floors)]
    assert counts == [24, 7, 7, 16, 4]


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
