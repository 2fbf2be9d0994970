"""`pareto`: quality against time, and the explainers that no other one beats in both."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aexbench.board.leaderboard import Board
from aexbench.board.sections import Row, Section
from aexbench.errors import RequestError
from aexbench.plotting.choosing import (
    Wanted,
    heading,
    levels,
    metric_title,
    span,
)
from aexbench.plotting.drawing import altair, values
from aexbench.plotting.looks import Look
from aexbench.plotting.names import fold
from aexbench.plotting.parts import MANY, below_title, level_lines, points, step, ticks
from aexbench.plotting.placing import placed
from aexbench.plotting.ranks import mark

WIDTH, LEAST_HEIGHT = 400, 300
ROOM = 1.6  # at both ends of the times, as a factor
KEY_NAME = 46  # characters of a line of the key
KEY_WIDTH = 380
KEY = (("right", 14, "count:N"), ("left", 22, "name:N"), ("right", KEY_WIDTH, "said:N"))
MILLI = 1e3
ABOUT = (
    "bold, on the stepped line: no explainer is both as good and as fast",
    "full: surely above every floor; hollow: not known to be; diamonds: floors",
)


def data(section: Section, wanted: Wanted) -> list[dict[str, Any]]:
    """Return one line for each explainer and floor that was timed on the machine that most were
    timed on, in the board's order.

    `ms` is the median time of one sample, `front` whether no explainer is as fast and better, or as
    good and faster; floors are not asked, nor those that lack scores.

    Raises
    ------
    RequestError
        If none has been timed alone.
    """
    rows = [row for row in wanted.rows(section.rows) if row.role != "reference"]
    here = machine(rows)
    timed = [row for row in rows if row.latency_s is not None and row.hardware == here]
    rivals = [row for row in timed if row.role == "explainer" and row.complete]
    best = front(rivals, section)
    return [
        {
            "number": number,
            "name": fold(row.shown, KEY_NAME),
            "mark": mark(row.role, row.note),
            "score": row.scores[section.metric].mean,
            "low": row.scores[section.metric].low,
            "high": row.scores[section.metric].high,
            "ms": (row.latency_s or 0.0) * MILLI,
            "front": row.explainer in best,
        }
        for number, row in enumerate(timed, start=1)
    ]


def machine(rows: Sequence[Row]) -> str:
    """Return the machine that most rows were timed on: times of two are never ranked."""
    known = Counter(row.hardware for row in rows if row.latency_s is not None)
    if not known:
        raise RequestError(
            "no explainer here has a time of its own: a run with --jobs 1 on one machine measures "
            "them"
        )
    return known.most_common(1)[0][0]


def untimed(section: Section, wanted: Wanted) -> list[str]:
    """Return the explainers that are not drawn, each with the reason."""
    rows = [row for row in wanted.rows(section.rows) if row.role != "reference"]
    here, explainers = machine(rows), [row for row in rows if row.role == "explainer"]
    left = [row for row in explainers if row.latency_s is None or row.hardware != here]
    return [f"{row.shown} ({row.hardware or 'not timed'})" for row in left]


def front(rows: Sequence[Row], section: Section) -> list[str]:
    """Return the names of rows that no other beats: none is better and no slower, or faster and as
    good. The fastest first.
    """
    sign = 1.0 if section.higher else -1.0
    costs = {r.explainer: (r.latency_s or 0.0, -sign * r.scores[section.metric].mean) for r in rows}

    def beaten(own: tuple[float, float]) -> bool:
        others = (other for other in costs.values() if other != own)
        return any(time <= own[0] and loss <= own[1] for time, loss in others)

    return sorted((n for n, own in costs.items() if not beaten(own)), key=costs.__getitem__)


def chart(board: Board, section: Section, wanted: Wanted, colours: Look) -> Any:
    """Return a section's chart, with a key of its numbers at the right."""
    alt, rows = altair(), data(section, wanted)
    here = machine(wanted.rows(section.rows))
    about = [*ABOUT, *below_title(f"timed on {here}")]
    if missing := untimed(section, wanted):
        about += below_title(f"not drawn: {', '.join(missing)}")
    title = alt.TitleParams(heading(board, section), subtitle=about)
    space = Space(span(section), times(rows), max(LEAST_HEIGHT, step(rows) * len(rows)))
    plot = _plot(alt, space, rows, board, section, colours)
    key = _key(alt, rows, metric_title(board, section), colours)
    return alt.hconcat(plot, key, spacing=24, title=title)


