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
from aexbench.running.cells import Cell
from aexbench.running.packed import open_store, pack
from aexbench.running.progress import Show
from aexbench.running.store import Store
from tests.aexbench.board.test_leaderboard import BASE, add, component

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


NO_TITLES = [5, "", "two\nlines", " a", "a\x1b[31m", "x" * 61, None, ["a"]]


@pytest.mark.parametrize("value", [None, [], "x", {"datasets": 3}])
def test_titles_in_a_plan_that_are_none_are_none(value):
    assert not any(titles.read(value).values())


@pytest.mark.parametrize("title", NO_TITLES)
def test_a_strangers_title_must_be_what_a_suites_must_be(title):
    assert titles.read({"datasets": {"k": title, "l": "grapes"}})["datasets"] == {"l": "grapes"}
    assert titles.of_entry({"name": "recall", "title": title}) == ""


def by_hand(folder: Path, *cells: dict[str, object], **plan: object) -> Store:
    """Return a store of cells of three seeds, and of a plan of them."""
    store = Store(folder / "by-hand", create=True)
    for number, cell in enumerate(cells):
        add(store, values=BASE - number, **cell)  # type: ignore[arg-type]
    found = [record.cell for record in store.records()[0]]
    store.write_plan({"name": "by-hand", **plan}, found)
    return store


def test_a_board_is_shown_where_a_stranger_calls_a_metric_what_is_no_title(tmp_path):
    own = {"name": "m", "title": "two\nlines"}
    store = by_hand(tmp_path, {"explainer": "one"}, metrics=[own])
    assert leaderboard(store).metrics == {"m": "metric"}


def test_what_has_one_name_on_two_axes_has_a_title_on_each(tmp_path):
    same = component("same")
    called = {axis: {same.key: f"the {name}"} for axis, name in titles.AXES.items()}
    own = {"explainer": "same", "data": "same", "corruption": "same", "detector": "same"}
    store = by_hand(tmp_path, own, titles=called)
    (section,) = leaderboard(store).sections
    assert [row.title for row in section.rows] == ["the explainer"]
    (place,) = section.places.values()
    assert place == ("the dataset", "the detector", "the corruption", "")


def test_versions_of_one_explainer_with_one_title_are_numbered(tmp_path):
    store = by_hand(tmp_path, {"explainer": "one"})
    keys = []
    for record in store.records()[0]:
        later = record.cell.explainer.model_copy(update={"version": "1.2"})
        cell = record.cell.model_copy(update={"explainer": later})
        again = Cell.model_validate(cell.model_dump(mode="json"))
        info = store.write_scores(
            again.key, store.read_scores(record), record.files["attributions"]
        )
        files = {**record.files, "scores": info}
        store.write_record(record.model_copy(update={"cell": again, "files": files}))
        keys += [record.cell.explainer.key, again.explainer.key]
    called = {"explainers": dict.fromkeys(keys, "mine")}
    store.write_plan({"name": "by-hand", "titles": called}, [])
    assert {row.shown for row in leaderboard(store).rows} == {"mine", "mine (version 2)"}


@pytest.mark.parametrize("name", ["random", "deviation", "oracle"])
def test_a_floor_or_a_reference_that_a_suite_calls_something_keeps_its_title(name):
    own = {"explainers": ["residual", {"name": name, "title": "my own"}], "controls": True}
    cells = planning.plan(planning.from_values({**TITLED, **own}, "a"))
    found = {cell.explainer.title for cell in cells if cell.explainer.name == name}
    assert found == {"my own"}


def test_merged_stores_keep_the_titles_of_each(stores, tmp_path, aexbench_cli):
    mended = {"name": "repair", "title": "mended"}
    own = {"explainers": ["residual", mended], "metrics": ["recall"]}
    other = {**PLAIN, **own, "datasets": ["breast-cancer"]}
    aexbench.run(other, store=tmp_path / "other", in_process=True, quiet=True)
    for number, pair in enumerate([(tmp_path / "other", stores[0]), (stores[1], stores[0])]):
        to = tmp_path / str(number)
        assert aexbench_cli("merge", *pair, "--to", to).code == 0
        text = shown(to)
        seen = ("grapes [b]", "error_map", "dice", "small net", "found first")
        assert [title for title in seen if title not in text] == []
        assert ("mended" in text) == (number == 0)
        (suite,) = (suite for suite, _ in open_store(to).plans())
        assert len(suite["metrics"]) == 2 - number  # recall, and recall of top 1 by its title


def test_notes_call_explainers_by_their_titles(tmp_path):
    shown = component("arcana")  # which measures the error itself
    called = {"explainers": {shown.key: "mine", component("bad").key: "broken one"}}
    cells = [{"explainer": "arcana"}, {"explainer": "other"}, {"explainer": "bad"}]
    ablated = {"explainer": "other", "control": "loss-ablated"}
    store = by_hand(tmp_path, *cells, ablated, titles=called)
    for record in store.records()[0]:
        if record.cell.explainer.name == "bad":
            store.write_record(record.model_copy(update={"state": "failed", "reason": "why"}))
        if record.cell.explainer.name == "arcana":
            store.write_record(record.model_copy(update={"timing": None, "untimed": "it hangs"}))
    notes = leaderboard(store).notes
    assert any(note.endswith("ask for the error map: mine") for note in notes)
    assert "broken one has no score: failed: why" in notes
    assert "mine could not be timed: it hangs (--rerun 'arcana' tries it again)" in notes


def test_why_a_suite_ranks_as_it_does_goes_with_its_own_axes():
    assert matrix.asked(TITLED, explainers=["lrp"]).why == TITLED["why"]
    assert matrix.asked(TITLED, corruptions=["adversarial"]).why == ""
