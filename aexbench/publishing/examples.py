"""Some anomalies of a data set: which features were wrong, and by how much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from aexbench.contracts import AnomalySet
from aexbench.errors import RequestError
from aexbench.files import UnreadableError
from aexbench.publishing.grids import Cell, Column, Grid, Line
from aexbench.publishing.reading import Reading
from aexbench.running.store import Record

EACH, MOST_SETS, MOST_FEATURES = 2, 6, 3
CAPTION = "Anomalies as the network sees them; the score is that of the detector, from 0 to 1"


@dataclass(frozen=True)
class Examples:
    """Anomalies of a data set on one board, or why none are shown."""

    board: str
    grid: Grid | None
    why: str = ""


def of(reading: Reading, records: Sequence[Record]) -> Examples:
    """Return some anomalies of each kind that a store holds of one data set."""
    try:
        lines = [line for record in sets(records) for line in _lines(reading, record)]
    except (RequestError, UnreadableError) as error:
        return Examples(reading.name, None, f"None are shown: {error}.")
    if not lines:
        return Examples(reading.name, None)
    columns = [Column(name, words=True) for name in ("corruption", "label", "what is wrong")]
    return Examples(reading.name, Grid(CAPTION, [*columns, Column("score")], lines))


def sets(records: Sequence[Record]) -> list[Record]:
    """Return one record of each corruption, on the first seed."""
    found: dict[tuple[str, str], Record] = {}
    plain = (r for r in records if r.state == "ok" and r.cell.plain)
    for record in sorted(plain, key=lambda r: (r.cell.anomaly_seed, r.cell.explainer.text)):
        found.setdefault((record.cell.detector.text, record.cell.corruption.text), record)
    return [found[key] for key in sorted(found)][:MOST_SETS]


def _lines(reading: Reading, record: Record) -> Iterator[Line]:
    anomalies = reading.store.anomalies_of(record)
    if anomalies.x.ndim != 2:
        return
    name = reading.seen.of("corruption", record.cell.corruption)
    for number in _chosen(anomalies):
        score = float(anomalies.score[number])
        texts = (name, str(anomalies.label[number]), wrong(anomalies, number))
        yield Line([*map(Cell, texts), Cell(f"{score:.2f}", score)], corruption=name)


def _chosen(anomalies: AnomalySet) -> list[int]:
    """Return the numbers of the first anomalies of each label."""
    labels = np.unique(anomalies.label)[:MOST_SETS]
    return [
        number
        for label in labels
        for number in np.flatnonzero(anomalies.label == label)[:EACH].tolist()
    ]


def wrong(anomalies: AnomalySet, number: int) -> str:
    """Return which features of a sample are wrong, and what they were."""
    columns = np.flatnonzero(anomalies.truth[number]).tolist()
    parts = [_feature(anomalies, number, column) for column in columns[:MOST_FEATURES]]
    more = len(columns) - MOST_FEATURES
    return ", ".join(parts) + (f" and {more} more" if more > 0 else "")


def _feature(anomalies: AnomalySet, number: int, column: int) -> str:
    names = anomalies.features.names
    name = names[column] if names else f"column {column}"
    value = f"{anomalies.x[number, column]:.3g}"
    if anomalies.clean is None:
        return f"{name} {value}"
    return f"{name} {anomalies.clean[number, column]:.3g} → {value}"
