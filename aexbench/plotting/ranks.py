"""`ranks`: each explainer's mean with its interval, and the places that it may have."""

from __future__ import annotations

from typing import Any

from aexbench.board.leaderboard import Board
from aexbench.board.sections import Section
from aexbench.plotting.choosing import Wanted, heading, levels, metric_title, span
from aexbench.plotting.drawing import altair
from aexbench.plotting.looks import Look
from aexbench.plotting.names import fold
from aexbench.plotting.parts import by_row, name_labels, points, step, upright_levels

SCORES, RANKS = 300, 200  # widths in pixels
NAME = 36  # characters of a line
ABOUT = "full: surely above every floor; hollow: not known to be; diamonds: floors; lines: 95 %"


def data(section: Section, wanted: Wanted) -> list[dict[str, Any]]:
    """Return one line for each explainer and floor, in the board's order.

    `low` and `high` end the mean's interval, `first` and `last` the ranks; None where nobody can
    know.
    """
    rows = [row for row in wanted.rows(section.rows) if row.role != "reference"]
    lines = []
    for place, row in enumerate(rows):
        score, (first, last) = row.scores[section.metric], row.rank or (None, None)
        lines.append(
            {
                "place": place,
                "name": fold(row.shown + _incomplete(row.note), NAME),
                "mark": mark(row.role, row.note),
                "score": score.mean,
                "low": score.low,
                "high": score.high,
                "first": first,
                "last": last,
            }
        )
    return lines


def mark(role: str, note: str) -> str:
    """Return how a row is marked: `floor`, `above` its floors, or `unsure`."""
    if role == "floor":
        return "floor"
    return "unsure" if note else "above"


def _incomplete(note: str) -> str:
    return " (incomplete)" if note == "incomplete" else ""


def chart(board: Board, section: Section, wanted: Wanted, colours: Look) -> Any:
    """Return a section's chart: scores at the left, ranks at the right."""
    alt, rows = altair(), data(section, wanted)
    ranked = sum(row.rank is not None for row in section.rows)
    sides = [_scores(alt, rows, board, section, colours)]
    if ranked:
        sides.append(_ranks(alt, rows, ranked, colours))
    title = alt.TitleParams(heading(board, section), subtitle=ABOUT)
    return alt.hconcat(*sides, spacing=24, title=title)


def _scores(alt: Any, rows: list[dict[str, Any]], board: Board, section: Section, c: Look) -> Any:
    base = by_row(alt, rows)
    scale = alt.Scale(domain=span(section), nice=True)
    x = alt.X("score:Q", title=metric_title(board, section), scale=scale)
    line = base.mark_rule(color=c.soft, clip=True).encode(
        x=alt.X("low:Q", scale=scale), x2="high:Q"
    )
    dots = points(alt, base.encode(x=x), c)
    across = upright_levels(alt, levels(section), "score", c)
    made = alt.layer(*across, line, dots, *name_labels(alt, rows, c))
    return made.properties(width=SCORES, height=alt.Step(step(rows)))


def _ranks(alt: Any, rows: list[dict[str, Any]], ranked: int, c: Look) -> Any:
    base = by_row(alt, rows)
    axis = alt.Axis(tickMinStep=1, format="d", tickCount=min(ranked, 10))
    scale = alt.Scale(domain=[0.5, ranked + 0.5], nice=False)
    x = alt.X("first:Q", title="rank (1: the best), 95 % over all pairs", axis=axis, scale=scale)
    known = "datum.first !== null"
    bar = base.transform_filter(known).mark_rule(strokeWidth=5, strokeCap="round", color=c.main)
    text = base.transform_filter(known).transform_calculate(
        ranks="datum.first === datum.last ? '' + datum.first : datum.first + '–' + datum.last"
    )
    said = text.mark_text(align="left", dx=8, color=c.soft, fontSize=10).encode(
        x=alt.X("last:Q", scale=scale), text="ranks:N"
    )
    made = alt.layer(bar.encode(x=x, x2="last:Q"), said)
    return made.properties(width=RANKS, height=alt.Step(step(rows)))
