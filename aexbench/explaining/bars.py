"""Bar charts: one bar a feature, with its value and what is usual there, and how far it may be off
where the explainer tells that.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from aexbench.board.bars import SPAN
from aexbench.errors import plain
from aexbench.explaining.parts import Explanation, Feature
from aexbench.explaining.sentences import sentence
from aexbench.explaining.tables import Line, left_out, lines
from aexbench.explaining.wording import cut
from aexbench.plotting import drawing

LONGEST_NAME = 30
WIDTH, STEP = 360, 22  # of the bars, in pixels
TITLE_WIDTH = 88  # characters of a line
FOR, AGAINST = "#4c78a8", "#bab0ac"


def chart(explanations: Sequence[Explanation]) -> Any:
    """Return one bar chart below the other."""
    altair = drawing.altair()
    charts = [_chart(altair, one) for one in explanations]
    whole = charts[0] if len(charts) == 1 else altair.vconcat(*charts)
    return whole.configure_view(stroke=None).configure_axis(grid=False)


def _chart(altair: Any, one: Explanation) -> Any:
    pairs = zip(one.features, lines(one), strict=False)
    rows = [_datum(rank, *pair) for rank, pair in enumerate(pairs)]
    base = altair.Chart(altair.Data(values=rows)).encode(y=altair.Y("rank:O", axis=None))
    colour = altair.condition(
        altair.datum.attribution >= 0, altair.value(FOR), altair.value(AGAINST)
    )
    told = any("low" in row for row in rows)
    sure = f", ±{SPAN} standard errors" if told else ""
    title = plain(f"attribution by {one.explainer}{sure}")
    x = altair.X("attribution:Q", title=title, axis=altair.Axis(tickCount=5))
    bar = base.mark_bar().encode(x=x, color=colour)
    span = base.mark_errorbar(ticks=True).encode(x=altair.X("low:Q", title=title), x2="high:Q")
    name = base.mark_text(align="right").encode(x=altair.value(-8), text="name:N")
    value = base.mark_text(align="left").encode(x=altair.value(WIDTH + 8), text="value:N")
    heading = altair.TitleParams(_title(one), subtitle=left_out(one), anchor="start", fontSize=12)
    made = altair.layer(bar, *[span] * told, name, value)
    return made.properties(width=WIDTH, height=altair.Step(STEP), title=heading)


def _title(one: Explanation) -> list[str]:
    return textwrap.wrap(sentence(one), TITLE_WIDTH)


def _datum(rank: int, feature: Feature, line: Line) -> dict[str, Any]:
    """Return what one bar shows; ranks tell bars apart, as two features may have one name."""
    usual = f"  (usual {line.usual})" if line.usual else ""
    return {
        "rank": rank,
        "name": cut(line.name, LONGEST_NAME),
        "attribution": feature.attribution,
        "value": plain(f"{line.value}{usual}"),
        **_span(feature),
    }


def _span(feature: Feature) -> dict[str, float]:
    """Return the ends of a whisker; none where the explainer tells no standard error."""
    if feature.standard_error is None:
        return {}
    reach = SPAN * feature.standard_error
    return {"low": feature.attribution - reach, "high": feature.attribution + reach}
