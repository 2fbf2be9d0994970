"""Explanations for programs: lines of JSON, and a data frame."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aexbench.explaining.parts import Explanation, Feature, Window

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1  # of a line; raised when a reader of the older one could misread it
COLUMNS = (
    "sample",
    "row",
    "rank",
    "feature",
    "column",
    "value",
    "expected",
    "low",
    "median",
    "high",
    "error_share",
    "attribution",
    "share",
    "standard_error",
)


def as_json(one: Explanation) -> str:
    """Return one line of JSON, without what only pictures need."""
    said = {
        "schema": SCHEMA,
        "label": one.label,
        "row": one.row,
        "alarmed": one.alarmed,
        "error": one.error,
        "error_alarm": one.error_alarm,
        "score": one.score,
        "alarm": one.alarm,
        "explainer": one.explainer,
        "chosen_by": one.chosen_by,
        "reason": one.reason,
        "sentence": one.sentence,
        "features": [asdict(feature) for feature in one.features],
        "lead": None if one.lead is None else asdict(one.lead),
        "votes": [asdict(vote) for vote in one.votes],
    }
    if one.window is not None:
        said["window"] = _window(one.window)
    return json.dumps(said, ensure_ascii=False, allow_nan=False)


def _window(window: Window) -> dict[str, Any]:
    """Return what is said of a window by channel and by step, whatever its features are."""
    return {
        "first_row": window.first_row,
        "steps": window.steps,
        "by_channel": dict(zip(window.channels, window.by_channel.tolist(), strict=True)),
        "by_step": window.by_step.tolist(),
        "attribution": window.attribution.tolist(),
    }


def as_frame(explanations: Sequence[Explanation]) -> pd.DataFrame:
    """Return one row per sample and feature.

    Of a feature that several columns encode it is the column with the greatest share of the error;
    of a category the value and what was expected are names, and the quantiles are missing.
    """
    import pandas as pd

    rows = [
        _row(one, rank, feature)
        for one in explanations
        for rank, feature in enumerate(one.features, start=1)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(one: Explanation, rank: int, feature: Feature) -> dict[str, Any]:
    column, category = feature.leading, feature.category
    usual = None if category is not None else column.usual
    return {
        "sample": one.label,
        "row": one.row,
        "rank": rank,
        "feature": feature.name,
        "column": None if category is not None else column.name,
        "value": column.value if category is None else category.value,
        "expected": column.expected if category is None else category.expected,
        "low": None if usual is None else usual.low,
        "median": None if usual is None else usual.median,
        "high": None if usual is None else usual.high,
        "error_share": feature.error_share,
        "attribution": feature.attribution,
        "share": feature.share,
        "standard_error": feature.standard_error,
    }
