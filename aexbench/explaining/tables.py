"""An explanation as a table, for a terminal and for a notebook."""

from __future__ import annotations

import html
import shutil
from collections.abc import Sequence
from typing import NamedTuple

from aexbench.errors import plain
from aexbench.explaining.parts import Explanation, Feature, Window
from aexbench.explaining.sentences import agreement, heavy, how_sure, sentence, when
from aexbench.explaining.wording import (
    cut,
    decimals,
    in_short,
    long,
    number,
    percent,
    quoted,
    wrapped,
)
from aexbench.texts import counted

MOST = 10  # features in a table
LEAST_WIDTH, MOST_WIDTH = 40, 100
GAP = 2  # between columns
LEAST_NAME, LONGEST = 12, 24  # of cells with names; numbers are shown as a whole
LEAST_BAR = 11  # with its figures
WAYS_OUT = ((1, 2, 3, 4), (1, 2, 3), (1, 2), (1,), ())  # columns beside name and bar, all first
FOR, AGAINST = "█", "░"  # blocks of a positive and of a negative attribution
TITLES = ("feature", "value", "usual 90 %", "expected", "error", "attribution")


class Line(NamedTuple):
    """One feature's cells, and its attribution as a share of what is positive."""

    name: str
    value: str
    usual: str
    expected: str
    error: str
    share: float | None


def lines(one: Explanation) -> list[Line]:
    """Return the cells of the most responsible features, ten at most."""
    return [_line(feature, one.window) for feature in one.features[:MOST]]


def _line(feature: Feature, window: Window | None = None) -> Line:
    error, column = percent(feature.error_share), feature.leading
    if (found := feature.category) is not None:
        usual = "" if found.frequency is None else f"in {percent(found.frequency)}"
        usual = "never" if found.frequency == 0 else usual
        return Line(feature.name, found.value, usual, found.expected, error, feature.share)
    places = decimals(column)
    name = _called(feature, window)
    usual = ""
    if column.usual is not None:
        low, high = number(column.usual.low, places), number(column.usual.high, places)
        usual = low if low == high else f"{low} – {high}"
    value, expected = number(column.value, places), number(column.expected, places)
    return Line(name, value, usual, expected, error, feature.share)


def _called(feature: Feature, window: Window | None) -> str:
    """Return a feature's name, with what more there is to say in a narrow cell: at which steps its
    relevance lies, or which of its columns has the values beside it.
    """
    if window is not None and feature.steps is not None:
        lying = "spread" if long(feature.steps, window) else in_short(feature.steps)
        return f"{feature.name} ({lying})"
    column = feature.leading
    if len(feature.columns) == 1:
        return feature.name
    if window is not None and len(feature.columns) == len(window.channels):
        channel = window.channels[feature.columns.index(column)]
        if column.name.endswith(channel):  # the feature is a step
            return f"{feature.name}: {channel}"
    return f"{feature.name}: {column.name}"


def left_out(one: Explanation) -> str:
    """Return how many features the table leaves out, and how much they have; "" where none."""
    rest = one.features[MOST:]
    if not rest:
        return ""
    more = f"and {counted(len(rest), 'more feature')}"
    if rest[0].share is None:
        return more
    share = sum(feature.share or 0.0 for feature in rest)
    return f"{more}, {percent(share)} of the attribution"


def remarks(one: Explanation) -> list[str]:
    """Return what stands below the table: how sure, whether others agree, why this explainer."""
    why = f"Why {quoted(one.explainer)}: {plain(one.reason)}."
    lying = "" if one.window is None else when(one.window)
    return [*filter(None, [lying, heavy(one)]), how_sure(one.lead), agreement(one.votes), why]


def as_text(one: Explanation, width: int) -> str:
    """Return an explanation as a sentence, a table and remarks, in so many columns."""
    width = min(max(width, LEAST_WIDTH), MOST_WIDTH)
    rest = [wrapped(text, width)] if (text := left_out(one)) else []
    table = [*_table(lines(one), width), *rest]
    below = [wrapped(text, width) for text in remarks(one)]
    return "\n".join([wrapped(sentence(one), width), "", *table, "", *below])


def _table(rows: Sequence[Line], width: int) -> list[str]:
    """Return the lines of a table; of what it has no room for the error is left out first."""
    every = [Line(*TITLES[:5], None), *rows]
    least = LEAST_NAME + LEAST_BAR
    shown = next(w for w in WAYS_OUT if _taken(every, w) + least <= width or not w)
    name = min(_needed(every, 0), width - LEAST_BAR - _taken(every, shown))
    bar = width - name - _taken(every, shown)
    top = max((abs(row.share) for row in rows if row.share is not None), default=0.0)
    last = [TITLES[5], *(_bar(row.share, top, bar) for row in rows)]
    made = []
    for row, end in zip(every, last, strict=True):
        cells = [cut(str(row[place]), LONGEST).rjust(_needed(every, place)) for place in shown]
        made.append((" " * GAP).join([cut(row.name, name).ljust(name), *cells, end]))
    return made


def _needed(rows: Sequence[Line], place: int) -> int:
    """Return the width of a column."""
    return max(len(cut(str(row[place]), LONGEST)) for row in rows)


def _taken(rows: Sequence[Line], shown: Sequence[int]) -> int:
    """Return the width of some columns with the gaps between all."""
    return sum(_needed(rows, place) for place in shown) + GAP * (len(shown) + 1)


def _bar(share: float | None, top: float, width: int) -> str:
    """Return a share as blocks, the longest one as long as there is room, and in figures."""
    if share is None:
        return "–"
    figures = percent(share)
    room = width - len(figures) - 1
    blocks = round(room * abs(share) / top) if top > 0 else 0
    if share != 0:
        blocks = max(1, blocks)
    return f"{(FOR if share > 0 else AGAINST) * blocks} {figures}".lstrip()


def terminal_width() -> int:
    """Return the width of the terminal; 80 where there is none."""
    return shutil.get_terminal_size((80, 24)).columns


def as_html(one: Explanation) -> str:
    """Return an explanation as HTML; nothing in a name does anything there."""
    head = "".join(f"<th>{title}</th>" for title in TITLES)
    rows = lines(one)
    top = max((abs(row.share) for row in rows if row.share is not None), default=0.0)
    body = "".join(_html_row(row, top) for row in rows)
    below = [text for text in (left_out(one), *remarks(one)) if text]
    told = "".join(f"<p>{_safe(text)}</p>" for text in below)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<div><p>{_safe(sentence(one))}</p>{table}{told}</div>"


def _html_row(row: Line, top: float) -> str:
    cells = "".join(f"<td>{_safe(text)}</td>" for text in row[:5])
    if row.share is None:
        return f"<tr>{cells}<td>–</td></tr>"
    length = 100 * abs(row.share) / top if top > 0 else 0.0
    colour = "#4c78a8" if row.share > 0 else "#bab0ac"
    style = f"display:inline-block;height:.8em;width:{length:.0f}px;background:{colour}"
    return f'<tr>{cells}<td><span style="{style}"></span> {_safe(percent(row.share))}</td></tr>'


def _safe(text: str) -> str:
    return html.escape(plain(text))
