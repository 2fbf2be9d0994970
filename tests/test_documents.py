"""What the pages say is so: links lead somewhere, nothing is left out, figures are those of the
results, commands are spelled as the program knows them.
"""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import pytest
import typer

from aexbench import cli
from aexbench.families import FAMILIES
from tests.pages import BLOCKS, CONSOLE, DOCS, PAGES, ROOT

LINKED = [*PAGES, ROOT / "CHANGELOG.md", ROOT / "results" / "README.md"]


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
    table = next(part for part in text.split("\n\n") if part.startswith("| "))
    rows = [line.split(" | ") for line in table.splitlines()[2:]]
    means = (row[2].strip("*†").split()[0].removeprefix("0") for row in rows)
    return {row[1].replace("\\", ""): mean for row, mean in zip(rows, means, strict=True)}


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
    assert "31 explainers, of which nine are floors; thirteen corruptions; 22 metrics" in text
    counts = [len(FAMILIES[family].names()) for family in NAMED] + [len(floors)]
    assert counts == [31, 13, 22, 16, 9]
