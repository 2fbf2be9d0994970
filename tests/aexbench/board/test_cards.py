"""What `aexbench validity` prints, in all forms and widths, and which requests it refuses."""

from __future__ import annotations

import dataclasses
import io
import json
import re

import pytest
from rich.console import Console

from aexbench.board import cards
from aexbench.board.cards import FORMATS, LEGEND, VERSION, as_rich, lines, notes, title
from aexbench.board.predicted import CARDS, HEADLINE, taken
from aexbench.board.rendering import as_markdown
from aexbench.board.sections import Score
from aexbench.board.validity import HALVES, OTHERS, PICK, THREE, Card, Rule
from aexbench.running.plans import write_grown
from aexbench.running.store import Store
from tests.aexbench.board.test_predicted import board
from tests.aexbench.board.test_validity import few, put
from tests.aexbench.test_texts import HOSTILE

GROUP = "group[size=log-uniform,choice=half,donor=alarm,threshold=alarm]"
RULES = [
    Rule(GROUP, Score(0.26, -0.034, 0.55), Score(0.1, 0.09, 0.11), 3),
    Rule(THREE, Score(-0.152, -1.0, 1.0), Score(0.114, 0.0, 10.0), 2),
    Rule(OTHERS, Score(0.42), Score(0.0833), 3),
    Rule(PICK, None, Score(0.1, 0.07, 0.15), 3),
    Rule("always residual[form=standardised]", None, Score(0.07, 0.03, 0.1), 3),
    Rule("always deviation", None, Score(-0.0379, -0.16, 0.08), 3),
]
CARD = Card("symptom", "recall[top=truth]", ["smd", "omi[x=1]", "c"], ["a", "b"], ["z"], RULES)


def shown(found: list[Card], width: int) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(as_rich(found))
    return console.export_text()


def test_a_row_is_a_rule_with_its_figures():
    assert lines(CARD) == [
        [GROUP, "0.26 [-0.03, 0.55]", "0.10 [0.09, 0.11]"],
        [f"{THREE} (on 2)", "-0.15 [-1.00, 1.00]", "0.11 [0.00, 10.00]"],
        [OTHERS, "0.42", "0.08"],
        [PICK, "", "0.10 [0.07, 0.15]"],
        ["always residual[form=standardised]", "", "0.07 [0.03, 0.10]"],
        ["always deviation", "", "-0.04 [-0.16, 0.08]"],
    ]
    assert title(CARD) == "recall[top=truth]: 2 explainers on 3 data sets with labelled symptoms"
    assert list(notes(CARD)) == ["On smd, omi[x=1], c.", "Without z: they lack a score here."]
    assert len(list(notes(dataclasses.replace(CARD, incomplete=[])))) == 1


