"""The charts of `aexbench plot` inside a page: light and dark by the page's own colours, what a
point stands for said where one points at it, and no chart library.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from xml.etree import ElementTree

from markupsafe import Markup

from aexbench.board.leaderboard import Board
from aexbench.board.sections import Section
from aexbench.errors import RequestError, SkipError
from aexbench.plotting import choosing, drawing, kinds, looks
from aexbench.plotting.choosing import Wanted

SVG = "http://www.w3.org/2000/svg"
MOST_ROWS = 100  # of a picture that can be read
COLOURS = ("ground", "ink", "soft", "grid", "main", "low", "high")  # of a look, and of the pages
VARIABLES = {asdict(looks.LIGHT)[name]: name for name in reversed(COLOURS)}
INNER = {"place", "across", "down", "number", "count", "mark", "said", "front"}
"""What marks say of themselves for the drawing's sake."""
CLIP = re.compile(r"url\(#([^)]+)\)")
Element = ElementTree.Element


def inline(kind: str, board: Board, section: Section, name: str) -> Markup | str:
    """Return a section's chart as SVG, or in a sentence why there is none.

    Parameters
    ----------
    kind
        A name of `kinds.OF_BOARDS`.
    name
        What begins the names of the chart's parts, another one for each chart of a page.
    """
    if len(section.rows) > MOST_ROWS:
        return f"No picture: {len(section.rows)} rows are too many to be read in one."
    try:
        chart = kinds.OF_BOARDS[kind](board, section, Wanted(), looks.LIGHT)
        drawn = drawing.to_bytes(looks.dressed(chart, looks.LIGHT), "svg")
    except (RequestError, SkipError) as error:
        return f"No picture: {error}."
    return Markup(themed(drawn, name, f"{kind}: {choosing.heading(board, section)}"))


def themed(svg: bytes, name: str, label: str) -> str:
    """Return an SVG that takes its colours from the page around it.

    >>> svg = b'<svg xmlns="http://www.w3.org/2000/svg"><path fill="#ffffff"/></svg>'
    >>> themed(svg, "name", "label")[40:]
    'role="img" aria-label="label"><path fill="var(--ground)" /></svg>'
    """
    root = ElementTree.fromstring(svg)
    names = {one.get("id", ""): f"{name}-{n}" for n, one in enumerate(_with_id(root))}
    for element in root.iter():
        _dress(element, names)
    root.set("role", "img")
    root.set("aria-label", label)
    ElementTree.register_namespace("", SVG)
    return ElementTree.tostring(root, encoding="unicode")


def _with_id(root: Element) -> Iterator[Element]:
    return (element for element in root.iter() if element.get("id"))


def _dress(element: Element, names: dict[str, str]) -> None:
    """Give an element the page's colours and names, and its title where it stands for a figure."""
    label = element.get("aria-label", "")
    for key, value in list(element.attrib.items()):
        if key in ("role", "class") or key.startswith("aria-"):
            del element.attrib[key]
        elif key in ("fill", "stroke") and value in VARIABLES:
            element.set(key, f"var(--{VARIABLES[value]})")
        elif key == "id":
            element.set(key, names[value])
        elif found := CLIP.fullmatch(value):
            element.set(key, f"url(#{names[found[1]]})")
    if said := in_words(label):
        ElementTree.SubElement(element, f"{{{SVG}}}title").text = said


def in_words(label: str) -> str:
    """Return what a mark says of itself, without what it says for the drawing's sake.

    >>> in_words("recall@1: 0.964123535493; place: 0; mark: above")
    'recall@1: 0.964'
    >>> in_words("across: 12.5; down: 3.1")
    ''
    """
    pairs = [part.rpartition(": ") for part in label.split("; ")]
    shown = [f"{key}: {_rounded(value)}" for key, _, value in pairs if key and key not in INNER]
    return "; ".join(shown) if not label.startswith(("X-axis", "Y-axis")) else ""


def _rounded(value: str) -> str:
    try:
        return f"{float(value):.3g}"
    except ValueError:
        return value
