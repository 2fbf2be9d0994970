"""Colours of charts, on a light ground and on a dark one. Each chart brings its ground, so that it
reads wherever it is put.

No colour stands alone: shapes, dashes or words say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Look:
    """What a chart is drawn in.

    Attributes
    ----------
    ground, ink, soft, grid
        The ground, what is written on it, what stands back (floors, chance, ceiling), and lines.
    main
        Of what is measured.
    lines
        Of several that stand beside each other; their dashes differ too.
    low, high
        Ends of a scale of scores: worse, better.
    on_high, turn
        What is written on the better end of that scale, and from which share on.
    """

    ground: str
    ink: str
    soft: str
    grid: str
    main: str
    lines: tuple[str, ...]
    low: str
    high: str
    on_high: str
    turn: float


LIGHT = Look(
    ground="#ffffff",
    ink="#1f2328",
    soft="#6e7781",
    grid="#dfe3e8",
    main="#1f66ad",
    lines=("#1f66ad", "#c2410c", "#0b7a5c", "#a8327a", "#8a6100", "#5b4bb5"),
    low="#eef3f9",
    high="#1f66ad",
    on_high="#ffffff",
    turn=0.7,
)
DARK = Look(
    ground="#0d1117",
    ink="#e6edf3",
    soft="#9198a1",
    grid="#2b323b",
    main="#58a6ff",
    lines=("#58a6ff", "#ff9d5c", "#3fd1a4", "#f58ac8", "#e3b341", "#b3a5ff"),
    low="#161d27",
    high="#7cbcff",
    on_high="#0d1117",
    turn=0.55,
)
DASHES = ([1, 0], [7, 3], [2, 2], [7, 3, 2, 3], [12, 3], [4, 4])
"""One for each of `lines`."""


def look(dark: bool) -> Look:
    """Return the colours of a ground."""
    return DARK if dark else LIGHT


def dressed(chart: Any, colours: Look) -> Any:
    """Return a whole chart in the colours of its ground."""
    words = {"labelColor": colours.ink, "titleColor": colours.ink, "titleFontWeight": "normal"}
    lines = {"gridColor": colours.grid, "domainColor": colours.soft, "tickColor": colours.soft}
    title = {"color": colours.ink, "subtitleColor": colours.soft, "anchor": "start"}
    return (
        chart.configure(background=colours.ground, padding=12)
        .configure_axis(**words, **lines)
        .configure_legend(**words, labelLimit=400)
        .configure_header(**words)
        .configure_title(**title, fontSize=13, subtitleFontSize=11, subtitlePadding=4)
        .configure_view(stroke=None)
    )
