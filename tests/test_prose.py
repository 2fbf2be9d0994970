"""Figures that are told of published boards stand in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
NOTES = (ROOT / "results" / "README.md").read_text(encoding="utf-8")
# Of a board are the figures with a 0 before the point; others have their command beside them.
SECTIONS = re.findall(r"\n## What `([\w-]+)` shows\n(.*?)(?=\n## |\Z)", NOTES, re.DOTALL)
OF_A_BOARD = re.compile(r"(?<![\d.,])0\.\d\d(?!\d)|(?<![\d.,])1\.00(?!\d)")
ELSEWHERE = {"real", "images-h200"}  # validity, other metrics, a GPU's
CATALOGUE = (ROOT / "docs" / "explainers.md").read_text(encoding="utf-8")
TOLD = [
    entry
    for entry in re.findall(r"- \*\*Measured\.\*\* (.*?)(?=\n- \*\*|\n\n)", CATALOGUE, re.DOTALL)
    if "`results/" in entry
]
OF_AN_EXPLAINER = re.compile(r"(?<![\d.])\.\d\d(?!\d)")


def numbers(row: dict[str, Any]) -> Iterator[float | None]:
    """Yield the scores of a row, in all and by group, its gain, and how alike its maps are."""
    scores = row["scores"].values()
    yield from (score["mean"] if isinstance(score, dict) else score for score in scores)
    yield from (score for score, *_ in row["by_group"].values())
    yield from (number for name, number in (row["gain"] or {}).items() if name != "floor")
    yield from (row["alike"] or {}).values()


@cache
def shown(name: str) -> frozenset[str]:
    """Return the figures of a board's rows as prose writes them, with two decimals and no sign."""
    board = json.loads((ROOT / "results" / name / "board.json").read_text(encoding="utf-8"))
    rows = [row for section in board["sections"] for row in section["rows"]]
    found = [number for row in rows for number in numbers(row)]
    return frozenset(f"{abs(number):.2f}" for number in found if number is not None)


@pytest.mark.parametrize(("name", "text"), SECTIONS, ids=[name for name, _ in SECTIONS])
def test_notes_tell_figures_of_their_board(name, text):
    own = text.replace("0.78 on `quickstart`", "")
    assert "0.78" in shown("quickstart")
    missing = set(OF_A_BOARD.findall(own)) - shown(name)
    assert name in ELSEWHERE or not missing


@pytest.mark.parametrize("text", TOLD, ids=[text[:40] for text in TOLD])
def test_the_catalogue_tells_figures_of_the_boards_that_it_names(text):
    names = re.findall(r"`results/([\w-]+)`", text)
    known = frozenset().union(*(shown(name) for name in names))
    assert {f"0{figure}" for figure in OF_AN_EXPLAINER.findall(text)} <= known


def test_there_are_figures_to_be_found():
    assert len(SECTIONS) > 6
    assert len(TOLD) > 8
    assert all(OF_A_BOARD.findall(text) for name, text in SECTIONS if name not in ELSEWHERE)
