"""A page taken apart by the parser of the standard library."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "link", "br", "img", "input", "wbr", "hr"}


@dataclass
class Table:
    """A table: its caption, header and rows as texts."""

    caption: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    rows: list[list[str]] = field(default_factory=list)
    scopes: list[list[str]] = field(default_factory=list)

    def column(self, name: str) -> list[str]:
        place = self.rows[0].index(name)
        return [row[place] for row in self.rows[1:]]


class Page(HTMLParser):
    """What stands on a page; `faults` are tags that are not closed in their order."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.path, self.faults, self.open = path, list[str](), list[str]()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.tables: list[Table] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.faults += self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append((tag, attributes))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append(Table(attributes=attributes))
        elif tag == "tr":
            self.tables[-1].rows.append([])
            self.tables[-1].scopes.append([])
        elif tag in ("td", "th"):
            self.tables[-1].rows[-1].append("")
            self.tables[-1].scopes[-1].append(attributes.get("scope", tag))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            self.faults.append(tag)
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))
        if "caption" in self.open:
            self.tables[-1].caption += data
        elif {"td", "th"} & set(self.open):
            self.tables[-1].rows[-1][-1] += data

    @property
    def text(self) -> str:
        """All that can be read, in one line."""
        return " ".join("".join(data for _, data in self.texts).split())

    def values(self, name: str) -> list[str]:
        """Return the values of an attribute."""
        return [attributes[name] for _, attributes in self.tags if name in attributes]

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def pages(folder: Path) -> list[Page]:
    return [Page(path) for path in sorted(folder.rglob("*.html"))]
