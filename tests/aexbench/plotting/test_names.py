"""Names in charts are told apart, and nothing in them does anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexbench.board.shortening import left_out, short
from aexbench.plotting.names import LINES, fold
from tests.aexbench.test_texts import HOSTILE

PARTS = st.sampled_from(["wine", "null[count=9]", "null[count=8,size=2]", "a[b=[1, 2]]", "x]", "["])
NAMES = st.lists(st.lists(PARTS, min_size=1, max_size=3).map(" / ".join), min_size=1, unique=True)


@given(NAMES)
def test_short_names_are_told_apart(names):
    found = short(names)
    assert list(found) == names
    assert len(set(found.values())) == len(names)


def test_what_components_of_one_name_share_is_said_once():
    names = ["a[x=1,y=2] / null[t=0.2]", "a[x=1,y=3] / null[t=0.2]", "b / random"]
    found = short(names)
    assert list(found.values()) == ["a[y=2] / null", "a[y=3] / null", "b / random"]
    assert left_out(found) == "in full: a[x=1,y=2], null[t=0.2], a[x=1,y=3]"


def test_a_component_without_parameters_keeps_those_of_others_of_its_name():
    names = ["wine / null", "digits / null[count=9]"]
    assert list(short(names).values()) == names


def test_one_group_keeps_its_name():
    assert short(["wine / null"]) == {"wine / null": "wine / null"}


def test_parts_that_all_share_are_said():
    found = short(["wine / null", "wine / random"])
    assert list(found.values()) == ["null", "random"]
    assert left_out(found) == "all: wine"


def test_long_names_are_folded_and_cut():
    assert fold("a" * 100, 30).split("\n") == ["a" * 30, "a" * 30, "a" * 30, "a" * 10]
    lines = fold("b" * 200, 30).split("\n")
    assert len(lines) == LINES
    assert lines[-1] == "b" * 30 + "…"


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_nothing_that_a_terminal_obeys_is_in_a_name(hostile):
    name = f"a{hostile}b"
    assert fold(name, 30).isprintable()
    assert all(found.isprintable() for found in short([name, "c"]).values())
    assert left_out(short([f"{name} / a", f"{name} / b"])).isprintable()


def test_no_folder_is_in_a_name():
    name = "file[path=/home/me/rows.csv]"
    assert fold(name, 40) == "file[path=rows.csv]"
    assert short([name, "wine"])[name] == "file"
    assert left_out(short([name, "wine"])) == "in full: file[path=rows.csv]"
