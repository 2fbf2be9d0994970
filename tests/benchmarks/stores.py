"""A store of ten thousand cells of the usual form, made in half a minute.

One cell is run, and what came of it is multiplied: every record has its form and size. Attributions
are drawn, higher where the truth is, by as much as their explainer is worth.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import aexbench
from aexbench import Features
from aexbench.contracts import ALARMED, AnomalySet
from aexbench.running import execution, planning
from aexbench.running.cells import Cell
from aexbench.running.references import LABELS
from aexbench.running.store import Record, Store, file_info, pack_anomalies

SAMPLES, FEATURES, INCIDENTS = 100, 20, 20
SUITE: dict[str, Any] = {
    "name": "boards",
    "datasets": ["breast-cancer", "wine", "digits", "linear-autoencoder", "perfect-autoencoder"],
    "corruptions": ["null", "random", "adversarial", LABELS],
    "explainers": [
        "residual",
        "repair",
        "lrp",
        "saliency",
        "input-x-gradient",
        "integrated-gradients",
        "deeplift",
        "kernelshap-batched",
    ],
    "metrics": ["recall[top=1]", "recall[top=3]"],
    "seeds": 5,
}
ONE = {
    "name": "one",
    "datasets": ["wine"],
    "detectors": ["mlp[widths=[6, 3],epochs=10,learning_rate=0.02,batch_size=16]"],
    "corruptions": ["random[threshold=0.2,count=12]"],
    "explainers": ["residual"],
    "metrics": SUITE["metrics"],
    "controls": False,
}


def large(root: Path) -> Store:
    """Make a store of a suite's cells: data sets, corruptions and labels, explainers and floors,
    seeds and twins, a hundred anomalies a cell, two metrics.
    """
    first = aexbench.run(ONE, root.with_name("one")).records[0]
    suite = planning.from_values(SUITE, "boards")
    cells = planning.plan(suite)
    store = Store(root, create=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)  # nobody needs it after a crash
        store.write_plan(suite.model_dump(), cells)
        for record in _records(store, first, cells, planning.metric_components(suite)):
            store.write_record(record)
    return store


def _records(store: Store, first: Record, cells: Iterable[Cell], metrics: Any) -> Iterator[Record]:
    """Write the files of cells, and yield their records."""
    rng, sets = np.random.default_rng(0), dict[str, AnomalySet]()
    for cell in cells:
        if cell.anomaly_key not in sets:
            made = sets[cell.anomaly_key] = _anomalies(rng, cell.corruption.name)
            store.write_anomalies(cell.anomaly_key, pack_anomalies(made))
        anomalies = sets[cell.anomaly_key]
        attributions = store.write_attributions(cell.key, values := _drawn(rng, cell, anomalies))
        scores = execution._scored(values, anomalies, metrics)
        written = {
            "anomalies": file_info(store.path("anomalies", cell.anomaly_key)),
            "attributions": attributions,
            "scores": store.write_scores(cell.key, scores, attributions),
        }
        own = {
            "cell": cell,
            "role": planning.role(cell.explainer),
            "files": written,
            "anomalies": first.anomalies | dict(anomalies.report),
            "timing": first.timing if cell.control == "none" else None,
        }
        yield first.model_copy(update=own | execution._summary(scores))


def _anomalies(rng: np.random.Generator, corruption: str) -> AnomalySet:
    """Return anomalies of a corruption, or incidents of which most raise an alarm."""
    labels = corruption == LABELS
    unit = np.arange(SAMPLES) // (SAMPLES // INCIDENTS) if labels else np.arange(SAMPLES)
    truth = np.arange(FEATURES) == rng.integers(FEATURES, size=(SAMPLES, 1))
    return AnomalySet(
        x=rng.random((SAMPLES, FEATURES), dtype=np.float32),
        truth=truth,
        score=rng.random(SAMPLES),
        error=rng.random(SAMPLES),
        label=np.full(SAMPLES, corruption),
        unit=unit,
        features=Features(tuple(f"feature {number}" for number in range(FEATURES))),
        details={ALARMED: rng.random(SAMPLES) < 0.8} if labels else {},
        report={"label": corruption, "truth": "symptom" if labels else "cause"},
    )


def _drawn(rng: np.random.Generator, cell: Cell, anomalies: AnomalySet) -> NDArray[np.float32]:
    """Return attributions that find the truth more often the longer the explainer's name is, and
    seldom on a control.
    """
    worth = len(cell.explainer.text) / 10 if cell.control == "none" else 0.2
    noise = rng.standard_normal(anomalies.x.shape, dtype=np.float32)
    return noise + np.float32(worth) * anomalies.truth
