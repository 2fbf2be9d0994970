"""The page of a store beside the paper: linked, with the same tables, and safe from its names."""

from __future__ import annotations

import html
from pathlib import Path

import pytest

from aexbench.paper import paper
from aexbench.publishing import publish
from aexbench.running.packed import Packed, open_store
from tests.aexbench.publishing.conftest import IMAGE, RESULTS, SCRIPT, renamed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages of two published boards, one of which has nothing of the paper."""
    pytest.importorskip("vl_convert")
    to = tmp_path_factory.mktemp("beside") / "pages"
    publish([RESULTS / "mvtec", RESULTS / "images"], to)
    return to


def test_a_store_has_a_page_where_it_has_something_of_the_paper(folder):
    (page,) = (folder / "paper").iterdir()
    index = (folder / "index.html").read_text()
    assert index.count(f'href="paper/{page.name}"') == 1
    assert page.name.startswith("mvtec")


def test_it_shows_what_the_command_shows(folder):
    (page,) = (folder / "paper").iterdir()
    text = html.unescape(page.read_text().replace("<wbr>", ""))
    for part in paper.paper(open_store(RESULTS / "mvtec")).parts:
        assert part.title in text
        for cell in (cell for line in part.lines for cell in line):
            assert cell in text


def test_names_of_strangers_are_text_in_it(tmp_path):
    pytest.importorskip("vl_convert")
    names = {"deviation": SCRIPT, "digits": IMAGE, "repair": "x" * 10_000}
    publish([renamed(Packed(RESULTS / "quickstart"), tmp_path / "store", names)], tmp_path / "to")
    (page,) = (tmp_path / "to" / "paper").iterdir()
    text = page.read_text()
    assert html.escape(SCRIPT) in text.replace("<wbr>", "")
    assert SCRIPT not in text
    assert "<img" not in text
    assert text.count("<svg") == 2
