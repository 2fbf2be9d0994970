"""LaTeX of boards: every brace and environment closes, and every row has its columns."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aexbench.board.leaderboard import leaderboard
from aexbench.board.rendering import as_latex
from aexbench.running.packed import open_store
from tests.aexbench.board.test_layout import board

RESULTS = Path(__file__).parents[3] / "results"


@pytest.fixture(scope="module", params=["quickstart", "images", "twenty"])
def text(request) -> str:
    if request.param == "twenty":
        return as_latex(board(20))
    return as_latex(leaderboard(open_store(RESULTS / request.param)))


def code(text: str) -> str:
    """Return LaTeX without its comments and without escaped characters."""
    lines = [line for line in text.splitlines() if not line.startswith("%")]
    return re.sub(r"\\[\\&%$#_{}]", "", "\n".join(lines))


def test_every_brace_and_formula_closes(text):
    depth = 0
    for character in code(text):
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    assert code(text).count("$") % 2 == 0


def test_nothing_that_latex_reads_as_code_is_left_in_a_name(text):
    assert not re.search(r"[#%~]", code(text))
    outside = re.sub(r"\$[^$]*\$", "", code(text))
    assert "^" not in outside
    assert "_" not in outside


def test_what_is_begun_ends(text):
    open_ones = []
    for how, what in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if how == "begin":
            open_ones.append(what)
        else:
            assert open_ones.pop() == what
    assert open_ones == []


def test_every_row_has_as_many_columns_as_its_table_says(text):
    inner = re.compile(r"\\begin\{tabular\}\[[bt]\].*?\\end\{tabular\}")
    flat = inner.sub("x", text)
    tables = re.findall(r"\\begin\{tabular\}\{(\w+)\}\n(.*?)\\end\{tabular\}", flat, re.DOTALL)
    assert len(tables) >= 3
    for columns, body in tables:
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert rows
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(columns)}


def test_every_table_has_a_caption_and_a_label_of_its_own(text):
    floats = text.split(r"\begin{table}")[1:]
    assert len(floats) == 3
    labels = re.findall(r"\\label\{(tab:[\w-]+)\}", text)
    assert len(set(labels)) == 3
    assert all(r"\caption{" in one and r"\toprule" in one for one in floats)
    assert "the best in bold" in floats[0]
    assert "by group" in floats[1]


def test_no_letter_beyond_ascii_is_left_to_the_reader(text):
    assert code(text).isascii()
