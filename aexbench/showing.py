"""How objects show themselves: a few lines of text, and a small table for notebooks.

What an object says stands in `summaries`; here is its form. Texts may be strangers': they are cut
and escaped, and nothing in them does anything. Colours are those around, light or dark.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len, set_cell_size

from aexbench.errors import plain

WIDTH = 80  # columns of a terminal
MOST = 400  # characters of a cell in HTML
MOST_LISTED = 30  # names in one line


@dataclass(frozen=True)
class Summary:
    """A headline and facts by name, in few words.

    Examples
    --------
    >>> print(Summary("Dataset of 2 columns", {"train": "5 samples", "test": "3 samples"}).text())
    Dataset of 2 columns
      train  5 samples
      test   3 samples
    """

    title: str
    facts: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """Return one line, and one more for each fact, of 80 columns at most."""
        width = max(map(cell_len, map(plain, self.facts)), default=0)
        lines = [f"  {_padded(plain(name), width)}  {plain(f)}" for name, f in self.facts.items()]
        return "\n".join(cut(line.rstrip()) for line in [plain(self.title), *lines])

    def html(self) -> str:
        """Return a table with the headline as its caption."""
        rows = "".join(_fact(name, fact) for name, fact in self.facts.items())
        return f"<table>{_caption(self.title)}<tbody>{rows}</tbody></table>"


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def cut(text: str, width: int = WIDTH) -> str:
    """Return a line of at most `width` columns, `…` for what does not fit.

    >>> cut("abcdef", 4), cut("数据数据", 6)
    ('abc…', '数据…')
    """
    if cell_len(text) <= width:
        return text
    return f"{set_cell_size(text, width - 1).rstrip()}…"


def shortened(parts: Sequence[str], separator: str, width: int) -> str:
    """Return parts in one line of at most `width` columns; the middle goes where they are too many.

    >>> shortened(["a", "b", "c", "d"], "-", 5)
    'a-…-d'
    """
    whole = separator.join(parts)
    kept = len(parts)
    while cell_len(whole) > width and kept > 2:
        kept -= 1
        first, last = parts[: (kept + 1) // 2], parts[len(parts) - kept // 2 :]
        whole = separator.join([*first, "…", *last])
    return cut(whole, width)


def listed(names: Sequence[str], width: int = 64) -> str:
    """Return the first names in at most `width` columns, and how many there are besides.

    >>> listed(["apple", "pear", "plum"], width=16), listed(["a", "b"])
    ('apple and 2 more', 'a, b')
    """
    for count in range(min(len(names), MOST_LISTED), -1, -1):
        rest = len(names) - count
        text = ", ".join(names[:count]) + (f" and {rest:,} more" if rest else "")
        if count < 2 or cell_len(text) <= width:
            break
    return cut(text, width)


def escaped(text: str) -> str:
    """Return a stranger's text as HTML shows it.

    >>> escaped("<b>&\\x1b")
    '&lt;b&gt;&amp; '
    """
    shown = plain(text)
    return html.escape(shown if len(shown) <= MOST else f"{shown[: MOST - 1]}…")


def table(
    caption: str,
    names: Sequence[str],
    lines: Sequence[Sequence[str]],
    left: Sequence[int] = (0,),
    strong: Collection[tuple[int, int]] = (),
) -> str:
    """Return an HTML table, its figures to the right.

    Parameters
    ----------
    caption
        Above the table.
    names, lines
        Texts of the header and of the rows, all of one length.
    left
        The columns of texts; the first of them names the rows.
    strong
        Which cells are bold: their rows and columns.
    """
    sides = ["left" if column in left else "right" for column in range(len(names))]
    head = "".join(_header(name, "col", side) for name, side in zip(names, sides, strict=True))
    bold = [{column for row, column in strong if row == place} for place in range(len(lines))]
    body = "".join(
        f"<tr>{_row(line, sides, left[0], own)}</tr>" for line, own in zip(lines, bold, strict=True)
    )
    return f"<table>{_caption(caption)}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row(line: Sequence[str], sides: Sequence[str], naming: int, bold: Collection[int] = ()) -> str:
    return "".join(
        _header(text, "row", side) if column == naming else _cell(text, side, column in bold)
        for column, (text, side) in enumerate(zip(line, sides, strict=True))
    )


def items(said: Iterable[str]) -> str:
    """Return lines as an HTML list."""
    found = "".join(f"<li>{escaped(one)}</li>" for one in said)
    return f"<ul>{found}</ul>" if found else ""


def _caption(title: str) -> str:
    style = "caption-side: top; text-align: left; color: inherit"
    return f'<caption style="{style}"><strong>{escaped(title)}</strong></caption>'


def _fact(name: str, fact: str) -> str:
    return f"<tr>{_header(name, 'row', 'left')}{_cell(fact, 'left')}</tr>"


def _header(text: str, scope: str, side: str) -> str:
    return f'<th scope="{scope}" style="text-align: {side}">{escaped(text)}</th>'


def _cell(text: str, side: str, bold: bool = False) -> str:
    weight = "; font-weight: bold" if bold else ""
    return f'<td style="text-align: {side}{weight}">{escaped(text)}</td>'
