"""`aexbench show`: all that is known of a name, and `--version`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Gt, Le, Lt

import aexbench
from aexbench import descriptions
from aexbench.descriptions import kind_of
from aexbench.families import FAMILIES
from aexbench.running import planning

EVERY = sorted({name for family in FAMILIES.values() for name in family.names()})


@pytest.mark.parametrize("width", [60, 80])
@pytest.mark.parametrize("name", [*EVERY, *planning.bundled()])
def test_every_name_is_shown_within_the_width(name, width, aexbench_cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    outcome = aexbench_cli("show", name)
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0].startswith(f"{name}, a")


@pytest.mark.parametrize("name", EVERY)
def test_all_that_is_known_stands_there(name, aexbench_cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    out = aexbench_cli("show", name).out
    for family in FAMILIES.values():
        for plugin in (family.describe(name),) if name in family.names() else ():
            assert f"{plugin.family}\n  " in out
            assert plugin.summary in " ".join(out.split())
            assert plugin.source in out
            assert f"version: {plugin.version}" in out
            for parameter in plugin.parameters:
                assert f"    {parameter}=" in out


def test_an_example_can_be_typed(aexbench_cli):
    example = next(
        line for line in aexbench_cli("show", "recall").out.splitlines() if "aexbench " in line
    )
    assert example.strip() == "aexbench score STORE -m 'recall[top=1]'"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("own-past", "aexbench run -d 'smd[window=32]' -e residual -e own-past"),
        ("edges", "aexbench run -d digits -e residual -e edges"),
        ("drift", "aexbench run -d 'smd[window=32]' -c 'drift[size=10.0]'"),
        ("saliency", "aexbench run -d wine -e residual -e saliency"),
    ],
)
def test_an_example_has_data_that_it_can_be_tried_on(name, line, aexbench_cli):
    assert f"    {line}\n" in aexbench_cli("show", name).out


@pytest.mark.parametrize("family", FAMILIES)
def test_every_example_names_parameters_that_there_are(family):
    registry = FAMILIES[family]
    for name in registry.names():
        plugin = registry.describe(name)
        example = descriptions.shown(plugin).example
        needed = [p.name for p in plugin.parameters.values() if p.default is p.default.__class__]
        inside = example.partition(f"{name}[")[2].rpartition("]")[0]
        given = dict(part.split("=", 1) for part in inside.split(",") if part)
        assert set(given) <= set(plugin.parameters)
        assert set(needed) <= set(given)


def test_a_name_of_two_families_is_shown_twice(aexbench_cli):
    lines = aexbench_cli("show", "random").out.splitlines()
    assert [line for line in lines if line and line[0] != " "] == [
        "random, an explainer",
        "random, a corruption",
    ]


def test_brackets_may_stand_behind_a_name(aexbench_cli):
    assert aexbench_cli("show", "recall[top=3]").out == aexbench_cli("show", "recall").out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("residul", "error: unknown name 'residul'; did you mean 'residual'? Known: "),
        ("quickstar", "error: unknown name 'quickstar'; did you mean 'quickstart'? Known: "),
        ("[red]x[/red]", "error: cannot read '[red]x[/red]': write name or "),
    ],
)
def test_a_name_that_there_is_not_comes_with_the_nearest(name, message, aexbench_cli):
    outcome = aexbench_cli("show", name)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(message)


PLUGIN = '''
from pathlib import Path
from typing import Literal

from aexbench import explainers


@explainers.register("mine", floor=True)
def mine(detector, x, *, path: Path, kind: Literal["a", "b"] = "a", text: str = "[bold]"):
    """Say [red]red[/red] and \\x1b[31mred.

    Parameters
    ----------
    path
        Of a file.
    kind
        Which of
        both.
    """
    return detector.error_map(x) * (str(path) + kind + text != "")
'''


def test_a_plugin_of_yours_is_shown_as_it_is_written(aexbench_cli, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    out = aexbench_cli("show", "mine", "--plugin", path).out
    assert out == (
        "mine, an explainer\n"
        "  Say [red]red[/red] and  [31mred.\n"
        "\n"
        "  parameters\n"
        "    path=...   (Path; needed)\n"
        "      Of a file.\n"
        "    kind=a   (a | b)\n"
        "      Which of both.\n"
        "    text=[bold]   (str)\n"
        "  declared\n"
        "    version: none: it is known by its source\n"
        "    floor: yes\n"
        "  example\n"
        "    aexbench run -d wine -e residual -e 'mine[path=...]'\n"
        "\n"
    )


def test_what_is_declared_is_said(aexbench_cli):
    assert (
        "    better: lower\n    scores: one for each sample\n" in aexbench_cli("show", "effort").out
    )
    assert "scores: one for all samples\n" in aexbench_cli("show", "pixel-ap").out
    assert "    floor: of images\n" in aexbench_cli("show", "centre").out
    assert "floor" not in aexbench_cli("show", "residual").out
    assert "    takes: images alone\n" in aexbench_cli("show", "occlusion").out
    assert "    takes: series alone\n" in aexbench_cli("show", "spike").out
    assert "takes" not in aexbench_cli("show", "residual").out
    out = aexbench_cli("show", "smd").out
    assert "images: no\n    licence: MIT\n    data: aexbench data get smd\n" in out
    assert "data: fetched by hand: " in aexbench_cli("show", "asd").out


def test_programs_get_json(aexbench_cli):
    explainer, corruption = json.loads(aexbench_cli("show", "random", "--json").out)
    assert (explainer["family"], corruption["family"]) == ("explainer", "corruption")
    assert explainer["parameters"] == {"seed": {"type": "int", "default": 0}}
    assert explainer["docstring"] == FAMILIES["explainers"].describe("random").target.__doc__
    (suite,) = json.loads(aexbench_cli("show", "quickstart", "--json").out)
    assert (suite["family"], suite["name"], suite["seeds"]) == ("suite", "quickstart", 5)


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, "int"),
        (Annotated[int, Ge(1), Lt(9)], "int ≥ 1, < 9"),
        (Annotated[float, Gt(0), Le(0.5)], "float > 0, ≤ 0.5"),
        (Literal["l1", 2, True] | None, "l1 | 2 | true | null"),
        (tuple[int, ...], "list of int"),
        (Path | None, "Path | null"),
        (Any, "anything"),
        (dict[str, int], "dict"),
    ],
)
def test_types_are_said_in_words(annotation, words):
    assert kind_of(annotation) == words


def test_the_version_is_told_at_once():
    code = (
        "import sys; sys.argv = ['aexbench', '--version']; from aexbench import cli\n"
        "try: cli.main()\n"
        "finally: assert not {'torch', 'numpy'} & set(sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (told.returncode, told.stdout) == (0, f"aexbench {aexbench.__version__}\n"), told.stderr


@pytest.mark.parametrize("arguments", [("new", "metric", "quite-new"), ("show", "--help")])
def test_torch_is_not_imported_where_nobody_needs_it(arguments, tmp_path):
    code = (
        f"import sys; sys.argv = ['aexbench', *{arguments!r}]; from aexbench import cli\n"
        "try: cli.main()\n"
        "finally: assert 'torch' not in sys.modules"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert told.returncode == 0, told.stderr
