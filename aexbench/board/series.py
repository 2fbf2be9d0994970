"""Windows of series as pictures: a heat map over time, channel by channel, and above it the values
at the same steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aexbench import series
from aexbench.board.bars import TRUE
from aexbench.contracts import AnomalySet
from aexbench.errors import plain
from aexbench.extras import optional

BRIGHTEST = 0.995  # quantile of a map's positive values that is drawn brightest
LED = 3  # channels that an explainer names, in the line plot
NAMES = 8  # of channels beside a map, at most
LONGEST = 14  # characters of a name
NAMED, REST = "#4c78a8", "#c3c9d0"  # what the explainer names and is not true; other channels
HEIGHTS = (1.0, 1.6)  # of the values and of the map
INCHES, DOTS = (2.4, 2.3), 110  # a window's, across and down
SMALL = 5.5  # points


@dataclass(frozen=True)
class Window:
    """A window (T, D) with its truth, an explainer's map, if there is one, and its channels."""

    values: NDArray[Any]
    truth: NDArray[np.bool_]
    map: NDArray[Any] | None
    names: tuple[str, ...]

    @staticmethod
    def of(anomalies: AnomalySet, number: int, maps: NDArray[Any] | None) -> Window:
        """Return one window of an anomaly set, with its map of those (N, T, D)."""
        x, truth = anomalies.x[number], anomalies.truth[number]
        names = series.channels(anomalies.features, x.shape)
        return Window(x, truth, None if maps is None else maps[number], names)

    @property
    def true(self) -> list[int]:
        """The channels that are true at some step."""
        return [int(channel) for channel in np.flatnonzero(np.any(self.truth, axis=0))]

    @property
    def named(self) -> list[int]:
        """The channels that the explainer gives the most."""
        return [] if self.map is None else series.leading(self.map, LED)


def figure(
    lines: Sequence[Sequence[Window]], titles: Sequence[Sequence[str]], dots: int = DOTS
) -> Any:
    """Return a figure of matplotlib with windows in lines, each under its title, one a column."""
    figures = optional("matplotlib.figure", extra="plots")
    columns = max(map(len, lines))
    size = (INCHES[0] * columns, INCHES[1] * len(lines) + 0.5)
    made = figures.Figure(figsize=size, dpi=dots, layout="constrained")
    ratios = [*HEIGHTS] * len(lines)
    axes = made.subplots(2 * len(lines), columns, squeeze=False, height_ratios=ratios)
    for line, (windows, texts) in enumerate(zip(lines, titles, strict=True)):
        for column in range(columns):
            above, below = axes[2 * line][column], axes[2 * line + 1][column]
            if column >= len(windows):
                above.set_axis_off()
                below.set_axis_off()
                continue
            draw(above, below, windows[column])
            above.set_title(texts[column], fontsize=7)
    return made


def draw(above: Any, below: Any, window: Window) -> None:
    """Draw a window's values, and beneath them its map with the true cells outlined; the values
    themselves take the map's place where there is none.
    """
    _values(above, window)
    _map(below, window)
    outline(below, window.truth.T)
    name_channels(below, window.names, window.named, window.true)
    for axis in (above, below):
        axis.set_xlim(-0.5, len(window.values) - 0.5)
        axis.tick_params(labelsize=SMALL, length=1.5, pad=1)
    above.tick_params(labelbottom=False)
    above.locator_params(axis="y", nbins=2)
    below.locator_params(axis="x", nbins=4, integer=True)


def _values(axis: Any, window: Window) -> None:
    """Draw the channels as lines: red where they are true at some step, blue where the explainer
    names one that is not, bold what it names; the true steps shaded.
    """
    marked = dict.fromkeys(window.named, NAMED)
    marked |= dict.fromkeys(window.true, TRUE)
    _lines(axis, window.values, set(range(window.values.shape[1])) - set(marked), REST, 0.4)
    for channel, colour in marked.items():
        width = 1.3 if channel in window.named else 0.7
        _lines(axis, window.values, [channel], colour, width)
    for first, last in runs(np.asarray(window.truth.any(axis=1))):
        axis.axvspan(first - 0.5, last + 0.5, color=TRUE, alpha=0.08, linewidth=0)


def _lines(
    axis: Any, values: NDArray[Any], channels: Iterable[int], colour: str, width: float
) -> None:
    chosen = sorted(channels)
    if chosen:
        axis.plot(values[:, chosen], color=colour, linewidth=width)


def _map(axis: Any, window: Window) -> None:
    shown = window.values if window.map is None else window.map
    positive = shown[shown > 0]
    top = float(np.quantile(positive, BRIGHTEST)) if len(positive) else 1.0
    cmap = "gray" if window.map is None else "inferno"
    axis.imshow(shown.T, cmap=cmap, vmin=0.0, vmax=top, aspect="auto", interpolation="nearest")


def outline(axis: Any, truth: NDArray[np.bool_]) -> None:
    """Draw the edges between true cells (D, T) and others, exactly where they are."""
    lines = [*_edges(truth), *(line[:, ::-1] for line in _edges(truth.T))]
    for line in lines:
        axis.plot(*line.T, color="cyan", linewidth=0.7, solid_capstyle="butt")


def _edges(truth: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Return the vertical edges of true cells (D, T) as lines from (x, y) to (x, y)."""
    padded = np.pad(truth, ((0, 0), (1, 1)))
    found = []
    for place, changes in enumerate((padded[:, 1:] != padded[:, :-1]).T):
        found += [
            np.array([(place, first), (place, last + 1)]) - 0.5 for first, last in runs(changes)
        ]
    return found


def runs(marked: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the first and the last place of each run of marked ones.

    >>> runs(np.array([True, True, False, True]))
    [(0, 1), (3, 3)]
    """
    edges = np.flatnonzero(np.diff(np.pad(marked, 1).astype(np.int8))).tolist()
    return [(first, stop - 1) for first, stop in zip(edges[::2], edges[1::2], strict=True)]


def name_channels(
    axis: Any, names: Sequence[str], named: Sequence[int], true: Sequence[int] = ()
) -> None:
    """Name the channels beside a map: all where they are few, else what the explainer names and
    what is true, as far as there is room; red where they are true.
    """
    wanted = [*named, *true] if len(names) > NAMES else range(len(names))
    shown = _apart(wanted, -(-len(names) // NAMES))
    axis.set_yticks(shown, [_label(names[channel]) for channel in shown])
    for channel, text in zip(shown, axis.get_yticklabels(), strict=True):
        text.set_color(TRUE if channel in true else "black")


def _apart(wanted: Iterable[int], least: int) -> list[int]:
    """Return those places that lie so far apart that names beside them do not meet, the first of
    the wanted ones first.

    >>> _apart([7, 6, 2], 2)
    [2, 7]
    """
    kept: list[int] = []
    for place in wanted:
        if all(abs(place - other) >= least for other in kept):
            kept.append(place)
    return sorted(kept)


def _label(name: str) -> str:
    text = plain(name)
    return (text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…").replace("$", r"\$")
