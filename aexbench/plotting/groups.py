"""`groups`: the paper's Table 1 as a picture, groups as rows and explainers as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aexbench.board.comparing import LEAST_UNITS, enough_units
from aexbench.board.figures import FEW
from aexbench.board.leaderboard import Board
from aexbench.board.sections import Row, Section
from aexbench.board.shortening import left_out, short
from aexbench.plotting.choosing import Wanted, heading, metric_title
from aexbench.plotting.drawing import altair, values
from aexbench.plotting.looks import Look
from aexbench.plotting.names import fold
from aexbench.plotting.parts import LINE, MANY, below_title, name_labels, step

MEAN = "all groups"
CELL = 31  # a column's width in pixels
NAME, HEAD = 56, 30  # characters of a line of a row's name and of a column's
DIGITS = 2  # of a score; those that are shown alike are alike
ABOUT = "bold, framed: the best explainer of a row; ·: not surely above its floor there"


def data(section: Section, wanted: Wanted) -> list[dict[str, Any]]:
    """Return one line for each group and row of the board, the mean over groups first.

    `shade` is 0 for the worst score of all and 1 for the best, `best` whether no explainer is shown
    with a better one in that group; `text` is what stands in the cell.
    """
    rows = wanted.rows(section.rows)
    groups = wanted.groups(sorted(section.groups))
    names = {MEAN: MEAN} | _named(groups, section)
    found = [_line(name, row, section) for name in _lines(groups, wanted) for row in rows]
    columns = {row.explainer: place for place, row in enumerate(rows)}
    places = {name: place for place, name in enumerate(_lines(groups, wanted))}
    for line in found:
        line |= {"place": places[line["group"]], "column": columns[line["explainer"]]}
        line["name"] = names[line["group"]]
    return _shaded(found, section.higher)


def _lines(groups: Sequence[str], wanted: Wanted) -> list[str]:
    """Return the lines: the board's mean first, where all of its groups are drawn."""
    return [*([] if wanted.only else [MEAN]), *groups]


def _named(groups: Sequence[str], section: Section) -> dict[str, str]:
    """Return how groups are called, with the mark of those that have few units."""
    few = {group: FEW * (not enough_units(section.groups[group])) for group in groups}
    names = short([section.shown_group(group) for group in groups]).values()
    return {group: fold(name + few[group], NAME) for group, name in zip(groups, names, strict=True)}


def _line(group: str, row: Row, section: Section) -> dict[str, Any]:
    score, gain = row.by_group.get(group, (None, None))
    if group == MEAN:
        score, gain = row.scores[section.metric].mean, row.gain
    sure = gain is None or gain.low is None or gain.above
    return {
        "group": group,
        "explainer": row.explainer,
        "title": row.shown,
        "mark": row.role,
        "rival": row.role == "explainer" and (group != MEAN or row.complete),
        "score": score,
        "text": "–" if score is None else f"{'' if sure else '·'}{score:.{DIGITS}f}",
    }


def _shaded(lines: list[dict[str, Any]], higher: bool) -> list[dict[str, Any]]:
    """Return the lines with their shades, and which are the best of their groups."""
    known = [line["score"] for line in lines if line["score"] is not None]
    worst, best = (min(known), max(known)) if higher else (max(known), min(known))
    tops = _tops(lines, higher)
    for line in lines:
        score, top = line["score"], tops.get(line["group"])
        own = line["rival"] and score is not None
        line["best"] = own and top is not None and round(score, DIGITS) == round(top, DIGITS)
        line["shade"] = 0.0 if score is None else (score - worst) / ((best - worst) or 1.0)
    return lines


def _tops(lines: list[dict[str, Any]], higher: bool) -> Mapping[str, float]:
    """Return the best score that an explainer has in each group."""
    tops: dict[str, float] = {}
    for line in lines:
        if line["rival"] and line["score"] is not None:
            before = tops.get(line["group"], line["score"])
            tops[line["group"]] = (max if higher else min)(before, line["score"])
    return tops


def chart(board: Board, section: Section, wanted: Wanted, colours: Look) -> Any:
    """Return a section's chart: the floors, and what chance and the truth reach, at the right."""
    alt, lines = altair(), data(section, wanted)
    about = [
        f"{metric_title(board, section)}: more blue is better; {ABOUT}",
        *_notes(section, wanted),
    ]
    title = alt.TitleParams(heading(board, section), subtitle=about)
    columns = {line["column"]: line for line in lines}
    rows = {line["place"]: {**line, "mark": ""} for line in lines}
    parts = [*_cells(alt, lines, colours), *name_labels(alt, list(rows.values()), colours)]
    parts += _heads(alt, list(columns.values()), colours)
    size = {"width": alt.Step(CELL), "height": alt.Step(step(list(rows.values())))}
    return alt.layer(*parts).properties(title=title, **size)


def _notes(section: Section, wanted: Wanted) -> list[str]:
    """Return what the names of the groups leave out, and the sign of those of few units."""
    groups = wanted.groups(sorted(section.groups))
    missing = left_out(short([section.shown_group(group) for group in groups]))
    said = [missing] if missing else []
    if not all(enough_units(section.groups[group]) for group in groups):
        said.append(f"{FEW}: fewer than {LEAST_UNITS} units, which show nothing alone")
    return [part for line in said for part in below_title(line)]


def _cells(alt: Any, lines: list[dict[str, Any]], c: Look) -> list[Any]:
    """Return the cells: shade, figure, and a frame where nobody is better."""
    x, y = alt.X("column:O", axis=None), alt.Y("place:O", axis=None)
    base = alt.Chart(values(alt, lines)).encode(x=x, y=y)
    shades = alt.Scale(domain=[0, 1], range=[c.low, c.high])
    shade = alt.Color("shade:Q", scale=shades, legend=None)
    ink = alt.condition(f"datum.shade > {c.turn}", alt.value(c.on_high), alt.value(c.ink))
    frame = base.transform_filter("datum.best").mark_rect(
        filled=False, stroke=c.ink, strokeWidth=1.5
    )
    figures = [
        base.transform_filter(f"datum.best === {best}")
        .mark_text(fontSize=10, fontWeight=weight)
        .encode(text="text:N", color=ink)
        for best, weight in (("true", "bold"), ("false", "normal"))
    ]
    return [base.mark_rect(stroke=c.ground).encode(color=shade), frame, *figures]


def _heads(alt: Any, columns: list[dict[str, Any]], c: Look) -> list[Any]:
    """Return the names of the columns, upright; those of floors and references stand back."""
    rows = [line | {"head": fold(line["title"], HEAD)} for line in columns]
    base = alt.Chart(values(alt, rows)).encode(x=alt.X("column:O", axis=None))
    ink = alt.condition(alt.datum.mark == "explainer", alt.value(c.ink), alt.value(c.soft))
    return [
        base.transform_filter(f"length(split(datum.head, '\\n')) === {lines}")
        .mark_text(align="left", angle=270, dy=-LINE * (lines - 1) / 2, **MANY)
        .encode(y=alt.value(-6), text="head:N", color=ink)
        for lines in sorted({row["head"].count("\n") + 1 for row in rows})
    ]
