"""What strangers have named is text everywhere: in pages, pictures, names of files, cells."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from aexbench.publishing import charts
from aexbench.publishing.pages import MOST, broken, prose
from aexbench.publishing.slugs import slug
from tests.aexbench.publishing.conftest import FORMULA, HOSTILE, HUGE, IMAGE, SCRIPT, TRAVERSAL
from tests.aexbench.publishing.html import Page, pages


def test_names_are_text_on_every_page(hostile):
    found = pages(hostile)
    assert len(found) == 1 + 1 + 11 + 2
    for page in found:
        assert page.faults == [], page.path
        assert page.count("script") == 1, page.path
        assert page.count("img") == 0, page.path
        assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]
    index = Page(hostile / "index.html")
    for name in (SCRIPT, IMAGE, TRAVERSAL, FORMULA):
        assert name in index.text, name
    assert "49" not in next(t for t in index.tables[0].column("explainer") if "]]>" in t)


def test_control_characters_and_what_turns_a_line_around_are_gone(hostile):
    for path in hostile.rglob("*.html"):
        assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u200b]", path.read_text()), path


def test_a_huge_name_is_cut_and_breaks_no_line(hostile):
    for page in pages(hostile):
        longest = max((len(data) for _, data in page.texts), default=0)
        assert longest <= MOST + len(" · aexbench"), page.path
    assert HUGE not in (hostile / "index.html").read_text()
    assert sum(p.stat().st_size for p in hostile.rglob("*.html")) < 3_000_000


def test_names_of_files_are_ours(hostile):
    allowed = re.compile(r"[a-z0-9][a-z0-9-]{0,60}\.(html|css|js|json|csv|parquet)")
    for path in hostile.rglob("*"):
        assert path.is_dir() or allowed.fullmatch(path.name), path
    assert not Path("/tmp/evil").exists()
    assert {path.name for path in hostile.iterdir()} == {
        "assets", "data", "datasets", "explainers", "files.json", "index.html", "reading",
    }  # fmt: skip


@pytest.mark.parametrize("name", [*HOSTILE.values(), "", ".", "..", "con", "a/b", "Ä", "\ud800"])
def test_a_slug_is_a_name_of_a_file(name):
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*-[0-9a-f]{8}", slug(name))


def test_names_that_look_alike_have_files_of_their_own():
    assert len({slug(name) for name in ("a b", "a-b", "A b", "a  b", slug("a b"))}) == 5


def test_pictures_are_drawings_in_which_names_are_text(hostile):
    text = (hostile / "index.html").read_text()
    drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawings) == 2
    allowed = {"svg", "g", "path", "text", "tspan", "rect", "line", "title", "defs", "clipPath"}
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        assert {element.tag.rpartition("}")[2] for element in root.iter()} <= allowed
        assert "alert(1)" in "".join(root.itertext())


def test_a_mark_that_says_what_it_likes_is_text():
    svg = (
        b'<svg xmlns="http://www.w3.org/2000/svg"><defs><clipPath id="clip1"/></defs>'
        b'<path clip-path="url(#clip1)" aria-label="&lt;b&gt;: 1" fill="#1f2328"/></svg>'
    )
    drawn = charts.themed(svg, "name", '"><b>')
    assert 'aria-label="&quot;&gt;&lt;b&gt;"' in drawn
    assert "<title>&lt;b&gt;: 1</title>" in drawn
    assert 'clip-path="url(#name-0)"' in drawn
    assert 'id="name-0"' in drawn


def test_no_cell_of_a_table_for_programs_does_anything(hostile):
    (folder,) = (hostile / "data").iterdir()
    for name in ("board.csv", "cells.csv"):
        rows = list(csv.reader(io.StringIO((folder / name).read_text())))
        cells = {cell for row in rows for cell in row}
        assert f"'{FORMULA}" in cells
        assert not [cell for cell in cells if cell[:1] in "=@" and cell]
    values = json.loads((folder / "cells.json").read_text())
    names = {row[values["columns"].index("explainer")] for row in values["rows"]}
    assert {SCRIPT, FORMULA} <= names, "JSON holds names as they are"


def test_texts_of_components_keep_their_marks_and_nothing_else():
    assert prose("`a<b` **c** *d* <i>") == (
        "<code>a&lt;b</code> <strong>c</strong> <em>d</em> &lt;i&gt;"
    )
    assert broken("<b>[x=y]") == "&lt;b&gt;[x=<wbr>y]"
