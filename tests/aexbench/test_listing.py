"""`aexbench list` fits its terminal, and says what programs need as JSON."""

from __future__ import annotations

import json

import pytest

from aexbench import families


@pytest.mark.parametrize("family", [*families.FAMILIES, "suites"])
def test_every_name_is_listed_within_the_width(aexbench_cli, monkeypatch, family):
    monkeypatch.setenv("COLUMNS", "60")
    outcome = aexbench_cli("list", family)
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert max(map(len, lines)) <= 60
    rows = json.loads(aexbench_cli("list", family, "--json").out)
    assert [f"  {row['name']}" for row in rows] == [n for n in lines if n[:2] == "  " != n[2:4]]


def test_a_strangers_summary_is_printed_without_control_characters(aexbench_cli):
    @families.metrics.register("loud")
    def loud(attributions, truth):
        """Say \x1b[31mred\x07."""
        return attributions

    out = aexbench_cli("list", "metrics").out
    assert "\x1b[31m" not in out
    assert "\x07" not in out


def test_a_terminal_of_a_few_columns_is_no_error(aexbench_cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "6")
    assert aexbench_cli("list", "metrics").code == 0
