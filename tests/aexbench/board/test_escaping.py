"""What spreadsheets, Markdown and LaTeX make of a stranger's text: the text."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexbench.board.escaping import csv_cell, latex, markdown, markdown_block
from aexbench.board.rendering import FORMATS, as_text
from tests.aexbench.board.test_leaderboard import board_of_one
from tests.aexbench.test_texts import HOSTILE

SIGNS = ["=", "+", "-", "@", "＝", "＋", "－", "＠", "﹦", "⁺", "−"]
BEFORE = ["", " ", "  ", "'", '"', "\N{ZERO WIDTH SPACE}", "\ufeff", "\N{NO-BREAK SPACE}", "\t "]
AFTER = ["a;", "a; ", "a;;", ";\N{ZERO WIDTH SPACE}"]


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("before", BEFORE)
def test_a_formula_in_any_disguise_is_text(sign, before):
    assert csv_cell(f"{before}{sign}HYPERLINK(x)")[0] == "'"


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("before", AFTER)
def test_a_formula_behind_a_semicolon_is_text_where_that_separates(sign, before):
    for part in csv_cell(f"{before}{sign}cmd()").split(";")[1:]:
        assert part == "" or part[0] == "'"


@pytest.mark.parametrize(
    "value", [-0.5, 3, True, None, "-0.5", "+1e-3", "-12", "lrp[low=-1]", "a-b"]
)
def test_numbers_stay_numbers_and_names_names(value):
    assert csv_cell(value) == value


@pytest.mark.parametrize("value", ["-1+1", "-1e", "+A1", "-inf", "１", "-１"])
def test_what_is_hardly_a_number_is_none(value):
    assert csv_cell(value) == (value if value == "１" else f"'{value}")


@given(st.text(st.characters(codec="utf-8")))
def test_no_text_has_more_than_one_line_anywhere(text):
    for shown in (csv_cell(text), markdown(text), markdown_block(text), latex(text)):
        assert shown.isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b`c`", r"a\|b\`c\`"),
        ("<img src=x>&lt;", r"\<img src=x\>\&lt;"),
        ("![x](https://y/z)", r"\!\[x\](https:\//y/z)"),
        ("WWW.x.org", r"WWW\.x.org"),
        ("~~gone~~ $x$", r"\~\~gone\~\~ \$x\$"),
    ],
)
def test_markup_of_markdown_is_shown_as_text(text, shown):
    assert markdown(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("- item", r"\- item"),
        ("  + item", r"\+ item"),
        ("12. item", r"12\. item"),
        ("3) item", r"3\) item"),
        ("===", r"\==="),
        ("# title", r"\# title"),
        ("    code", "code"),
        ("2 of 3", "2 of 3"),
    ],
)
def test_at_the_beginning_of_a_line_it_begins_nothing_in_markdown(text, shown):
    assert markdown_block(text) == shown


def test_every_special_character_of_latex_is_shown():
    assert latex(r"\&%$#_{}~^") == (
        r"\textbackslash{}\&\%\$\#\_\{\}\textasciitilde{}\textasciicircum{}"
    )
    assert latex('<>|"`') == (
        r"\textless{}\textgreater{}\textbar{}\textquotedbl{}\textasciigrave{}"
    )
    assert [latex("[1cm]"), latex("*x")] == ["{}[1cm]", "{}*x"]


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_no_form_of_a_board_holds_what_a_terminal_obeys(hostile):
    name = f"a{hostile}b"
    board = board_of_one(f"{name} / null", note=name, **{name: 0.5})
    (row,) = board.rows
    row = dataclasses.replace(row, explainer=name, hardware=name)
    (section,) = board.sections
    section = dataclasses.replace(section, rows=[row, row], detectable=0.1, settling=3)
    board = dataclasses.replace(board, sections=[section], metrics={"m": name}, title=name)
    for form in (*FORMATS.values(), as_text):
        ended = form in (FORMATS["csv"], FORMATS["groups"])
        text = form(board).replace("\r\n" if ended else "\n", "")
        assert text.isprintable()
        assert "\N{HANGUL FILLER}" not in text
    comments = [line for line in FORMATS["latex"](board).split("\n") if line.startswith("%")]
    assert comments[-1].startswith("% a ")
