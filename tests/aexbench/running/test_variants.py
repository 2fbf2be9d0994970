"""Suites take parameters in brackets, as everything else does."""

from __future__ import annotations

import json
import re
import tomllib

import pytest

from aexbench.errors import RequestError
from aexbench.running import matrix, planning
from aexbench.running.variants import split

SUITE = """
name = "mine"
parameters = {rows = 300, share = 0.01, title = "all of it"}
datasets = [
    "sql-workload[rows={rows},intrusions={share}]",
    {name = "sql-workload", rows = "{rows}", seed = 1, title = "{title}"},
]
corruptions = ["random"]
explainers = ["residual"]
"""


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(SUITE)
    return path


def rows(suite: planning.Suite) -> list[object]:
    return [cell.dataset.parameters["rows"] for cell in planning.plan(suite)[:1]]


def test_defaults_stand_where_entries_name_them(suite):
    found = planning.load(str(suite))
    assert found.datasets == [
        "sql-workload[rows=300,intrusions=0.01]",
        {"name": "sql-workload", "rows": 300, "seed": 1, "title": "all of it"},
    ]
    assert (found.name, found.folder) == ("mine", "mine")


def test_brackets_change_them_and_the_name_says_so(suite):
    found = planning.load(f"{suite}[rows=1_000]")
    assert rows(found) == [1000]
    assert found.parameters == {"rows": 1000, "share": 0.01, "title": "all of it"}
    assert (found.name, found.folder) == ("mine-rows-1000", "mine-rows-1000")


def test_texts_that_a_folder_cannot_hold_lie_apart_all_the_same(suite):
    names = {
        planning.load(f"{suite}[title='{text}']").folder for text in ("a/b c", "a b/c", "a-b-c")
    }
    assert len(names) == 3
    assert all(re.fullmatch(r"mine-title-a-b-c(-[0-9a-f]{8})?", name) for name in names)


def test_what_is_the_default_anyway_is_no_variant(suite):
    assert planning.load(f"{suite}[rows=300]") == planning.load(str(suite))


def test_axes_can_be_replaced_in_a_variant(suite):
    found = matrix.asked(f"{suite}[rows=1_000]", explainers=["lrp"])
    assert (found.name, found.explainers, rows(found)) == ("mine-rows-1000", ["lrp"], [1000])


@pytest.mark.parametrize(
    ("brackets", "message"),
    [
        ("[row=3]", "unknown parameter of suite .*'row'; did you mean 'rows'. Known: rows, share"),
        ("[rows=many]", "parameter rows of suite .* is like 300; got 'many'"),
        ("[rows=1.5]", "parameter rows of suite .* is like 300; got '1.5'"),
        ("[rows=true]", "parameter rows of suite .* is like 300; got 'True'"),
        ("[title=3]", "parameter title of suite .* is like 'all of it'; got '3'"),
        ("[rows=3,rows=4]", "a parameter stands twice"),
        ("[rows]", "cannot read 'rows'"),
    ],
)
def test_what_is_wrong_in_brackets_is_one_line(suite, brackets, message):
    with pytest.raises(RequestError, match=message):
        planning.load(f"{suite}{brackets}")


def test_a_share_may_be_a_whole_number(suite):
    assert planning.load(f"{suite}[share=0]").datasets[0] == "sql-workload[rows=300,intrusions=0]"


def test_an_entry_that_names_no_parameter_is_refused(suite):
    suite.write_text(SUITE.replace("rows={rows}", "rows={row}"))
    with pytest.raises(RequestError, match="did you mean 'rows'"):
        planning.load(str(suite))


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ("unused = 3", "no entry names the parameter unused: write {unused} there"),
        ("a-b = 3", "no entry names the parameter a-b"),
        ("rows = [3]", r"parameter rows is a number, a text, or true or false; got '\[3\]'"),
        ("rows = 2026-01-01", "parameter rows is a number, a text, or true or false"),
    ],
)
def test_a_parameter_is_a_plain_value_that_an_entry_names(suite, declared, message):
    own = f"share = 0.01, title = 'all of it', {declared}"
    own += "" if declared.startswith("rows") else ", rows = 300"
    suite.write_text(re.sub(r"parameters = .*", f"parameters = {{{own}}}", SUITE))
    with pytest.raises(RequestError, match=message):
        planning.load(str(suite))


def test_a_suite_without_parameters_lists_none_and_keeps_its_braces():
    with pytest.raises(RequestError, match=r"unknown parameter of suite .*'rows'\. Known: none"):
        planning.load("quickstart[rows=3]")
    plain = tomllib.loads(SUITE.replace("{rows}", "3").replace("{share}", "0"))
    del plain["parameters"]
    plain["explainers"] = ["{rows}"]
    assert planning.from_values(plain, "mine").explainers == ["{rows}"]


def test_brackets_in_the_name_of_a_file_are_its_name(tmp_path):
    path = tmp_path / "mine[rows=3]"
    path.write_text(SUITE)
    assert split(str(path)) == (str(path), {})
    assert planning.load(str(path)).parameters["rows"] == 300


def test_a_suite_shows_its_parameters(aexbench_cli, monkeypatch, tmp_path, suite):
    monkeypatch.setattr(planning, "_folder", lambda: tmp_path)
    out = aexbench_cli("show", "mine[rows=1]").out
    assert "  parameters\n    rows=300   (int)\n    share=0.01   (float)\n" in out
    (listed,) = json.loads(aexbench_cli("list", "suites", "--json").out)
    assert listed["parameters"]["rows"] == {"type": "int", "default": 300}
    assert "rows=300, share=0.01" in aexbench_cli("list", "suites").out


def test_a_plan_tells_how_its_suite_is_asked_for(monkeypatch, tmp_path, suite):
    monkeypatch.setattr(planning, "_folder", lambda: tmp_path)
    found = planning.load("mine[rows=7]")
    assert planning.spelled(found.name, found.parameters) == "mine[rows=7]"
    assert planning.spelled("mine", {}) == "mine"
    assert planning.spelled("mine-rows-8", found.parameters) == ""
    assert planning.spelled("mine-rows-7", "no table") == ""


def test_variants_lie_apart(aexbench_cli, suite):
    out = aexbench_cli("run", f"{suite}[rows=301]", "--dry-run").out
    assert "cells would run, into aexbench-results/mine-rows-301\n" in out


def test_the_metrics_of_a_curve_may_name_them_too(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(SUITE + 'metrics = ["recall"]\ncurve = ["recall[top={rows}]"]\n')
    assert planning.load(f"{path}[rows=7]").curve == ["recall[top=7]"]


def test_a_default_that_is_no_number_is_no_variant(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(SUITE.replace("share = 0.01", "share = nan"))
    assert planning.load(str(path)).name == "mine"
