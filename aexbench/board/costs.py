"""What explanations cost: medians over the records that were timed alone on one kind of machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from aexbench.running.provenance import describe, jobs
from aexbench.running.store import Record
from aexbench.running.titles import Seen

COSTS = ("latency_s", "latency_spread", "samples_per_s", "prepare_s")
ROWS = ("forward_rows", "backward_rows")
BESIDE, SEVERAL = "beside other work", "on several machines"


def times(records: Iterable[Record]) -> dict[str, Any]:
    """Return median times and rows; only times of one kind of machine, on which nothing else of
    ours ran, stand in one row.
    """
    known = [record for record in records if record.timing is not None]
    alone = [record for record in known if jobs(_machine(record)) == 1]
    machines = {describe(_machine(record)) for record in alone}
    rows = {name: _median(known, name) for name in ROWS}
    if len(machines) != 1:
        why = SEVERAL if machines else BESIDE if known else ""
        return {**dict.fromkeys(COSTS), **rows, "hardware": why}
    medians = {name: _median(alone, name) for name in COSTS}
    return {**medians, **rows, "hardware": machines.pop()}


def where(hardware: str) -> str:
    """Return what is said of where explainers were timed."""
    if hardware in (BESIDE, SEVERAL):
        return f"timed {hardware}, so that times are not shown (run --rerun times takes them anew)"
    return f"timed on {hardware}"


def _machine(record: Record) -> object:
    """Return the machine that a record was timed on."""
    own = None if record.timing is None else record.timing.hardware
    return record.provenance.get("hardware") if own is None else own


def _median(records: Iterable[Record], name: str) -> float | None:
    """Return the median of what is known of a cost."""
    values = [getattr(record.timing, name) for record in records]
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def untimed(records: Sequence[Record], seen: Seen) -> list[str]:
    """Return a line for each explainer that could not be timed somewhere, or whose rows could not
    be counted, and why.
    """
    of = {r.cell.explainer.text: seen.of("explainer", r.cell.explainer) for r in records}
    reasons = {(r.cell.explainer.text, r.untimed) for r in records if r.untimed}
    said = [
        f"{of[name]} could not be timed: {reason} (--rerun {name!r} tries it again)"
        for name, reason in sorted(reasons)
    ]
    timed = {(r.cell.explainer.text, r.timing.uncounted) for r in records if r.timing}
    uncounted = sorted((name, reason) for name, reason in timed if reason)
    return [*said, *(f"the rows of {of[name]} are not counted: {why}" for name, why in uncounted)]