def squeezed(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_terminal_shows_every_word_and_figure(width):
    text = shown([CARD], width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert all(figures in text for _, *both in lines(CARD) for figures in both)
    names = re.sub(r"-?\d+\.\d\d( \[.*\])?", "", text)  # without figures
    for words in (title(CARD), *(name for name, *_ in lines(CARD)), *notes(CARD), *LEGEND):
        assert squeezed(words) in squeezed(names)


def test_names_stay_whole_on_80_columns():
    text = shown([CARD], 80)
    for words in ("group[size=log-uniform,", "always residual[form=standardised]", PICK, OTHERS):
        assert words in text
    assert max(len(line) for line in text.splitlines() if "[" in line) <= 80


def test_markdown_is_a_table_of_as_many_columns_everywhere():
    table = FORMATS["markdown"]([CARD]).split("\n\n")[1].splitlines()
    assert {line.count(" | ") for line in table} == {2}
    assert len(table) == 2 + len(RULES)
    assert table[0] == "| choosing by | τ | regret |"
    assert r"always residual\[form=standardised\]" in table[6]


def test_the_legend_stands_once_below_all_cards():
    for text in (FORMATS["markdown"]([CARD, CARD]), shown([CARD, CARD], 100)):
        assert text.count("Kendall") == 1
        assert text.count("On smd") == 2


def test_json_holds_every_figure_in_full():
    values = json.loads(FORMATS["json"]([CARD]))
    assert values["schema_version"] == VERSION == 1
    assert CARDS.validate_python(values["cards"]) == [CARD]


def test_a_board_in_markdown_holds_the_card_of_its_metric():
    own = dataclasses.replace(CARD, metric="m")
    text = as_markdown(board("random", cards=[CARD, own]))
    assert "m: 2 explainers on 3 data sets with labelled symptoms" in text
    assert r"recall\[top=truth\]: 2 explainers" not in text
    assert r"(on 2) | -0.15 \[-1.00, 1.00\] |" in text
    assert "choosing by" not in as_markdown(board("random"))


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_no_form_of_a_card_holds_what_a_terminal_obeys(hostile):
    name = f"a{hostile}b[red]|<c>"
    rule = dataclasses.replace(RULES[0], name=name)
    card = Card(name, name, [name], [name], [name], [rule])
    forms = {**FORMATS, "table": lambda found: shown(found, 200)}
    for form, render in forms.items():
        text = render([card])
        assert text.replace("\n", "").isprintable()
        assert "\N{HANGUL FILLER}" not in text
        assert form != "table" or text.count("b[red]|<c>") == 5
        assert form != "markdown" or text.count(r"b\[red\]\|\<c\>") == 5


@pytest.fixture
def store(tmp_path) -> Store:
    found = Store(tmp_path / "store", create=True)
    put(found, few("one", "two", "three"), metric=HEADLINE)
    return found


def test_the_command_shows_the_cards_of_a_store(store, aexbench_cli):
    outcome = aexbench_cli("validity", store.root)
    assert (outcome.code, outcome.err) == (0, "")
    head = "recall[top=truth]: 4 explainers on 3 data sets with labelled symptoms"
    assert outcome.out.startswith(head)
    for words in ("random", OTHERS, PICK, "always dice", "On one, three, two.", f"{HALVES} (on 2)"):
        assert words in outcome.out
    assert "oracle" not in outcome.out
    (card,) = json.loads(aexbench_cli("validity", store.root, "--format", "json").out)["cards"]
    assert card["entities"] == ["one", "three", "two"]
    out = aexbench_cli("validity", store.root, "--format", "markdown").out
    assert out.startswith(r"**recall\[top=truth\]: 4 explainers")


def test_the_command_takes_a_metric_and_data_sets(store, aexbench_cli):
    asked = ("-m", HEADLINE, "-d", "one", "-d", "two")
    assert "4 explainers on 2 data sets" in aexbench_cli("validity", store.root, *asked).out


def test_the_command_counts_what_suites_ask_for(store, aexbench_cli):
    records = store.records()[0]
    write_grown(store, {"name": "mine"}, [r.cell for r in records if r.cell.explainer.name != "b"])
    assert "3 explainers on 3 data sets" in aexbench_cli("validity", store.root).out


def test_what_cannot_be_read_is_said_on_the_error_stream(store, aexbench_cli):
    (store.root / "cells" / f"{'0' * 32}.json").write_text("not json")
    outcome = aexbench_cli("validity", store.root, "--format", "json")
    assert len(json.loads(outcome.out)["cards"]) == 1
    assert outcome.err.count("\n") == 1
    assert "is no record" in outcome.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-m", "recall[top=tru]"], "unknown metric of this store 'recall[top=tru]'; did you mean"),
        (["-d", "four"], "unknown data set of this store 'four'"),
        (["-d", "one"], "needs labels and corruptions on two data sets"),
        (["--format", "csv"], "unknown format 'csv'"),
    ],
)
def test_a_wrong_request_is_refused_in_one_line(store, aexbench_cli, options, said):
    outcome = aexbench_cli("validity", store.root, *options)
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert said in outcome.err


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (lambda c: c.corruption == "random", "labels and corruptions on two data sets"),
        (lambda c: c.corruption == "labels", "labels and corruptions on two data sets"),
        (lambda c: c.explainer == "a", "two explainers with every score there"),
        (lambda c: False, "has no scores to rank (no records)"),
    ],
)
def test_a_store_that_shows_nothing_is_refused_in_one_line(tmp_path, aexbench_cli, wanted, said):
    store = Store(tmp_path / "s", create=True)
    put(store, [cell for cell in few("one", "two") if wanted(cell)])
    outcome = aexbench_cli("validity", store.root)
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert said in outcome.err


def test_the_published_form_holds_the_card_of_the_headline_alone(store):
    put(store, [c._replace(data=f"{c.data} n") for c in few("one", "two")], metric="n")
    (card,) = CARDS.validate_json(taken(store.root))
    assert (card.metric, len(card.entities)) == (HEADLINE, 3)
    assert cards.as_json([card]) == FORMATS["json"]([card])
