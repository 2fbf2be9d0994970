"""Every figure and every word of the paper that is shown stands in the paper."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import aexbench
from aexbench import families
from aexbench.components import component
from aexbench.paper import published, settings

PAPER = Path(aexbench.__file__).parents[2] / "shared" / "paper.txt"


@pytest.fixture(scope="module")
def text() -> str:
    if not PAPER.exists():
        pytest.skip(f"the paper's text is not at hand: {PAPER}")
    return PAPER.read_text()


def squeezed(text: str) -> str:
    """Return a text without what breaks of lines and hyphens change."""
    return re.sub(r"[-\s]", "", text)


def rows(text: str) -> dict[str, tuple[float, ...]]:
    """Return the rows of Table 1 by the names that it prints."""
    found = re.findall(
        r"([A-Z][A-Za-z ]+?) (\d\.\d{3}) (\d\.\d{3}) (\d\.\d{3}) (\d\.\d{3})\n", text
    )
    return {name.strip(): tuple(map(float, figures)) for name, *figures in found}


@pytest.mark.parametrize("place", published.TABLE_1, ids="-".join)
def test_rows_of_table_1_are_printed_so(text, place):
    name = place[1].replace("_", " ").title()
    (printed,) = (own for found, own in rows(text).items() if found.endswith(name))
    assert tuple(published.TABLE_1[place]) == printed


def test_no_row_of_table_1_is_left_out(text):
    printed = rows(text)
    assert tuple(published.OVERALL) == printed.pop("Overall")
    assert len(printed) == len(published.TABLE_1)


def test_the_overall_row_is_about_the_mean_of_the_others():
    columns = zip(*published.TABLE_1.values(), strict=True)
    means = [sum(column) / len(column) for column in columns]
    assert list(published.OVERALL) == pytest.approx(means, abs=3e-3)  # it is not exactly that


@pytest.mark.parametrize("name", [*published.QUOTES, *published.SETTINGS])
def test_words_stand_in_the_paper(text, name):
    said = (published.QUOTES | published.SETTINGS)[name]
    assert squeezed(said) in squeezed(text)


def test_numbers_of_settings_are_those_of_the_words():
    words = published.SETTINGS
    assert f"{published.EVALUATIONS} re-evaluations" in words["shap"]
    assert f"and {published.BACKGROUND} as" in words["shap"]
    assert f"K = {settings.COUNT} " in words["count"]
    assert (
        "T = 0.3, T = 0.5 and T = 0.3 for the adversarial, random and null" in words["thresholds"]
    )
    assert settings.THRESHOLDS == {"adversarial": 0.3, "random": 0.5, "null": 0.3}
    for count in settings.SAMPLES:
        assert f"{count} " in words["samples"]


def test_entries_that_stand_for_its_rows_can_be_made():
    entries = [*published.ENTRIES_OF_TABLE_1.values(), *sum(published.OF_FIGURE_2.values(), ())]
    for entry in entries:
        assert component(families.explainers, entry).name
