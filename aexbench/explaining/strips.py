"""Windows of series as pictures: what each of the first channels was, and was expected to be, above
a heat map of steps and channels.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from aexbench import series
from aexbench.board.series import NAMED, name_channels
from aexbench.errors import plain
from aexbench.explaining.maps import BRIGHTEST
from aexbench.explaining.parts import Explanation, Window
from aexbench.explaining.sentences import sentence
from aexbench.extras import optional

CHANNELS = 3  # whose values are drawn
WIDTH, STRIP, MAP, TITLE = 4.8, 0.75, 2.0, 0.7  # inches
DOTS = 150
TITLE_WIDTH = 72  # characters of a line
EXPECTED, USUAL = "#d98032", "#c9d6e4"
SMALL = 6.5  # points


def figure(explanations: Sequence[Explanation]) -> Any:
    """Return a figure of matplotlib: for each window the values of its first channels in the user's
    units, with x̂ and what is usual there, and below them the map, red for and blue against.
    """
    figures = optional("matplotlib.figure", extra="plots")
    heights = [TITLE + STRIP * len(_first(one)) + MAP for one in explanations]
    made = figures.Figure(figsize=(WIDTH, sum(heights)), dpi=DOTS, layout="constrained")
    parts = made.subfigures(len(explanations), 1, squeeze=False, height_ratios=heights)
    for part, one in zip(parts[:, 0], explanations, strict=True):
        _one(part, one)
    return made


def _first(one: Explanation) -> list[int]:
    assert one.window is not None
    return series.leading(one.window.attribution, CHANNELS)


def _one(part: Any, one: Explanation) -> None:
    window, first = one.window, _first(one)
    assert window is not None
    ratios = [*[STRIP] * len(first), MAP]
    axes = part.subplots(len(ratios), 1, squeeze=False, sharex=True, height_ratios=ratios)[:, 0]
    for axis, channel in zip(axes, first, strict=False):
        _strip(axis, window, channel)
    _map(axes[-1], window, first)
    axes[-1].set_xlabel(_steps(window), fontsize=SMALL)
    for axis in axes:
        axis.tick_params(labelsize=SMALL, length=2, pad=1)
    title = "\n".join(textwrap.wrap(plain(sentence(one)), TITLE_WIDTH))
    part.suptitle(title.replace("$", r"\$"), fontsize=7.5, x=0.01, ha="left")


def _strip(axis: Any, window: Window, channel: int) -> None:
    """Draw a channel's values, what was expected, and where 90 % of normal windows lie."""
    steps = np.arange(window.length)
    if window.usual is not None:
        low, high = window.usual[..., channel]
        axis.fill_between(steps, low, high, color=USUAL, linewidth=0)
    axis.plot(window.expected[:, channel], color=EXPECTED, linewidth=0.9, linestyle="--")
    axis.plot(window.values[:, channel], color=NAMED, linewidth=1.2)
    axis.set_title(_said(window, channel), fontsize=SMALL, loc="left", pad=2)
    axis.locator_params(axis="y", nbins=3)


def _said(window: Window, channel: int) -> str:
    name = plain(window.channels[channel])[:40].replace("$", r"\$")
    return f"{name}: value, and dashed what was expected"


def _map(axis: Any, window: Window, first: Sequence[int]) -> None:
    relevance = window.attribution
    top = float(np.quantile(np.abs(relevance), BRIGHTEST)) or 1.0
    axis.imshow(
        relevance.T, cmap="RdBu_r", vmin=-top, vmax=top, aspect="auto", interpolation="nearest"
    )
    axis.set_xlim(-0.5, window.length - 0.5)
    axis.locator_params(axis="x", nbins=6, integer=True)
    axis.set_title("attribution: red for, blue against", fontsize=SMALL, loc="left", pad=2)
    name_channels(axis, window.channels, first)


def _steps(window: Window) -> str:
    if window.first_row is None:
        return "step"
    return f"step; 0 is row {window.first_row}"
