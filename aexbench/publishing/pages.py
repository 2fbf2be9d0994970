"""Pages of HTML from what is to be shown; whatever strangers have named is text in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

import aexbench
from aexbench.board import cards
from aexbench.errors import plain
from aexbench.plotting import looks
from aexbench.publishing import beside, boards, charts, datasets, explainers
from aexbench.publishing.links import Links
from aexbench.publishing.pictures import Pictures
from aexbench.publishing.reading import Reading
from aexbench.texts import pathless

MOST = 2000  # characters of a text
MARKS = (
    (re.compile(r"`{1,2}([^`]+)`{1,2}"), "code"),
    (re.compile(r"\*\*([^*]+)\*\*"), "strong"),
    (re.compile(r"(?<![\w*])\*(\w[^*]*)\*(?![\w*])"), "em"),
)  # of docstrings
MARK = "\N{ZERO WIDTH SPACE}"  # no text that is shown holds one
BREAKS, LONG = re.compile(r"(?<=[=_,/])(?=\w)|(?<=\w)(?=\[)"), re.compile(r"\w{24}(?=\w)")
SCRIPT, STYLE = "assets/page.js", "assets/page.css"
Listed = Mapping[str, Sequence[tuple[str, int]]]  # files of data with their sizes, by board


def pages(
    readings: Sequence[Reading], links: Links, drawn: Pictures, data: Listed
) -> Iterator[tuple[str, bytes]]:
    """Yield the pages, by their names in the folder, and what they need."""
    shown = [boards.board(reading, links) for reading in readings]
    papers = {reading.slug: own for reading in readings if (own := beside.shown(reading))}
    title = " and ".join(reading.name for reading in readings)
    index = {"boards": shown, "papers": papers, "data": data, "why": drawn.why}
    yield "index.html", _page("index.html", title, **index)
    for paper in papers.values():
        yield paper.path, _page("paper.html", paper.title, paper=paper)
    for board in shown:
        yield board.path, _page("reading.html", f"How to read {board.name}", board=board)
    for explainer in explainers.explainers(readings, links):
        pictures = drawn.explainers[explainer.name]
        page = _page("explainer.html", explainer.title, one=explainer, pictures=pictures)
        yield explainer.path, page
    for dataset in datasets.datasets(readings, links):
        pictures = drawn.datasets[dataset.name]
        yield dataset.path, _page("dataset.html", dataset.name, one=dataset, pictures=pictures)
    yield STYLE, _style()
    yield SCRIPT, resources.files(__package__).joinpath("templates", "page.js").read_bytes()


def _page(template: str, title: str, **values: Any) -> bytes:
    """Return a page; all but the first lie one folder down."""
    root = "" if template == "index.html" else "../"
    html = _environment().get_template(template).render(title=title, root=root, **values)
    return (html.strip() + "\n").encode("utf-8", "replace")


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"version": aexbench.__version__, "legend": cards.LEGEND}
    made.globals |= {"script": SCRIPT, "style": STYLE}
    made.filters |= {"size": size, "prose": prose, "broken": broken}
    return made


def _finalized(value: object) -> object:
    return _shown(value) if type(value) is str else value


@lru_cache(100_000)
def _shown(text: str) -> str:
    """Return a stranger's text as pages show it: in one line, without folders, cut where it is
    long.
    """
    shown = plain(pathless(text[: 2 * MOST]))
    return shown if len(shown) <= MOST else f"{shown[: MOST - 1]}…"


@lru_cache(100_000)
def broken(text: str) -> Markup:
    """Return a name that lines may be broken in: at its brackets and signs, or else anywhere.

    >>> broken("lrp[root=joint]")
    Markup('lrp<wbr>[root=<wbr>joint]')
    """
    marked = LONG.sub(rf"\g<0>{MARK}", BREAKS.sub(MARK, _shown(text)))
    return Markup("<wbr>").join(marked.split(MARK))


def prose(text: str) -> Markup:
    """Return a docstring's text with what stands in backticks or between stars as that.

    >>> prose("**Bold** `x < y`")
    Markup('<strong>Bold</strong> <code>x &lt; y</code>')
    """
    shown = str(escape(_shown(text)))
    for pattern, tag in MARKS:
        shown = pattern.sub(rf"<{tag}>\1</{tag}>", shown)
    return Markup(shown)


def size(count: int) -> str:
    """Return the size of a file in words.

    >>> size(120), size(120_000), size(3_400_000)
    ('1 kB', '120 kB', '3.4 MB')
    """
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} kB"


def _style() -> bytes:
    """Return the style sheet, with the colours of charts."""
    text = (
        _environment()
        .get_template("page.css")
        .render(light=_colours(looks.LIGHT), dark=_colours(looks.DARK))
    )
    return text.encode()


def _colours(look: looks.Look) -> list[tuple[str, str]]:
    values = asdict(look)
    return [(name, values[name]) for name in charts.COLOURS]
