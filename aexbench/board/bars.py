"""Bars of rows of a table: what explainers say of each feature, how far that may be off where they
tell it, and which features are the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aexbench.contracts import AnomalySet
from aexbench.errors import plain
from aexbench.running.packed import AnyStore
from aexbench.running.store import Record

MOST = 8  # features, those with the greatest attributions
SPAN = 1.96  # standard errors at both sides: 19 of 20 are in them
TRUE, OTHER = "#c44e52", "#9aa5b1"


@dataclass(frozen=True)
class Bars:
    """One explainer's attributions (N, G) by feature, and their standard errors."""

    values: NDArray[Any]
    error: NDArray[Any] | None

    @staticmethod
    def of(store: AnyStore, record: Record, anomalies: AnomalySet) -> Bars:
        """Return what a record holds; columns of one feature may share an error, so that its sum is
        never too small.
        """
        error = store.read_standard_error(record)
        told = None if error is None else _by_feature(anomalies, error)
        return Bars(_by_feature(anomalies, store.read_attributions(record)), told)


def _by_feature(anomalies: AnomalySet, columns: NDArray[Any]) -> NDArray[Any]:
    found = anomalies.features.sum_groups(columns)
    return found.reshape(len(found), -1)


def draw(axis: Any, bars: Bars, number: int, anomalies: AnomalySet) -> None:
    """Draw one row's greatest attributions, the greatest first: red where a feature is the truth,
    with whiskers of 1.96 standard errors.
    """
    names = anomalies.features.group_names(anomalies.x.shape[1:])
    truth = anomalies.features.any_groups(anomalies.truth[number : number + 1]).ravel()
    values = bars.values[number]
    order = np.argsort(-values, kind="stable")[:MOST]
    axis.barh(
        np.arange(len(order)),
        values[order],
        color=[TRUE if truth[place] else OTHER for place in order],
        xerr=None if bars.error is None else SPAN * bars.error[number][order],
        error_kw={"elinewidth": 0.7, "capsize": 1.5},
    )
    shown = [plain(names[place])[:24].replace("$", r"\$") for place in order]
    axis.set_yticks(np.arange(len(order)), shown, fontsize=5)
    axis.invert_yaxis()
    axis.tick_params(axis="x", labelsize=5)
