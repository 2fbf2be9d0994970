"""How good the detectors are that are explained: explanations of a bad one mean nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Quality:
    """How good the detectors of one source are, means over seeds: explanations of a bad one mean
    nothing.

    `error_ratio` is the validation error in units of the best constant sample's; `roc_auc` and
    `average_precision` say how well e(x) finds the labelled anomalies, and `anomalous_share` what
    chance would give for the latter; `title` is what people see of the source.
    """

    source: str
    seeds: int
    error_ratio: float | None = None
    roc_auc: float | None = None
    average_precision: float | None = None
    anomalous_share: float | None = None
    title: str = ""


def quality(source: str, reports: Sequence[Mapping[str, Any]], title: str = "") -> Quality:
    """Return the means over the reports of one source's detectors, of what all of them say."""

    def mean(name: str) -> float | None:
        values = [report.get(name) for report in reports]
        numbers = [
            float(value)
            for value in values
            if isinstance(value, int | float) and np.isfinite(value)
        ]
        return float(np.mean(numbers)) if len(numbers) == len(values) else None

    own, constant = mean("validation_error"), mean("constant_error")
    ratio = None if own is None or not constant else own / constant
    return Quality(
        source,
        len(reports),
        ratio,
        mean("roc_auc"),
        mean("average_precision"),
        mean("anomalous_share"),
        title or source,
    )
