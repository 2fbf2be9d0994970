"""Titles are seen wherever people look, and change no key and no figure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import aexbench
from aexbench import RequestError
from aexbench.board.leaderboard import leaderboard
from aexbench.board.rendering import FORMATS, as_text
from aexbench.plotting import groups, pareto, ranks
from aexbench.plotting.choosing import Wanted
from aexbench.running import matrix, planning, titles
from aexbench.running.packed import open_store, pack
from aexbench.running.progress import Show
from aexbench.running.store import Store

DATA = {"name": "wine", "title": "grapes [b]"}
NULL = {"name": "random", "count": 9, "title": "dice"}
OWN = {"name": "residual", "title": "error_map"}
METRIC = {"name": "recall", "top": 1, "title": "found first"}
NET = {"name": "default", "epochs": 100, "title": "small net"}
TITLED = {
    "name": "titled",
    "why": "One name is asked for.",
    "datasets": [DATA, "breast-cancer"],
    "corruptions": [NULL],
    "explainers": [OWN, "repair"],
    "detectors": [NET],
    "metrics": [METRIC],
    "controls": False,
}
AXES = ("datasets", "corruptions", "explainers", "detectors", "metrics")


def untitled(entry):
    return entry if isinstance(entry, str) else {k: v for k, v in entry.items() if k != "title"}


PLAIN = {k: [*map(untitled, v)] if k in AXES else v for k, v in TITLED.items()}


@pytest.fixture(scope="module")
def stores(tmp_path_factory) -> tuple[Path, Path]:
    """The same suite, run with titles and without."""
    folder = tmp_path_factory.mktemp("titles")
    for name, suite in (("titled", TITLED), ("plain", PLAIN)):
        aexbench.run(suite, store=folder / name, in_process=True, quiet=True)
    return folder / "titled", folder / "plain"


def shown(path: Path, width: int = 200) -> str:
    return as_text(leaderboard(open_store(path)), width)


def figures(path: Path) -> list[object]:
    rows = leaderboard(open_store(path)).rows
    return [(row.explainer, row.scores["recall"], row.by_group) for row in rows]


def test_a_title_changes_no_key_and_no_figure(stores):
    own, plain = (open_store(path) for path in stores)
    assert own.keys() == plain.keys()
    assert [cell.key for cell in planning.plan(planning.from_values(dict(TITLED), "a"))] == [
        cell.key for cell in planning.plan(planning.from_values(dict(PLAIN), "b"))
    ]
    assert figures(stores[0]) == figures(stores[1])


def test_boards_show_titles(stores):
    text = shown(stores[0])
    for title in ("grapes [b]", "error_map", "found first", "dice", "small net"):
        assert title in text
    assert "residual" not in text.replace("always residual", "")  # of the published card
    assert "random[count=9]" not in text
    assert "One name is asked for." in text
    markdown, latex = (
        FORMATS[form](leaderboard(open_store(stores[0]))) for form in ("markdown", "latex")
    )
    assert r"grapes \[b\]" in markdown
    assert r"error\_map" in markdown
    assert r"error\_map" in latex
    row = json.loads(FORMATS["json"](leaderboard(open_store(stores[0]))))["sections"][0]["rows"][0]
    assert {row["explainer"], row["title"]} & {"residual", "repair"}


def test_plots_show_titles(stores):
    (section,) = leaderboard(open_store(stores[0])).sections
    names = [line["name"] for line in ranks.data(section, Wanted())]
    assert "error_map" in names
    found = groups.data(section, Wanted())
    assert any(line["name"].startswith("grapes [b]") for line in found)
    assert "error_map" in {line["title"] for line in found}
    assert "error_map" in {line["name"] for line in pareto.data(section, Wanted())}


def test_a_packed_store_keeps_them(stores, tmp_path):
    pack(open_store(stores[0]), tmp_path / "packed")
    assert "grapes [b]" in shown(tmp_path / "packed")
    assert "error_map" in shown(tmp_path / "packed")


def test_a_store_may_get_titles_later_and_lose_them(stores, tmp_path):
    suite = {**PLAIN, "datasets": ["wine"], "explainers": ["residual"]}
    later = {**suite, "datasets": [DATA], "explainers": [OWN], "metrics": [METRIC]}
    for asked, ran, seen in ((suite, 3, False), (later, 0, True), (suite, 0, False)):
        results = aexbench.run(asked, store=tmp_path / "s", in_process=True, quiet=True)
        assert (results.ran > 0) == (ran > 0)
        assert ("grapes" in shown(tmp_path / "s")) == seen
        assert ("found first" in shown(tmp_path / "s")) == seen


def test_status_names_what_failed_by_its_title(tmp_path, aexbench_cli):
    suite = {**TITLED, "datasets": [DATA], "explainers": [{"name": "lime", "title": "my lime"}]}
    aexbench.run(suite, store=tmp_path / "s", in_process=True, quiet=True)
    store = Store(tmp_path / "s")
    for record in store.records()[0]:
        store.write_record(record.model_copy(update={"state": "failed", "reason": "it broke"}))
    outcome = aexbench_cli("status", str(tmp_path / "s"))
    assert "such as my lime on grapes [b] / dice, seed 0" in outcome.out


def test_progress_shows_them():
    (cell, *_) = planning.plan(planning.from_values(dict(TITLED), "a"))
    show = Show()
    show.begin(cell)
    assert show.now().endswith("error_map on grapes [b] / dice, seed 0")
    assert str(cell) == "residual on wine / random[count=9], seed 0"


@pytest.mark.parametrize(
    ("axis", "entries", "said"),
    [
        ("datasets", [DATA, {"name": "digits", "title": "grapes [b]"}], "two datasets are called"),
        ("explainers", [OWN, {"name": "lrp", "title": "error_map"}], "two explainers are called"),
        ("explainers", ["repair", {"name": "lrp", "title": "repair"}], "two explainers are called"),
        ("metrics", [METRIC, {**METRIC, "top": 2}], "two metrics are called"),
        ("datasets", [{"name": "wine", "title": 3}], "a title is one line"),
        ("datasets", [{"name": "wine", "title": ""}], "a title is one line"),
        ("datasets", [{"name": "wine", "title": " a"}], "a title is one line"),
        ("datasets", [{"name": "wine", "title": "a\x1b[31m"}], "a title is one line"),
        ("datasets", [{"name": "wine", "title": "x" * 61}], "a title is one line"),
    ],
)
def test_titles_that_tell_nothing_apart_are_refused_in_one_line(axis, entries, said):
    with pytest.raises(RequestError, match=said) as caught:
        planning.from_values({**TITLED, axis: entries}, "mine")
    assert "\n" not in str(caught.value)


def test_a_parameter_of_another_name_is_refused_as_before():
    suite = planning.from_values({**TITLED, "datasets": [{"name": "wine", "titel": "x"}]}, "mine")
    with pytest.raises(RequestError, match="unknown parameter of data set wine 'titel'"):
        planning.plan(suite)


def test_a_title_that_would_name_two_has_its_text_beside_it(stores, tmp_path):
    for name, entry in (("one", DATA), ("two", {"name": "breast-cancer", "title": "grapes [b]"})):
        suite = {**TITLED, "name": name, "datasets": [entry], "explainers": ["residual"]}
        aexbench.run(suite, store=tmp_path / "s", in_process=True, quiet=True)
    text = shown(tmp_path / "s")
    assert "grapes [b] (wine)" in text
    assert "grapes [b] (breast-cancer)" in text


@pytest.mark.parametrize("value", [None, [], "x", {"datasets": 3}, {"datasets": {"k": 5, "l": ""}}])
def test_titles_in_a_plan_that_are_none_are_none(value):
    assert not any(titles.read(value).values())


def test_why_a_suite_ranks_as_it_does_goes_with_its_own_axes():
    assert matrix.asked(TITLED, explainers=["lrp"]).why == TITLED["why"]
    assert matrix.asked(TITLED, corruptions=["adversarial"]).why == ""