@dataclass(frozen=True)
class Space:
    """The span of scores and of times (ms) that is drawn, and its height in pixels."""

    scores: tuple[float, float]
    times: tuple[float, float]
    height: int

    def place(self, row: dict[str, Any]) -> tuple[float, float]:
        """Return where a row's point is, in pixels from the upper left corner."""
        (low, high), (first, last) = self.scores, self.times
        across = math.log(row["ms"] / first) / math.log(last / first)
        up = (row["score"] - low) / (high - low or 1.0)
        return WIDTH * across, self.height * (1.0 - up)


def times(rows: list[dict[str, Any]]) -> tuple[float, float]:
    """Return from where to where times are drawn (ms), with room at both ends."""
    known = [row["ms"] for row in rows]
    return min(known) / ROOM, max(known) * ROOM


def _plot(
    alt: Any, space: Space, rows: list[dict[str, Any]], board: Board, section: Section, c: Look
) -> Any:
    base = alt.Chart(values(alt, _labelled(space, rows)))
    axis = alt.Axis(format="~g", values=ticks(*space.times))
    wide = alt.Scale(type="log", domain=space.times, nice=False)
    x = alt.X("ms:Q", title="time of one sample, alone [ms]", axis=axis, scale=wide)
    scale = alt.Scale(domain=space.scores, nice=False)
    y = alt.Y("score:Q", title=metric_title(board, section), scale=scale)
    low = alt.Y("low:Q", scale=scale)
    line = base.mark_rule(color=c.soft, opacity=0.4, clip=True).encode(x=x, y=low, y2="high:Q")
    stairs = base.transform_filter("datum.front").mark_line(
        interpolate="step-after", color=c.main, strokeWidth=1.5
    )
    label = base.mark_text(fontSize=11, color=c.ink).encode(
        x=alt.X("across:Q", scale=alt.Scale(domain=[0, WIDTH]), axis=None),
        y=alt.Y("down:Q", scale=alt.Scale(domain=[space.height, 0]), axis=None),
        text="number:N",
    )
    across = level_lines(alt, levels(section), "score", c)
    dots = [*across, line, stairs.encode(x=x, y=y), points(alt, base.encode(x=x, y=y), c)]
    made = alt.layer(alt.layer(*dots), label).resolve_scale(x="independent", y="independent")
    return made.properties(width=WIDTH, height=space.height)


def _labelled(space: Space, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with the places of their numbers."""
    places = placed([space.place(row) for row in rows], [str(row["number"]) for row in rows])
    return [row | {"across": x, "down": y} for row, (x, y) in zip(rows, places, strict=True)]


def _key(alt: Any, rows: list[dict[str, Any]], metric: str, c: Look) -> Any:
    """Return who is who: number, name, score and time; those of the front are bold."""
    base = alt.Chart(values(alt, rows)).encode(y=alt.Y("number:O", axis=None))
    said = "format(datum.score, '.2f') + ' · ' + format(datum.ms, '.3~r') + ' ms'"
    texts = base.transform_calculate(count="'' + datum.number", said=said)
    parts = [
        texts.transform_filter(f"datum.front === {state}")
        .mark_text(align=align, fontWeight=weight, color=c.ink, **MANY)
        .encode(x=alt.value(place), text=text)
        for state, weight in (("true", "bold"), ("false", "normal"))
        for align, place, text in KEY
    ]
    head = alt.Chart(values(alt, [{"said": f"{metric} · time of one sample"}])).mark_text(
        align="right", baseline="bottom", color=c.soft, fontSize=10
    )
    above = head.encode(x=alt.value(KEY_WIDTH), y=alt.value(-4), text="said:N")
    return alt.layer(*parts, above).properties(width=KEY_WIDTH, height=alt.Step(step(rows)))
