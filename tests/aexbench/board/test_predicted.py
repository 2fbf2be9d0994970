"""What boards say of what their ranking has been seen to predict, in every form that has words."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from pathlib import Path

import pytest

from aexbench.board import predicted
from aexbench.board.leaderboard import Board
from aexbench.board.predicted import CARDS, HEADLINE, PATH, figure, published, taken
from aexbench.board.rendering import FORMATS, as_text
from aexbench.board.sections import Score
from aexbench.board.validity import ALL, PICK, RESIDUAL, THREE, Card, Rule
from tests.aexbench.board.test_leaderboard import board_of_one
from tests.aexbench.test_texts import HOSTILE
from tests.alike import alike

ROOT = Path(__file__).parents[3]
REAL = ROOT / "results" / "real"
ALL_RULES = [
    Rule("random", Score(0.3), Score(0.07), 2),
    Rule(THREE, Score(0.04, -0.1, 0.18), Score(0.13, 0.05, 0.21), 7),
    Rule(ALL, Score(0.2, 0.1, 0.3), Score(0.08, 0.0, 0.16), 6),
    Rule(PICK, None, Score(0.11, 0.1, 0.12), 8),
    Rule(RESIDUAL, None, Score(0.04, 0.0, 0.08), 8),
]
CARD = Card("symptom", HEADLINE, [*"abcdefgh"], ["residual", "lrp"], [], ALL_RULES)
SEEN = (
    "what the order by recall[top=truth] has predicted: on real labels of results/real (7 data "
    "sets with labelled symptoms), to take the first by the mean of null, random and adversarial "
    "lost 0.13 [0.05, 0.21] of it against the best there (a random pick 0.11, always residual "
    "0.04). Kendall's τ with the order by labels: 0.04 [-0.10, 0.18] (1 the same, 0 unrelated, -1 "
    "reversed)."
)
HERE = (
    "what this order has predicted: on the labels here (6 data sets with labelled causes), to take "
    "the first by the mean of all corruptions lost 0.08 [0.00, 0.16] of m against the best there "
    "(a random pick 0.11, always residual 0.04). Kendall's τ with the order by labels: 0.20 [0.10, "
    "0.30] (1 the same, 0 unrelated, -1 reversed)."
)
THE_THREE = ("null[threshold=0.2]", "random", "adversarial")


def board(*corruptions: str, cards=(), **kind: str) -> Board:
    found = board_of_one()
    (section,) = found.sections
    changed = {"kind": section.kind._replace(**kind), "corruptions": corruptions}
    section = dataclasses.replace(section, **changed)
    return dataclasses.replace(found, sections=[section], cards=cards)


def lines(shown: Board) -> list[str]:
    (section,) = shown.sections
    return list(predicted.said(section, shown))


@pytest.fixture
def real(monkeypatch) -> None:
    """Let there be published cards."""
    monkeypatch.setattr(predicted, "published", lambda: [CARD])


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("corruptions", [THE_THREE, ("random",), ("null", "null[threshold=1]")])
def test_a_board_of_the_papers_corruptions_says_what_such_a_ranking_predicted(corruptions):
    assert lines(board(*corruptions)) == [SEEN]


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("corruptions", [("group[size=2]",), (*THE_THREE, "swap")])
def test_of_other_corruptions_nothing_has_been_seen_elsewhere(corruptions):
    assert lines(board(*corruptions)) == []


@pytest.mark.usefixtures("real")
def test_a_board_that_has_labels_says_what_its_own_ranking_predicts():
    own = dataclasses.replace(CARD, metric="m", truth="cause")
    other = dataclasses.replace(CARD, metric="n")
    assert lines(board(*THE_THREE, cards=[other, own])) == [HERE]
    assert lines(board("group", "swap", cards=[own])) == [HERE]
    assert lines(board(*THE_THREE, cards=[other])) == [SEEN]
    (said,) = lines(board("random", cards=[own]))
    assert "here (2 data sets with labelled causes), to take the first by random lost 0.07" in said


@pytest.mark.usefixtures("real")
def test_what_the_order_by_another_metric_predicted_is_not_said_of_this_one():
    own = dataclasses.replace(CARD, metric="m", truth="cause")
    shown = board("group", "swap", cards=[own])
    (section,) = shown.sections
    of_other = dataclasses.replace(section, metric="n")  # where nothing has a score by the first
    (said,) = predicted.said(of_other, dataclasses.replace(shown, metrics={"m": "", "n": ""}))
    assert said == HERE.replace("this order", "the order by m").replace("of m", "of it")
    same = dataclasses.replace(section, metric=HEADLINE, corruptions=THE_THREE)
    (said,) = predicted.said(same, dataclasses.replace(shown, cards=()))
    here = SEEN.replace("the order by recall[top=truth]", "this order")
    assert said == here.replace("of it", "of recall[top=truth]")


@pytest.mark.usefixtures("real")
def test_of_an_order_that_looks_at_no_truth_nothing_has_been_seen():
    shown = board(*THE_THREE, cards=[dataclasses.replace(CARD, metric="m")])
    (section,) = shown.sections
    assert list(predicted.said(dataclasses.replace(section, truthless=True), shown)) == []


@pytest.mark.usefixtures("real")
def test_it_stands_beside_corruptions_of_recipes_and_of_given_networks_alone():
    for kind, count in (({}, 1), ({"target": "network"}, 1), ({"origin": "labels"}, 0)):
        assert as_text(board("random", **kind), 1000).count("on real labels") == count


def test_nothing_is_said_where_nothing_has_been_published(monkeypatch):
    monkeypatch.setattr(predicted, "published", lambda: [])
    assert lines(board(*THE_THREE)) == []


def test_a_rule_that_nobody_could_follow_is_not_spoken_of():
    card = dataclasses.replace(CARD, metric="m", rules=ALL_RULES[3:])
    assert lines(board("random", cards=[card])) == []
    assert lines(board(*THE_THREE, cards=[card])) == []


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("form", ["markdown", "latex", "json", "table"])
def test_every_form_that_has_words_says_it(form):
    shown = board(*THE_THREE)
    text = as_text(shown) if form == "table" else FORMATS[form](shown)
    if form == "json":
        assert f"validity card: {SEEN}" in json.loads(text)["sections"][0]["said"]
    escaped = str.maketrans({"\n": " ", "\\": "", "%": ""})
    assert form == "json" or SEEN in " ".join(text.translate(escaped).split())


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("width", [60, 80])
def test_it_takes_few_lines_of_a_terminal(width):
    with_it, without = (as_text(board(name), width).count("\n") for name in ("random", "swap"))
    assert with_it - without <= 8
    assert max(map(len, as_text(board("random"), width).splitlines())) <= width


@pytest.mark.parametrize(
    ("truth", "said"),
    [
        ("symptom", "labelled symptoms"),
        ("cause", "labelled causes"),
        ("both", "labelled causes that are the symptoms too"),
        ("", "labels"),
        ("else", "labels (else)"),
    ],
)
def test_labels_are_named_by_what_is_known_of_them(truth, said):
    assert dataclasses.replace(CARD, truth=truth).labels == said


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_names_in_a_card_of_ones_own_command_nothing(hostile):
    name = f"a{hostile}b|<c>"
    rules = [Rule(name, Score(0.1), Score(0.1), 2), Rule(f"always {name}", None, Score(0.1), 2)]
    card = Card(name, "m", [name, "b"], [name], [name], rules)
    shown = board(name, cards=[card])
    for form in (FORMATS["markdown"], FORMATS["latex"], FORMATS["json"], as_text):
        assert form(shown).replace("\n", "").isprintable()
    assert "\\|\\<c\\>" in FORMATS["markdown"](shown)


def test_an_interval_that_nobody_knows_is_left_out_and_zero_has_no_sign():
    assert figure(Score(-0.001, -0.004, 0.126)) == "0.00 [0.00, 0.13]"
    assert figure(Score(0.5)) == "0.50"


def test_cards_in_a_file_are_those_that_were_written(tmp_path, monkeypatch):
    path = tmp_path / "predicted.json"
    path.write_bytes(CARDS.dump_json([CARD]))
    monkeypatch.setattr(predicted, "PATH", path)
    published.cache_clear()
    try:
        assert published() == [CARD]
    finally:
        published.cache_clear()


def test_the_published_cards_are_read_and_in_the_wheel():
    assert all(card.metric == HEADLINE for card in published())
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert any(PATH.match(kind) for kind in setuptools["package-data"]["aexbench.board"])


def test_the_published_cards_are_those_of_the_results():
    assert alike(json.loads(PATH.read_bytes()), json.loads(taken(REAL)))
