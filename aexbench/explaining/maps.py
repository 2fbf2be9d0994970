"""Heat maps: an image, what the network makes of it, and what the explainer points at."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aexbench.explaining.parts import Explanation, Pixels
from aexbench.extras import optional

BRIGHTEST = 0.995  # quantile of a map's absolute values that is drawn in full colour
INCHES, DOTS = 2.4, 150
NAMELESS = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}
COLUMNS = ("image", "expected (x̂)", "attribution")


def figure(explanations: Sequence[Explanation]) -> Any:
    """Return a figure of matplotlib: a row a sample; maps are red for, blue against."""
    figures = optional("matplotlib.figure", extra="plots")
    size = (INCHES * len(COLUMNS), (INCHES + 0.3) * len(explanations))
    made = figures.Figure(figsize=size, dpi=DOTS, layout="constrained")
    axes = made.subplots(len(explanations), len(COLUMNS), squeeze=False)
    for row, one in zip(axes, explanations, strict=True):
        assert one.pixels is not None
        _row(row, one, one.pixels)
    return made


def to_bytes(made: Any, form: str) -> bytes:
    """Return a figure as SVG or PNG; nothing in it says when or by what it was made."""
    held = io.BytesIO()
    made.savefig(held, format=form, metadata=NAMELESS[form])
    return held.getvalue()


def _row(axes: Any, one: Explanation, pixels: Pixels) -> None:
    for axis, title, image in zip(axes, COLUMNS, (pixels.x, pixels.x_hat), strict=False):
        low, high = float(pixels.x.min()), float(pixels.x.max())
        axis.imshow(_shown(image, low, high), cmap="gray", vmin=0.0, vmax=1.0)
        axis.set_title(title, fontsize=8)
    relevance = pixels.attribution.sum(axis=0)
    top = float(np.quantile(np.abs(relevance), BRIGHTEST)) or 1.0
    axes[2].imshow(relevance, cmap="RdBu_r", vmin=-top, vmax=top)
    axes[2].set_title(f"{COLUMNS[2]}: {_literal(one.explainer)}", fontsize=8)
    axes[0].set_ylabel(_literal(one.label), fontsize=8)
    for axis in axes:
        axis.set_xticks([])
        axis.set_yticks([])


def _shown(image: NDArray[Any], low: float, high: float) -> NDArray[Any]:
    """Return an image (C, H, W) on the scale of the sample's own values, as matplotlib takes it."""
    scaled = np.clip((image - low) / ((high - low) or 1.0), 0.0, 1.0)
    return np.moveaxis(scaled, 0, -1) if len(scaled) == 3 else scaled.mean(axis=0)


def _literal(text: str) -> str:
    return text.replace("$", r"\$")
