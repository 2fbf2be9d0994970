"""What pages show, for programs: the board, and a row for each cell."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from aexbench.board import rendering
from aexbench.board.escaping import csv_cell
from aexbench.errors import SkipError
from aexbench.extras import optional
from aexbench.publishing.reading import Reading
from aexbench.running.provenance import describe
from aexbench.running.store import Record
from aexbench.texts import pathless

TIMES = ("prepare_s", "latency_s", "samples_per_s", "forward_rows", "backward_rows")
Rows = Sequence[Mapping[str, Any]]


def files(reading: Reading) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a store's data: names in its folder, and contents.

    Parquet is among them where pyarrow is installed.
    """
    yield "board.csv", rendering.as_csv(reading.board).encode()
    yield "board.json", rendering.as_json(reading.board).encode()
    yield "suites.json", _json(reading.suites)
    found = rows(reading.records)
    yield "cells.csv", as_csv(found)
    yield (
        "cells.json",
        _json({"columns": list(found[0]), "rows": [[*row.values()] for row in found]}),
    )
    try:
        yield "cells.parquet", as_parquet(found)
    except SkipError:
        return  # the page says so


def _json(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def rows(records: Sequence[Record]) -> Rows:
    """Return a row for each cell, all with the same columns."""
    metrics = sorted({name for record in records for name in record.scores})
    return [_row(record, metrics) for record in sorted(records, key=lambda r: r.cell.key)]


def _row(record: Record, metrics: Sequence[str]) -> dict[str, Any]:
    cell, timing = record.cell, record.timing
    hardware = record.provenance.get("hardware")
    if timing is not None and timing.hardware is not None:
        hardware = timing.hardware
    return {
        "cell": cell.key,
        "dataset": cell.dataset.text,
        "detector": cell.detector.text,
        "corruption": cell.corruption.text,
        "explainer": cell.explainer.text,
        "probe": "" if cell.probe is None else cell.probe.text,
        "role": record.role,
        "control": cell.control,
        "control_seed": cell.control_seed,
        "seed": cell.anomaly_seed,
        "state": record.state,
        "reason": pathless(record.reason),
        **{f"score {name}": record.scores.get(name) for name in metrics},
        **{name: getattr(timing, name, None) for name in TIMES},
        "hardware": describe(hardware),
    }


def as_csv(found: Rows) -> bytes:
    """Return rows as CSV in which no cell does anything."""
    shown = cache(csv_cell)  # the same few texts stand in many rows
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([shown(name) for name in found[0]])
    writer.writerows([shown(value) for value in row.values()] for row in found)
    return out.getvalue().encode("utf-8", "replace")


def as_parquet(found: Rows) -> bytes:
    """Return rows as Parquet; SkipError where pyarrow is not installed."""
    arrow = optional("pyarrow", extra="parquet")
    parquet = optional("pyarrow.parquet", extra="parquet")
    out = io.BytesIO()
    parquet.write_table(arrow.Table.from_pylist(list(found)), out)
    return out.getvalue()
