"""Explanations as pictures: bar charts of features, and heat maps of images and windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aexbench.errors import RequestError
from aexbench.explaining import bars, maps, strips
from aexbench.explaining.parts import Explanation
from aexbench.plotting import drawing


def drawn(explanations: Sequence[Explanation]) -> Any:
    """Return a chart of altair, or for images and windows a figure of matplotlib.

    Raises
    ------
    RequestError
        If there is no explanation.
    SkipError
        If the package that draws is not installed: it says which extra brings it.
    """
    if not explanations:
        raise RequestError("there is no explanation to draw")
    if explanations[0].window is not None:
        return strips.figure(explanations)
    images = explanations[0].pixels is not None
    return maps.figure(explanations) if images else bars.chart(explanations)


def picture(explanations: Sequence[Explanation], form: str) -> bytes:
    """Return the bytes of a picture, `svg` or `png`."""
    found = drawn(explanations)
    rows = explanations[0].kind == "rows"
    return drawing.to_bytes(found, form) if rows else maps.to_bytes(found, form)
